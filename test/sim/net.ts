// A simulated network: ordered connections with random delays, cut or partitioned at will.
import type { Connection, ConnectionHandlers, ConnectOptions, Listener, Net } from '../../src/env/net.ts'
import type { Scheduler } from './scheduler.ts'

interface Door {
  host: string
  onConnection: (connection: Connection) => void
}

class SimConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly #network: SimNetwork
  peer: SimConnection | undefined
  queuedBytes = 0
  #handlers: ConnectionHandlers | undefined
  #arrived: Buffer[] = []
  #paused = true
  #ended: { error: Error | undefined } | undefined
  #closed = false
  #lastArrivalMs = 0

  constructor(network: SimNetwork, localAddress: string, remoteAddress: string, remotePort: number) {
    this.#network = network
    this.localAddress = localAddress
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }

  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    this.resume()
  }

  write(bytes: Buffer, taken?: () => void): void {
    if (this.#closed || bytes.length === 0) return
    const copy = Buffer.from(bytes)
    this.queuedBytes += copy.length
    this.#carry(() => {
      this.queuedBytes -= copy.length
      this.peer?.arrive(copy)
      taken?.()
      if (this.queuedBytes === 0 && !this.#closed) this.#handlers?.drain?.()
    })
  }

  writev(buffers: readonly Buffer[], taken?: () => void): void {
    this.write(Buffer.concat(buffers), taken)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#deliver()
  }

  end(): void {
    if (this.#closed) return
    this.#carry(() => this.peer?.ends(undefined))
    this.#carry(() => this.ends(undefined))
  }

  destroy(error?: Error): void {
    if (this.#closed) return
    this.#network.scheduler.at(0, () => this.ends(error))
    this.#carry(() => this.peer?.ends(undefined))
  }

  /** The wire is cut: both sides see an error. */
  cut(): void {
    const error = Object.assign(new Error('connection reset'), { code: 'ECONNRESET' })
    this.ends(error)
    this.peer?.ends(error)
  }

  arrive(bytes: Buffer): void {
    if (this.#closed) return
    this.#arrived.push(bytes)
    this.#deliver()
  }

  ends(error: Error | undefined): void {
    if (this.#closed) return
    this.#ended ??= { error }
    if (error) this.#arrived = []
    this.#deliver()
  }

  #deliver(): void {
    if (!this.#handlers || this.#closed) return
    while (!this.#paused && this.#arrived.length > 0) this.#handlers.data(this.#arrived.shift() as Buffer)
    if (this.#ended && this.#arrived.length === 0) {
      this.#closed = true
      this.#network.forget(this)
      this.#handlers.closed(this.#ended.error)
    }
  }

  /** Later than everything sent before on this connection, never in the same moment. While partitioned, not at all. */
  #carry(action: () => void): void {
    const { scheduler } = this.#network
    const arrival = Math.max(this.#lastArrivalMs, scheduler.nowMs + this.#network.delayMs())
    this.#lastArrivalMs = arrival
    const attempt = () => {
      if (this.#network.isPartitioned(this.localAddress, this.remoteAddress)) scheduler.at(50, attempt)
      else action()
    }
    scheduler.at(arrival - scheduler.nowMs, attempt)
  }
}

export class SimNetwork {
  readonly scheduler: Scheduler
  maxDelayMs = 2
  readonly #doors = new Map<string, Door>()
  readonly #connections = new Set<SimConnection>()
  readonly #partitions = new Set<string>()
  #nextPort = 40000

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  delayMs(): number {
    return 0.05 + this.scheduler.random() * this.maxDelayMs
  }

  isPartitioned(a: string, b: string): boolean {
    return this.#partitions.has(a < b ? `${a} ${b}` : `${b} ${a}`)
  }

  /** From now on nothing gets through between the two hosts, until heal(). */
  partition(a: string, b: string): void {
    this.#partitions.add(a < b ? `${a} ${b}` : `${b} ${a}`)
  }

  heal(): void {
    this.#partitions.clear()
  }

  /** Cuts every connection of a host and forgets its listeners: what a kill does. */
  cutHost(address: string): void {
    for (const [key, door] of this.#doors) if (door.host === address) this.#doors.delete(key)
    for (const connection of [...this.#connections]) {
      if (connection.localAddress === address) connection.cut()
    }
  }

  /** Cuts one connection by chance. */
  cutSome(): void {
    const all = [...this.#connections]
    all[this.scheduler.between(0, all.length - 1)]?.cut()
  }

  forget(connection: SimConnection): void {
    this.#connections.delete(connection)
  }

  /** The network as the host with this address sees it. */
  of(address: string): Net {
    return {
      listen: async (_host, port, onConnection): Promise<Listener> => {
        const key = `${address}:${port}`
        if (this.#doors.has(key)) throw Object.assign(new Error(`EADDRINUSE: ${key}`), { code: 'EADDRINUSE' })
        this.#doors.set(key, { host: address, onConnection })
        return { port, close: async () => void this.#doors.delete(key) }
      },
      connect: (host, port, options) => this.#connect(address, host, port, options),
      resolve: async host => [host],
    }
  }

  #connect(from: string, to: string, port: number, { timeoutMs }: ConnectOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const refuse = (code: string) => reject(Object.assign(new Error(`${code}: ${to}:${port}`), { code }))
      this.scheduler.at(this.delayMs(), () => {
        if (this.isPartitioned(from, to)) {
          this.scheduler.at(timeoutMs, () => refuse('ETIMEDOUT'))
          return
        }
        const door = this.#doors.get(`${to}:${port}`)
        if (!door) return refuse('ECONNREFUSED')
        const near = new SimConnection(this, from, to, port)
        const far = new SimConnection(this, to, from, this.#nextPort++)
        near.peer = far
        far.peer = near
        this.#connections.add(near).add(far)
        door.onConnection(far)
        resolve(near)
      })
    })
  }
}
