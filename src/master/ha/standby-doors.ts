// The ports of a master in a cluster: open as long as the process lives, answered by the redirect while it follows and
// by the serving master while it leads. Through here goes everything that a leader says, so here it is held against the
// lease: a word that is not certain to come from the only leader is not said, and the connection ends.
import type { Env } from '../../env/env.ts'
import type { Connection, ConnectionHandlers, Listener, Net } from '../../env/net.ts'
import { WrappedConnection } from '../../env/wrapped-connection.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import { CHALLENGE_BYTES, type Reception } from './redirect.ts'
import { Visitor } from './visitor.ts'

interface Door {
  readonly listener: Listener
  readonly reception: Reception
  readonly visitors: Set<Visitor>
  /** The serving master's, while it leads. */
  serving: ((connection: Connection) => void) | undefined
  /** The serving master's connections. */
  readonly served: Set<GuardedConnection>
}

/** The guard of a master that was killed keeps its ports for a moment (guard.ts). */
const PORT_RETRY_MS = 100
const PORT_TRIES = 60

export class StandbyDoors {
  readonly #env: Env
  readonly #leader: () => number
  readonly #doors = new Map<string, Door>()
  #home: string | undefined

  /** @param leader address as a number; 0: not known now, or it is this master */
  constructor(env: Env, leader: () => number) {
    this.#env = env
    this.#leader = leader
  }

  /**
   * Opens a port.
   * @param reception for who comes while this master does not lead
   * @param keep takes those that it is to keep
   */
  async open(host: string, port: number, reception: Reception, keep?: (connection: Connection) => void): Promise<void> {
    const key = `${host}:${port}`
    const listener = await this.#listen(host, port, connection => {
      const door = this.#doors.get(key)
      if (!door) return connection.destroy()
      const isHome = this.#home === undefined || connection.localAddress === this.#home
      if (door.serving && isHome) return door.serving(connection)
      const visitor: Visitor = new Visitor(connection, {
        clock: this.#env.clock,
        reception,
        challenge: this.#env.random.bytes(CHALLENGE_BYTES),
        leader: () => (door.serving ? (parseIpv4(this.#home ?? '') ?? 0) : this.#leader()),
        gone: () => void door.visitors.delete(visitor),
        ...(door.serving ? { serve: door.serving } : keep ? { keep } : {}),
      })
      door.visitors.add(visitor)
    })
    this.#doors.set(key, { listener, reception, visitors: new Set(), serving: undefined, served: new Set() })
  }

  async #listen(host: string, port: number, onConnection: (connection: Connection) => void): Promise<Listener> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#env.net.listen(host, port, onConnection)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === PORT_TRIES) throw error
        await this.#env.clock.sleep(PORT_RETRY_MS)
      }
    }
  }

  /** The system's number of an open port. */
  descriptorOf(host: string, port: number): number | undefined {
    return this.#doors.get(`${host}:${port}`)?.listener.descriptor
  }

  /** It has become known who leads, and it is another master: those who wait are told. */
  leaderIsKnown(): void {
    for (const { visitors } of this.#doors.values()) for (const visitor of [...visitors]) visitor.answer()
  }

  /**
   * As long as this master leads, clients and chunkservers that come, or have come, by another of its addresses are sent
   * to this one.
   */
  callHome(address: string): void {
    this.#home = address
    for (const { served } of this.#doors.values()) {
      for (const connection of [...served]) {
        if (!connection.isEarly && connection.localAddress !== address) connection.destroy()
      }
    }
  }

  async close(): Promise<void> {
    const doors = [...this.#doors.values()]
    this.#doors.clear()
    for (const { listener } of doors) await listener.close()
  }

  /**
   * Takes a connection that came by an open port while this master followed for one of the serving master's. It was made to
   * this very machine, and whoever made it hears from the next leader when this machine is gone: it is not called home.
   */
  guardEarly(host: string, port: number, connection: Connection, certain: () => boolean): Connection {
    return guardedIn(this.#doors.get(`${host}:${port}`)?.served ?? new Set(), connection, certain, true)
  }

  /** The world of the serving master: to listen on a port that is open here means to answer it from now on. */
  envOf(certain: () => boolean): Env {
    const { net } = this.#env
    const servedNet: Net = {
      connect: (host, port, options) => net.connect(host, port, options),
      resolve: host => net.resolve(host),
      listen: async (host, port, onConnection) => {
        const door = this.#doors.get(`${host}:${port}`)
        if (!door) throw new Error(`port ${port} of ${host} is not one of this master's`)
        const { served: open } = door
        door.serving = connection => onConnection(guardedIn(open, connection, certain))
        for (const visitor of [...door.visitors]) visitor.handOver(door.serving)
        return {
          port,
          close: async () => {
            door.serving = undefined
            this.#home = undefined
            await Promise.all([...open].map(connection => connection.ended()))
          },
        }
      },
    }
    return { ...this.#env, net: servedNet }
  }
}

function guardedIn(
  served: Set<GuardedConnection>,
  connection: Connection,
  certain: () => boolean,
  isEarly = false,
): Connection {
  const onEnd = () => void served.delete(guarded)
  const guarded: GuardedConnection = new GuardedConnection(connection, certain, onEnd, isEarly)
  served.add(guarded)
  return guarded
}

/** Says nothing that is not certain to come from the only leader. */
class GuardedConnection extends WrappedConnection {
  /** Made while this master followed. */
  readonly isEarly: boolean
  readonly #certain: () => boolean
  readonly #onEnd: () => void
  #hasEnded = false
  #waiting: (() => void)[] = []

  constructor(inner: Connection, certain: () => boolean, onEnd: () => void, isEarly: boolean) {
    super(inner)
    this.isEarly = isEarly
    this.#certain = certain
    this.#onEnd = onEnd
  }

  /** Ends it and resolves when everybody has heard of it. */
  ended(): Promise<void> {
    this.destroy()
    return this.#hasEnded ? Promise.resolve() : new Promise(resolve => this.#waiting.push(resolve))
  }

  override handle(handlers: ConnectionHandlers): void {
    super.handle({
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

  override write(bytes: Buffer): void {
    if (this.#mayTalk()) super.write(bytes)
  }

  override writev(buffers: readonly Buffer[], taken?: () => void): void {
    if (this.#mayTalk()) super.writev(buffers, taken)
  }

  #mayTalk(): boolean {
    const mayTalk = this.#certain()
    if (!mayTalk) this.destroy(new Error('this master may not lead any more'))
    return mayTalk
  }
}
