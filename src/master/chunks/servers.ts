// The chunkservers of now: who is connected, who is away and expected back, and how much space they have.
import type { Clock } from '../../env/env.ts'
import { Maintenance } from '../../metadata/chunks/known-servers.ts'
import { assert } from '../../util/assert.ts'
import type { Ledger } from '../ledger.ts'
import { heavilyLoaded, type LoadRules } from '../policy/load.ts'
import { FLAT, type Topology } from '../policy/topology.ts'
import { ChunkServer, LoadState, type ServerIdentity } from './chunk-server.ts'

/** A server that has told no list of chunks for so long has told all (spec master-behaviour 6.1). */
const SETTLED_AFTER_MS = 3000
/** A master that young knows nothing for certain (spec master-behaviour 7). */
const YOUNG_MS = 10_000
const MAX_SLOTS = 0xffff

/** With the last copy of a chunk nobody waits longer for others that are away. */
const BRIEFLY_MS = 60_000

export interface ServerRules extends LoadRules {
  heavyLoadGraceSeconds: number
}

export class Servers {
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #rules: ServerRules
  readonly #startedMs: number
  /** By slot; 0 stays empty. */
  readonly #slots: (ChunkServer | undefined)[] = [undefined]
  readonly #connected = new Map<number, ChunkServer>()
  #list: readonly ChunkServer[] = []
  /** Connections that ended, by the id of the server. */
  readonly #away = new Map<number, ChunkServer>()

  #topology = FLAT

  constructor(clock: Clock, ledger: Ledger, rules: ServerRules) {
    this.#clock = clock
    this.#rules = rules
    this.#ledger = ledger
    this.#startedMs = clock.monotonicMs()
  }

  /** Milliseconds since the start of this master. */
  get ageMs(): number {
    return this.#clock.monotonicMs() - this.#startedMs
  }

  at(slot: number): ChunkServer {
    return this.#slots[slot] as ChunkServer
  }

  /** Those that are connected. A new list whenever one comes or goes. */
  get connected(): readonly ChunkServer[] {
    return this.#list
  }

  byId(id: number): ChunkServer | undefined {
    return this.#connected.get(id)
  }

