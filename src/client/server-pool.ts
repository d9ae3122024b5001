// Connections to chunkservers, kept for a while after a request is over (spec chunkserver 3.1).
import type { Env } from '../env/env.ts'
import type { Connection } from '../env/net.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { FrameReader } from '../protocol/frame.ts'
import { formatIpv4 } from '../util/ipv4.ts'

const MAX_PAYLOAD_BYTES = 100_000
const CONNECT_TIMEOUTS_MS = [500, 1000, 2000]
/** Servers close what is silent for 5 s. */
const KEPT_MS = 3000
const KEPT_MAX = 64
const NOP_AFTER_MS = 1000
const SILENCE_MS = 2000
const TICK_MS = 250
const NOP = Buffer.alloc(8)

export const addressOf = (ip: number, port: number) => `${formatIpv4(ip)}:${port}`

/** Who uses the connection now. */
export interface ServerUser {
  packet(type: number, payload: Buffer): void
  /** It is over; nothing more will come. */
  failed(error: Error): void
}

export class ServerConnection {
  readonly address: string
  readonly #connection: Connection
  readonly #pool: ServerPool
  #user: ServerUser | undefined
  #over: Error | undefined
  heardMs: number
  saidMs: number
  keptSinceMs = 0

  constructor(pool: ServerPool, address: string, connection: Connection, nowMs: number) {
    this.#pool = pool
    this.address = address
    this.#connection = connection
    this.heardMs = this.saidMs = nowMs
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => {
      if (type !== 0) this.#user?.packet(type, payload)
    })
    connection.handle({
      data: bytes => {
        this.heardMs = pool.nowMs()
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          this.destroy(error)
        }
      },
      closed: error => this.#end(error ?? new Error('the connection was closed')),
    })
  }

  get isOver(): boolean {
    return this.#over !== undefined
  }

  get inUse(): boolean {
    return this.#user !== undefined
  }

  get queuedBytes(): number {
    return this.#connection.queuedBytes
  }

  use(user: ServerUser): void {
    this.#user = user
    this.heardMs = this.#pool.nowMs()
    if (this.#over) user.failed(this.#over)
  }

  write(packet: Buffer): void {
    this.saidMs = this.#pool.nowMs()
    if (!this.#over) this.#connection.write(packet)
  }

  writev(buffers: readonly Buffer[]): void {
    this.saidMs = this.#pool.nowMs()
    if (!this.#over) this.#connection.writev(buffers)
  }

  /** The request is over in order: somebody else may have the connection. */
  release(): void {
    this.#user = undefined
    this.#pool.keep(this)
  }

  destroy(error?: Error): void {
    this.#connection.destroy(error)
    this.#end(error ?? new Error('given up'))
  }

  #end(error: Error): void {
    if (this.#over) return
    this.#over = error
    this.#pool.gone(this)
    this.#user?.failed(error)
    this.#user = undefined
  }
}

export class ServerPool {
  readonly #env: Env
  readonly #kept = new Map<string, ServerConnection[]>()
  readonly #all = new Set<ServerConnection>()
  readonly #bindHost: string | undefined

  constructor(env: Env, bindHost: string | undefined) {
    this.#env = env
    this.#bindHost = bindHost
    this.#timer = env.clock.every(TICK_MS, () => this.#tick())
  }

  readonly #timer

  nowMs(): number {
    return this.#env.clock.monotonicMs()
  }

  /** A kept connection or a new one. @throws Error of Node */
  async connect(ip: number, port: number): Promise<ServerConnection> {
    const address = addressOf(ip, port)
    for (let kept = this.#kept.get(address)?.pop(); kept; kept = this.#kept.get(address)?.pop()) {
      if (!kept.isOver) return kept
    }
    const bind = this.#bindHost === undefined ? {} : { bindHost: this.#bindHost }
    for (let attempt = 0; ; attempt++) {
      const timeoutMs = CONNECT_TIMEOUTS_MS[attempt] ?? 0
      try {
        const connection = await this.#env.net.connect(formatIpv4(ip), port, { timeoutMs, ...bind })
        const server = new ServerConnection(this, address, connection, this.nowMs())
        this.#all.add(server)
        return server
      } catch (error) {
        const timedOut = (error as NodeJS.ErrnoException).code === 'ETIMEDOUT'
        if (!timedOut || attempt + 1 >= CONNECT_TIMEOUTS_MS.length) throw error
      }
    }
  }

  keep(server: ServerConnection): void {
    if (server.isOver) return
    const kept = this.#kept.get(server.address) ?? []
    if (kept.length >= KEPT_MAX) return server.destroy()
    server.keptSinceMs = this.nowMs()
    kept.push(server)
    this.#kept.set(server.address, kept)
  }

  gone(server: ServerConnection): void {
    this.#all.delete(server)
    const kept = this.#kept.get(server.address)
    const at = kept?.indexOf(server) ?? -1
    if (at >= 0) kept?.splice(at, 1)
  }

  #tick(): void {
    const now = this.nowMs()
    for (const server of [...this.#all]) {
      if (!server.inUse) {
        if (now - server.keptSinceMs > KEPT_MS) server.destroy()
        continue
      }
      if (now - server.heardMs > SILENCE_MS) server.destroy(new Error(`${server.address} is silent`))
      else if (now - server.saidMs > NOP_AFTER_MS) server.write(NOP)
    }
  }

  close(): void {
    this.#timer.cancel()
    for (const server of [...this.#all]) server.destroy()
  }
}
