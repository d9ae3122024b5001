// A simulated network: ordered connections with random delays and a window, cut, silenced or partitioned at will.
import type { Connection, ConnectionHandlers, ConnectOptions, Listener, Net } from '../../src/env/net.ts'
import { failure } from './failure.ts'
import type { Scheduler } from './scheduler.ts'

interface Door {
  host: string
  onConnection: (connection: Connection) => void
}

/** What is on its way from one end of a connection to the other. */
interface Parcel {
  atMs: number
  bytes?: Buffer
  taken?: (() => void) | undefined
  /** The end of what the other side sends. */
  ends?: true
}

/** Bytes that the system takes for a program that does not read them. */
const WINDOW_BYTES = 256 << 10
/** One write of so many arrives in two pieces. */
const SPLIT_ONE_IN = 40

const reset = () => failure('ECONNRESET', 'connection reset')

class SimConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly #network: SimNetwork
  peer: SimConnection | undefined
  queuedBytes = 0
  #handlers: ConnectionHandlers | undefined
  #outgoing: Parcel[] = []
  #carrying = false
  #lastArrivalMs = 0
  #arrived: Buffer[] = []
  #arrivedBytes = 0
  #paused = true
  #ended: { error: Error | undefined } | undefined
  #closed = false

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
    this.#network.watcher?.(this.localAddress, 'before')
    if (this.#closed) return
    const copy = Buffer.from(bytes)
    this.queuedBytes += copy.length
    if (copy.length > 1 && this.#network.scheduler.between(1, SPLIT_ONE_IN) === 1) {
      const at = this.#network.scheduler.between(1, copy.length - 1)
      this.#send({ bytes: copy.subarray(0, at) })
      this.#send({ bytes: copy.subarray(at), taken })
    } else this.#send({ bytes: copy, taken })
    this.#network.watcher?.(this.localAddress, 'after')
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
    this.peer?.carry()
  }

  end(): void {
    if (this.#closed) return
    this.#send({ ends: true })
  }

  destroy(error?: Error): void {
    if (this.#closed) return
    this.#outgoing = []
    this.#network.scheduler.at(0, () => this.ends(error))
    this.#send({ ends: true })
  }

  /** The wire is cut: both sides see an error. */
  cut(): void {
    this.ends(reset())
    this.peer?.ends(reset())
  }

  /**
   * The program of this side is dead: it hears of nothing any more. The other side gets what is on its way and then the
   * end (`orderly`), an error at once (`reset`), or nothing at all until it sends something (`silent`).
   */
  abandon(manner: 'orderly' | 'reset' | 'silent'): void {
    this.#handlers = undefined
    this.#closed = true
    this.#arrived = []
    this.#network.forget(this)
    if (manner === 'orderly') this.#send({ ends: true })
    else this.#outgoing = []
    if (manner === 'reset') this.peer?.ends(reset())
  }

  #arrive(bytes: Buffer): void {
    this.#arrived.push(bytes)
    this.#arrivedBytes += bytes.length
    this.#deliver()
  }

  ends(error: Error | undefined): void {
    if (this.#closed) return
    this.#ended ??= { error }
    if (error) {
      this.#arrived = []
      this.#outgoing = []
    }
    this.#deliver()
  }

  #deliver(): void {
    while (this.#handlers && !this.#paused && this.#arrived.length > 0) {
      const bytes = this.#arrived.shift() as Buffer
      this.#arrivedBytes -= bytes.length
      this.#handlers.data(bytes)
    }
    if (!this.#ended || this.#closed || this.#arrived.length > 0 || !this.#handlers) return
    this.#closed = true
    this.#network.forget(this)
    this.#handlers.closed(this.#ended.error)
  }

  /** Later than everything sent before on this connection. */
  #send(parcel: Omit<Parcel, 'atMs'>): void {
    const { scheduler } = this.#network
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, scheduler.nowMs + this.#network.delayMs())
    this.#outgoing.push({ ...parcel, atMs: this.#lastArrivalMs })
    this.carry()
  }

  /** Sees to it that the first parcel goes on when it is due; while partitioned or with a full window, later. */
  carry(): void {
    const [first] = this.#outgoing
    if (!first || this.#carrying) return
    this.#carrying = true
    this.#network.scheduler.at(first.atMs - this.#network.scheduler.nowMs, () => {
      this.#carrying = false
      this.#carryDue()
    })
  }

  #carryDue(): void {
    const { scheduler } = this.#network
    if (this.#network.isBlocked(this.localAddress, this.remoteAddress)) return
    while (this.#outgoing[0] && this.#outgoing[0].atMs <= scheduler.nowMs) {
      if (this.peer && this.peer.#arrivedBytes >= WINDOW_BYTES) return
      this.#hand(this.#outgoing.shift() as Parcel)
    }
    this.carry()
  }

  #hand({ bytes, taken, ends }: Parcel): void {
    const { peer } = this
    if (ends) {
      peer?.ends(undefined)
      this.ends(undefined)
      return
    }
    this.queuedBytes -= bytes?.length ?? 0
    if (peer && bytes) {
      if (!peer.#closed) peer.#arrive(bytes)
      // Nobody is there any more: a machine that runs says so.
      else if (this.#network.isUp(this.remoteAddress)) return this.ends(reset())
    }
    taken?.()
    if (this.queuedBytes === 0 && !this.#closed) this.#handlers?.drain?.()
  }
}

export class SimNetwork {
  readonly scheduler: Scheduler
  maxDelayMs = 2
  /** Hears of every write of a program, before and after: for crashes at every point. */
  watcher: ((host: string, when: 'before' | 'after') => void) | undefined
  readonly #doors = new Map<string, Door>()
  readonly #connections = new Set<SimConnection>()
  /** `FROM TO`. */
  readonly #blocked = new Set<string>()
  readonly #down = new Set<string>()
  #nextPort = 40000

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  delayMs(): number {
    return 0.05 + this.scheduler.random() * this.maxDelayMs
  }

  get connections(): number {
    return this.#connections.size / 2
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(`${from} ${to}`)
  }

  /** From now on nothing gets through between the two hosts, until heal(). */
  partition(a: string, b: string): void {
    this.block(a, b)
    this.block(b, a)
  }

  /** From now on nothing gets through in this direction, until heal(). */
  block(from: string, to: string): void {
    this.#blocked.add(`${from} ${to}`)
  }

  heal(): void {
    this.#blocked.clear()
    for (const connection of this.#connections) connection.carry()
  }

  isUp(address: string): boolean {
    return !this.#down.has(address)
  }

  /** The machine has power (again). */
  hostUp(address: string): void {
    this.#down.delete(address)
  }

  /** Ends every connection of a host and forgets its listeners: what a kill does. Without power, peers may not hear of it. */
  cutHost(address: string, power: boolean): void {
    if (!power) this.#down.add(address)
    for (const [key, door] of this.#doors) if (door.host === address) this.#doors.delete(key)
    for (const connection of [...this.#connections]) {
      if (connection.localAddress !== address) continue
      const gentle = this.scheduler.random() < 0.5
      connection.abandon(gentle ? (power ? 'orderly' : 'silent') : 'reset')
    }
  }

  /** Cuts one connection by chance. */
  cutSome(): void {
    const all = [...this.#connections]
    all[this.scheduler.between(0, all.length - 1)]?.cut()
  }

  /** Cuts every connection between two hosts; new ones can be made at once. */
  cutBetween(a: string, b: string): void {
    for (const connection of [...this.#connections]) {
      if (connection.localAddress === a && connection.remoteAddress === b) connection.cut()
    }
  }

  forget(connection: SimConnection): void {
    this.#connections.delete(connection)
  }

  /** The network as the host with this address sees it, while `isAlive`: a dead program gets and hears nothing. */
  of(address: string, isAlive: () => boolean = () => true): Net {
    return {
      listen: async (_host, port, onConnection): Promise<Listener> => {
        const key = `${address}:${port}`
        if (!isAlive()) return new Promise(() => {})
        if (this.#doors.has(key)) throw failure('EADDRINUSE', key)
        const door = { host: address, onConnection }
        this.#doors.set(key, door)
        const close = async () => {
          // Perhaps it is the next program's by now.
          if (this.#doors.get(key) === door) this.#doors.delete(key)
        }
        return { port, close }
      },
      connect: (host, port, options) => this.#connect(address, isAlive, host, port, options),
      resolve: async host => [host],
    }
  }

  #connect(
    from: string,
    isAlive: () => boolean,
    to: string,
    port: number,
    { timeoutMs }: ConnectOptions,
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const refuse = (code: string) => isAlive() && reject(failure(code, `${to}:${port}`))
      this.scheduler.at(this.delayMs(), () => {
        if (!isAlive()) return
        // It takes both directions to call somebody.
        if (this.isBlocked(from, to) || this.isBlocked(to, from) || !this.isUp(to)) {
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