  /** A server begins to register. Its former connection must have ended. */
  join(identity: ServerIdentity, send: (packet: Buffer) => void): ChunkServer {
    assert(!this.#connected.has(identity.id), `chunkserver ${identity.id} is not connected twice`)
    const server = new ChunkServer(this.#freeSlot(), identity, send)
    this.#slots[server.slot] = server
    this.#connected.set(server.id, server)
    this.#list = [...this.#connected.values()]
    server.toldMs = this.#clock.monotonicMs()
    server.rack = this.#topology.rackOf(server.ip)
    this.#readMaintenance(server)
    return server
  }

  #freeSlot(): number {
    let slot = 1
    while (this.#slots[slot] !== undefined) slot++
    assert(slot <= MAX_SLOTS, 'there are fewer connections of chunkservers than slots')
    return slot
  }

  /** The connection has ended. @returns an earlier connection whose copies nobody waits for any more */
  leave(server: ChunkServer): ChunkServer | undefined {
    this.#connected.delete(server.id)
    this.#list = [...this.#connected.values()]
    server.presence = 'away'
    server.leftMs = this.#clock.monotonicMs()
    const earlier = this.#away.get(server.id)
    if (earlier) earlier.presence = 'dead'
    this.#away.set(server.id, server)
    return earlier
  }

  /** What a server that came back did not tell of is not there any more. @returns its former connection */
  bury(id: number): ChunkServer | undefined {
    const former = this.#away.get(id)
    if (former) former.presence = 'dead'
    this.#away.delete(id)
    return former
  }

  /** Nothing in the table of copies is of this connection any more. */
  release(server: ChunkServer): void {
    assert(server.presence === 'dead' && server.copies === 0, 'a slot is given up when nothing uses it')
    this.#slots[server.slot] = undefined
  }

  /** Former connections whose copies are still in the table. */
  dead(): ChunkServer[] {
    return this.#slots.filter(server => server?.presence === 'dead') as ChunkServer[]
  }

  away(): IterableIterator<ChunkServer> {
    return this.#away.values()
  }

  /**
   * Whether the copies of a former connection are expected back: its server is registering just now, or was stopped for
   * maintenance.
   */
  isAwaited(server: ChunkServer): boolean {
    const back = this.#connected.get(server.id)
    return back ? !back.settled : server.inMaintenance
  }

  /** Notes which servers have told all. @returns those that have just done so */
  settle(): ChunkServer[] {
    const now = this.#clock.monotonicMs()
    const done = this.#list.filter(
      ({ registered, settled, toldMs }) => registered && !settled && now - toldMs >= SETTLED_AFTER_MS,
    )
    for (const server of done) server.settled = true
    return done
  }

  toldChunks(server: ChunkServer): void {
    server.toldMs = this.#clock.monotonicMs()
    server.settled = false
  }

  /** Whether a server is just telling what it has. */
  get areSettling(): boolean {
    for (const { settled } of this.#list) if (!settled) return true
    return false
  }

  /**
   * Whether copies may be told of in the next seconds that are not known now.
   * @param awaited former connections of servers that had a copy of the chunk in question
   */
  areStillTelling(awaited: readonly ChunkServer[]): boolean {
    if (awaited.some(({ id }) => this.#connected.has(id))) return true
    // Of a server that came for the first time in the life of this master nobody knows what it has.
    for (const { id, settled } of this.#list) if (!settled && !this.#away.has(id)) return true
    return this.ageMs < YOUNG_MS && this.#connected.size < this.#ledger.state.knownServers.size
  }

  /** Whether a chunk without copies is lost, and not only waiting for a server to come and tell of one. */
  get knowAll(): boolean {
    const { knownServers } = this.#ledger.state
    return !this.areSettling && this.#connected.size >= knownServers.size && this.ageMs > YOUNG_MS
  }

  get topology(): Topology {
    return this.#topology
  }

  set topology(topology: Topology) {
    this.#topology = topology
    for (const server of this.#list) server.rack = topology.rackOf(server.ip)
  }

  /** Takes over what the metadata says of the maintenance of servers. */
  readAllMaintenance(): void {
    for (const server of [...this.#list, ...this.#away.values()]) this.#readMaintenance(server)
  }

  #readMaintenance(server: ChunkServer): void {
    const known = this.#ledger.state.knownServers.byId(server.id)
    server.inMaintenance = known !== undefined && known.maintenance !== Maintenance.OFF
  }

  /** Milliseconds that a server has been away, at least: what was before this master started is not known. */
  awayMs(id: number): number {
    return this.#clock.monotonicMs() - (this.#away.get(id)?.leftMs ?? this.#startedMs)
  }

  /** Whether a former connection ended just now, so that even the last copy of a chunk can wait for it. */
  isBrieflyAway({ leftMs }: ChunkServer): boolean {
    return this.#clock.monotonicMs() - leftMs < BRIEFLY_MS
  }

  /** Notes who is away for long now. @returns whether anybody is who was not before */
  noteLongAway(): boolean {
    const long = [...this.#away.values()].filter(server => !server.isLongAway && !this.isBrieflyAway(server))
    for (const server of long) server.isLongAway = true
    return long.length > 0
  }

  /** Spares servers whose load is heavy, and later uses them again. @returns whether anything changed */
  weighLoads(): boolean {
    const now = this.#clock.monotonicMs()
    for (const server of heavilyLoaded(this.#list, this.#rules)) server.heavyMs = now
    let changed = false
    for (const server of this.#list) {
      const isSpared = this.graceSeconds(server) > 0
      if (isSpared === server.isSpared) continue
      server.isSpared = isSpared
      changed = true
    }
    return changed
  }

  /** Seconds for which the server is still spared after a heavy load. Servers that tell their state decide themselves. */
  graceSeconds({ loadState, heavyMs }: ChunkServer): number {
    if (loadState !== LoadState.UNKNOWN || heavyMs === undefined) return 0
    const past = (this.#clock.monotonicMs() - heavyMs) / 1000
    return Math.max(0, Math.ceil(this.#rules.heavyLoadGraceSeconds - past))
  }
}
