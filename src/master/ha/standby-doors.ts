// The ports of a master in a cluster: open as long as the process lives, answered by the redirect while it follows and
// by the serving master while it leads. Through here goes everything that a leader says, so here it is held against the
// lease: a word that is not certain to come from the only leader is not said, and the connection ends.
import type { Env } from '../../env/env.ts'
import type { Connection, Listener, Net } from '../../env/net.ts'

type Handler = (connection: Connection) => void

interface Door {
  listener: Listener
  redirect: Handler
  /** The serving master's, while it leads. */
  serving: Handler | undefined
}

export class StandbyDoors {
  readonly #env: Env
  readonly #doors = new Map<string, Door>()

  constructor(env: Env) {
    this.#env = env
  }

  /** Opens a port; `redirect` gets who comes while this master does not lead. */
  async open(host: string, port: number, redirect: Handler): Promise<void> {
    const key = `${host}:${port}`
    const listener = await this.#env.net.listen(host, port, connection => {
      const door = this.#doors.get(key)
      if (!door) return connection.destroy()
      const handler = door.serving ?? door.redirect
      handler(connection)
    })
    this.#doors.set(key, { listener, redirect, serving: undefined })
  }

  async close(): Promise<void> {
    const doors = [...this.#doors.values()]
    this.#doors.clear()
    for (const { listener } of doors) await listener.close()
  }

  /** The world of the serving master: to listen on a port that is open here means to answer it from now on. */
  envOf(certain: () => boolean): Env {
    const { net } = this.#env
    const served: Net = {
      connect: (host, port, options) => net.connect(host, port, options),
      resolve: host => net.resolve(host),
      listen: async (host, port, onConnection) => {
        const door = this.#doors.get(`${host}:${port}`)
        if (!door) throw new Error(`port ${port} of ${host} is not one of this master's`)
        const open = new Set<GuardedConnection>()
        door.serving = connection => {
          const guarded: GuardedConnection = new GuardedConnection(connection, certain, () => void open.delete(guarded))
          open.add(guarded)
          onConnection(guarded)
        }
        return {
          port,
          close: async () => {
            door.serving = undefined
            await Promise.all([...open].map(connection => connection.ended()))
          },
        }
      },
    }
    return { ...this.#env, net: served }
  }
}

/** Says nothing that is not certain to come from the only leader. */
class GuardedConnection implements Connection {
  readonly #inner: Connection
  readonly #certain: () => boolean
  readonly #onEnd: () => void
  #hasEnded = false
  #waiting: (() => void)[] = []

  constructor(inner: Connection, certain: () => boolean, onEnd: () => void) {
    this.#inner = inner
    this.#certain = certain
    this.#onEnd = onEnd
  }

  /** Ends it and resolves when everybody has heard of it. */
  ended(): Promise<void> {
    this.#inner.destroy()
    return this.#hasEnded ? Promise.resolve() : new Promise(resolve => this.#waiting.push(resolve))
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress
  }

  get remotePort(): number {
    return this.#inner.remotePort
  }

  get localAddress(): string {
    return this.#inner.localAddress
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes
  }

  handle(handlers: Parameters<Connection['handle']>[0]): void {
    this.#inner.handle({
      data: bytes => handlers.data(bytes),
      drain: () => handlers.drain?.(),
      closed: error => {
        this.#hasEnded = true
        this.#onEnd()
        handlers.closed(error)
        for (const resolve of this.#waiting) resolve()
      },
    })
  }

  write(bytes: Buffer): void {
    if (this.#certain()) this.#inner.write(bytes)
    else this.#inner.destroy(new Error('this master may not lead any more'))
  }

  writev(buffers: readonly Buffer[], taken?: () => void): void {
    if (this.#certain()) this.#inner.writev(buffers, taken)
    else this.#inner.destroy(new Error('this master may not lead any more'))
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  end(): void {
    this.#inner.end()
  }

  destroy(error?: Error): void {
    this.#inner.destroy(error)
  }
}
