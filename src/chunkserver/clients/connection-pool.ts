// Connections to other chunkservers that wait for their next use (spec chunkserver 3.1).
import type { Env } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import { formatIpv4 } from '../../util/ipv4.ts'

const IDLE_MAX = 250
const CONNECT_MS = [200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800]
/** Between attempts that were refused at once: the server may be starting. */
const REFUSED_PAUSE_MS = 50
const NOP = Buffer.alloc(8)

export interface Address {
  readonly ip: number
  readonly port: number
}

interface Idle {
  readonly key: string
  readonly connection: Connection
}

export class ConnectionPool {
  readonly #env: Env
  #idle: Idle[] = []

  constructor(env: Env) {
    this.#env = env
  }

  /** A waiting connection, or a new one. @throws Error when all attempts failed or `isWanted` became false */
  async take({ ip, port }: Address, isWanted: () => boolean): Promise<Connection> {
    const key = `${ip}:${port}`
    const at = this.#idle.findLastIndex(idle => idle.key === key)
    const idle = at < 0 ? undefined : this.#idle.splice(at, 1)[0]
    if (idle) return idle.connection
    let failure: unknown
    for (const timeoutMs of CONNECT_MS) {
      if (!isWanted()) break
      try {
        return await this.#env.net.connect(formatIpv4(ip), port, { timeoutMs })
      } catch (error) {
        failure = error
        await this.#env.clock.sleep(REFUSED_PAUSE_MS)
      }
    }
    throw failure ?? new Error('no longer wanted')
  }

  /** Keeps a connection on which nothing is under way. */
  give({ ip, port }: Address, connection: Connection): void {
    const idle = { key: `${ip}:${port}`, connection }
    const drop = () => {
      this.#idle = this.#idle.filter(other => other !== idle)
    }
    connection.handle({
      data: bytes => {
        // Only NOPs may come, possibly cut.
        if (bytes.every(byte => byte === 0)) return
        drop()
        connection.destroy()
      },
      closed: drop,
    })
    this.#idle.push(idle)
    if (this.#idle.length > IDLE_MAX) this.#idle.shift()?.connection.destroy()
  }

  /** Now and then, so that the other side keeps the connections too. */
  tick(): void {
    for (const { connection } of this.#idle) connection.write(NOP)
  }

  close(): void {
    for (const { connection } of this.#idle) connection.destroy()
    this.#idle = []
  }
}
