// Everything about chunks in one place for those outside: clients, chunkservers, tools. The parts do the work:
//
//   servers       who is connected            copies        which server has which copy
//   writes        requests of clients         leases        locks, and who waits for them
//   abandoned     writes that nobody ended        departures    clients that are gone
//   operations    create, version, cut        reports       what servers tell
//   returns       copies that were away
//   repairer      what chunks need            replications, deletions: carrying it out
import type { Env } from '../../env/env.ts'
import type { ChunkId, Inode, SessionId } from '../../metadata/types.ts'
import { MissingKind } from '../../protocol/monitors.ts'
import type { Memory } from '../../util/memory.ts'
import type { Ledger } from '../ledger.ts'
import type { RepairRules } from '../policy/repair.ts'
import { type SpaceTotals, spaceOf } from '../policy/space.ts'
import type { Topology } from '../policy/topology.ts'
import { AbandonedWrites } from './abandoned.ts'
import { Aftermath, type Lease } from './aftermath.ts'
import type { ChunkServer, ServerIdentity } from './chunk-server.ts'
import type { ChunkAnswer, ChunkService, CutRequest, LocatedChunk, WriteRequest } from './chunk-service.ts'
import { Copies, CopyState } from './copies.ts'
import { Deletions } from './deletions.ts'
import { Departures } from './departures.ts'
import { Foretold } from './foretold.ts'
import { Leases } from './leases.ts'
import { Operations } from './operations.ts'
import type { ChunkOptions } from './options.ts'
import { Rebalancer } from './rebalancer.ts'
import { Repairer } from './repairer.ts'
import { Replications } from './replications.ts'
import { Reports } from './reports.ts'
import { Returns } from './returns.ts'
import { ServerList } from './server-list.ts'
import { Servers } from './servers.ts'
import { Sweep } from './sweep.ts'
import { Tally } from './tally.ts'
import type { ToldCopies, ToldCopy } from './told-copies.ts'
import { adopt, fixVersion } from './versions.ts'
import { type WorkCounts, WorkReport } from './work-report.ts'
import { Writes } from './writes.ts'

/** Seconds between looks for servers that never come back (spec master-behaviour 6.6). */
const REMOVE_UNUSED_EVERY = 600
/** Chunks with copies to delete, for each server, that are very many. */
const MANY_DELETIONS = 1000

export class ChunkManager implements ChunkService {
  readonly #ledger: Ledger
  readonly #servers: Servers
  readonly #copies: Copies
  readonly #leases: Leases
  readonly #operations: Operations
  readonly #replications: Replications
  readonly #deletions: Deletions
  readonly #repairer: Repairer
  readonly #writes: Writes
  readonly #abandoned: AbandonedWrites
  readonly #departures: Departures
  readonly #returns: Returns
  readonly #reports: Reports
  readonly #foretold: Foretold
  readonly #sweep: Sweep
  readonly #rebalancer: Rebalancer
  readonly #report: WorkReport
  /** How many chunks have how many copies. */
  readonly tally = new Tally()
  readonly #list: ServerList
  readonly #options: ChunkOptions
  readonly #rules: RepairRules
  readonly #aftermath: Aftermath
  #knewAll = false
  #ticks = 0

  /** @param aftermath with what the log tells */
  constructor(env: Env, ledger: Ledger, options: ChunkOptions, aftermath = new Aftermath()) {
    this.#ledger = ledger
    this.#aftermath = aftermath
    const { chunks, storageClasses } = ledger.state
    const servers = new Servers(env.clock, ledger, options)
    const copies = new Copies(servers, row => this.#repairer.changed(row))
    const leases = new Leases(env.clock, ledger)
    const operations = new Operations({
      ...{ clock: env.clock, log: env.log, ledger, copies },
      ended: row => this.#freed(row),
    })
    const replications = new Replications(env, ledger, copies, {
      ended: (row, success) => this.#replicated(row, success),
      cameLate: (server, chunkId, version) => this.#reports.present(server, chunkId, version, false),
    })
    const deletions = new Deletions({
      ...{ clock: env.clock, log: env.log, ledger, copies },
      answered: () => this.#repairer.pump(),
      mayTryAgain: row => this.#repairer.changed(row),
    })
    this.#servers = servers
    this.#copies = copies
    this.#leases = leases
    this.#operations = operations
    this.#replications = replications
    this.#deletions = deletions
    const abandoned = new AbandonedWrites({
      ...{ clock: env.clock, log: env.log, ledger, copies, leases, operations },
      isBusy: row => operations.isBusy(row) || replications.isRunning(row),
      areCopiesToCome: row => servers.areStillTelling(copies.survey(row).awaited),
      dropUnmade: (row, place) => this.#writes.dropUnmade(row, place),
      freed: row => this.#freed(row),
    })
    this.#abandoned = abandoned
    const returns = new Returns({
      ...{ clock: env.clock, log: env.log, ledger, copies },
      isInUse: row => isBusy(row) || replications.isRunning(row) || leases.isLocked(row),
      freed: row => this.#freed(row),
    })
    this.#returns = returns
    const departures = new Departures(env.clock)
    this.#departures = departures
    const isBusy = (row: number) => operations.isBusy(row) || abandoned.isSettling(row)
    const versions = { log: env.log, ledger, servers, copies, operations, returns, aftermath: this.#aftermath }
    const fix = (row: number) => fixVersion(versions, row)
    const rules = {
      writeLimits: options.writeReplicationLimits,
      readLimits: options.readReplicationLimits,
      deletionLimit: options.softDeletionLimit,
      unique: options.unique,
      topology: options.replicationsRespectTopology,
      distance: (a: { ip: number }, b: { ip: number }) => servers.topology.distance(a.ip, b.ip),
    }
    const report = new WorkReport(ledger.now())
    this.#report = report
    this.#rules = rules
    this.#options = options
    this.#list = new ServerList(ledger, servers, options, () => this.#serversChanged())
    const repairParts = {
      ...{ servers, copies, leases, replications, deletions, fixVersion: fix, report },
      isBusy: (row: number) => isBusy(row) || returns.isComparing(row),
      tally: this.tally,
      isUnclear: (row: number, server: ChunkServer) =>
        operations.isUnanswered(row, server) || deletions.isRefused(row, server),
      removed: (row: number) => {
        copies.forget(row)
        leases.forget(row)
        abandoned.ended(row)
      },
      whenIdle: () => this.#rebalancer.run(),
    }
    this.#repairer = new Repairer(env, ledger, repairParts, rules, options.replicationsDelaySeconds)
    this.#rebalancer = new Rebalancer({
      ...{ chunks, servers, replications, rules, acceptable: options.acceptableDifference },
      view: row => this.#repairer.view(row),
      isIdle: row => this.#repairer.isIdle(row),
      moved: () => report.countMove(),
    })
    this.#writes = new Writes({
      placement: { unique: options.unique, nearerThan: options.creationsNearerThan },
      ...{ env, ledger, servers, copies, leases, operations, abandoned, departures, returns, fixVersion: fix },
      isBusy: row => isBusy(row) || replications.blocks(row),
      freed: row => this.#freed(row),
    })
    this.#reports = new Reports({
      log: env.log,
      ledger,
      servers,
      copies,
      leases,
      returns,
      arrived: row => leases.wake(row),
    })
    this.#foretold = new Foretold({
      ...{ clock: env.clock, copies, copiesAtOnce: options.sweptAtOnce, idOf: row => chunks.id(row) },
      present: (server, chunkId, version) => this.#reports.told(server, chunkId, version),
    })
    this.#sweep = new Sweep({
      clock: env.clock,
      rowsAtOnce: options.sweptAtOnce,
      rowLimit: () => chunks.rowLimit,
      look: (row, every) => this.#look(row, every),
      done: () => this.#swept(),
    })
    for (const row of chunks.rows()) if (chunks.lockedTo.get(row) !== 0) leases.locked(row)
    storageClasses.observer = { classChanged: () => this.#sweep.startEvery() }
    chunks.observer = { chunkChanged: row => this.#repairer.changed(row) }
    this.#sweep.startEvery()
  }

  /**
   * This master serves from now on: leases have their owners again, and what a dead master was cutting is settled.
   *
   * @param isNew no master has served this file system before
   */
  takeOver(isNew: boolean): void {
    const { chunks } = this.#ledger.state
    this.#writes.takeOver(isNew)
    const versionOf = (chunkId: ChunkId) => chunks.version.get(chunks.find(chunkId))
    for (const { chunkId, lease } of this.#aftermath.end(versionOf)) {
      const row = chunks.find(chunkId)
      if (row === 0 || chunks.lockedTo.get(row) === 0) continue
      this.#takeOverWrite(row, lease)
    }
    for (const row of chunks.rows()) this.#abandoned.expired(row)
  }

  #takeOverWrite(row: number, { kind, ...place }: Lease): void {
    const { session } = place
    this.#abandoned.begun(row, place)
    const isOver = session !== undefined && this.#ledger.state.sessions.get(session) === undefined
    if (kind === 'cut' || isOver) this.#abandoned.mustSettle(row)
    else if (session !== undefined && this.#leases.isLocked(row)) this.#leases.locked(row, session)
  }

  clientLeft(session: SessionId): void {
    this.#departures.left(session)
  }

  clientReturned(session: SessionId): void {
    this.#departures.forget(session)
  }

  /** A server tells that a client closed the connection on which it was writing. @param ip of the client */
  writeCutShort(chunkId: ChunkId, ip: number): void {
    const { chunks, sessions } = this.#ledger.state
    const row = chunks.find(chunkId)
    const session = row === 0 ? undefined : this.#writer(row)
    // The other servers of the chain tell of the one before them.
    if (session !== undefined && sessions.get(session)?.peerIp === ip) this.#departures.cutShort(row)
  }

  /** Who has the lease of the chunk. */
  #writer(row: number): SessionId | undefined {
    return this.#leases.isLocked(row) ? this.#leases.owner(row) : undefined
  }

  /** The session is gone for good: what it was writing ends as it is. */
  sessionEnded(session: SessionId): void {
    this.#departures.forget(session)
    this.#abandoned.sessionEnded(session)
  }

  mayEnd(chunkId: ChunkId, session: SessionId): boolean {
    return this.#abandoned.mayEnd(chunkId, session)
  }

  /** The chunk may be looked after, and be locked, again. */
  #freed(row: number): void {
    this.#repairer.changed(row)
    this.#leases.wake(row)
    this.#returns.released(row)
  }

  #replicated(row: number, success: boolean): void {
    if (!success) this.#repairer.rest(row)
    this.#freed(row)
    this.#repairer.pump()
  }

  // --- servers

  /** Whether a server of this id is connected. */
  isConnected(id: number): boolean {
    return this.#servers.byId(id) !== undefined
  }

  /** A server begins to register. */
  serverJoined(identity: ServerIdentity, send: (packet: Buffer) => void): ChunkServer {
    const server = this.#servers.join(identity, send)
    this.#list.returned(server)
    return server
  }

  /** The server announces that it is being stopped. */
  serverStops(server: ChunkServer): void {
    this.#list.stopsInOrder(server)
  }

  /** What is known of servers may make other work possible, or needed. */
  #serversChanged(): void {
    this.#repairer.serversChanged()
    this.#sweep.startGone()
  }

  /** Where machines stand; at start, and whenever mfstopology.cfg is read again. */
  setTopology(topology: Topology): void {
    if (topology.isSame(this.#servers.topology)) return
    this.#servers.topology = topology
    this.#sweep.startEvery()
    this.#repairer.serversChanged()
  }

  // --- orders and questions of monitors

  setMaintenance(ip: number, port: number, on: boolean) {
    return this.#list.setMaintenance(ip, port, on)
  }

  removeServer(ip: number, port: number) {
    return this.#list.remove(ip, port)
  }

  /** A server is spared no longer for the load that it had. */
  backToWork(ip: number, port: number): boolean {
    const server = this.#servers.connected.find(server => server.ip === ip && server.port === port)
    if (server) server.heavyMs = undefined
    return server !== undefined
  }

  graceSeconds(server: ChunkServer): number {
    return this.#servers.graceSeconds(server)
  }

  lastWork(): WorkCounts {
    return this.#report.last
  }

  get areSettling(): boolean {
    return this.#servers.areSettling
  }

  /** It has told all the chunks that it knew when it connected. */
  serverRegistered(server: ChunkServer): void {
    server.registered = true
    this.#repairer.serversChanged()
  }

  /** It told this master what it has while another one led: all that is known, from now on. */
  serverForetold(server: ChunkServer, told: ToldCopies): void {
    this.#servers.toldChunks(server)
    this.#foretold.add(server, told)
    this.serverRegistered(server)
    this.#leases.wakeAll()
  }

  /** Its copies are out of reach, and what it was doing has failed. */
  serverLeft(server: ChunkServer): void {
    this.#servers.leave(server)
    this.#returns.left(server)
    this.#foretold.drop(server)
    this.#operations.serverLeft(server)
    this.#replications.serverLeft(server)
    this.#deletions.serverLeft(server)
    this.#abandoned.serverLeft(server)
    this.#repairer.serversChanged()
    this.#sweep.startGone()
  }

  /** Its labels, its space or its load became others, so that other work may be possible. */
  serverChanged(): void {
    this.#repairer.serversChanged()
  }

  /** A server tells that it has a list of copies. */
  copiesReported(server: ChunkServer, copies: Iterable<ToldCopy>): void {
    this.#servers.toldChunks(server)
    for (const { chunkId, version } of copies) this.#reports.told(server, chunkId, version)
  }

  /** It does not vouch for copies that it tells next. */
  copiesUnsure(server: ChunkServer, chunkIds: Iterable<ChunkId>): void {
    this.#returns.unsure(server, chunkIds)
  }

  copyLost(server: ChunkServer, chunkId: ChunkId): void {
    this.#reports.lost(server, chunkId)
  }

  copyDamaged(server: ChunkServer, chunkId: ChunkId): void {
    this.#operations.damaged(server, chunkId)
    this.#reports.damaged(server, chunkId)
  }

  /** A server answers a create, version, duplicate or truncate command. */
  commandAnswered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    this.#heard(server)
    this.#operations.answered(server, chunkId, status)
  }

  deleteAnswered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    this.#heard(server)
    this.#deletions.answered(server, chunkId, status)
  }

  replicateAnswered(server: ChunkServer, chunkId: ChunkId, version: number, status: number): void {
    this.#heard(server)
    this.#replications.answered(server, chunkId, version, status)
  }

  /** It answers again: what it was spared may go on. */
  #heard(server: ChunkServer): void {
    if (!server.isSilent) return
    server.isSilent = false
    this.#repairer.serversChanged()
  }

  /** @param checksum undefined: it could not tell */
  checksumTold(server: ChunkServer, chunkId: ChunkId, version: number, checksum: number | undefined): void {
    this.#abandoned.checksumTold(server, chunkId, version, checksum)
    this.#returns.checksumTold(server, chunkId, version, checksum)
  }

  // --- all chunks

  #look(row: number, every: boolean): void {
    if (!every && !this.#copies.areAnyGone(row)) return
    this.#copies.purgeDead(row)
    this.#repairer.look(row)
  }

  /** What is dead now was perhaps alive when the walk passed by; then another walk is on its way. */
  #swept(): void {
    for (const server of this.#servers.dead()) if (server.copies === 0) this.#servers.release(server)
    this.#repairer.pump()
  }

  // --- for clients

  read(inode: Inode, index: number, answer: (answer: ChunkAnswer) => void, near?: number): void {
    this.#writes.read(inode, index, answer, near)
  }

  peekOnly(inode: Inode, near?: number): LocatedChunk | undefined {
    return this.#writes.peekOnly(inode, near)
  }

  write(request: WriteRequest, answer: (answer: ChunkAnswer) => void): void {
    this.#writes.write(request, answer)
  }

  unlock(chunkId: ChunkId, session: SessionId) {
    return this.#writes.unlock(chunkId, session)
  }

  whenSafe(chunkId: ChunkId, done: () => void): void {
    this.#repairer.whenSafe(this.#ledger.state.chunks.find(chunkId), done)
  }

  grow(request: CutRequest, length: number, go: Parameters<ChunkService['grow']>[2]): void {
    this.#writes.grow(request, length, go)
  }

  truncate(request: CutRequest, length: number, answer: Parameters<ChunkService['truncate']>[2]): void {
    this.#writes.truncate(request, length, answer)
  }

  servers(): Iterable<ChunkServer> {
    return this.#servers.connected
  }

  space(): SpaceTotals {
    return spaceOf(this.#servers.connected, this.#options.reserve)
  }

  isFull(): boolean {
    return this.space().available <= 0 && !this.#servers.areStillTelling([])
  }

  // --- once a second

  tick(): void {
    for (const row of this.#leases.tick()) {
      this.#abandoned.expired(row)
      this.#writes.lockEnded(row)
    }
    for (const row of this.#departures.abandoned(row => this.#writer(row))) this.#abandoned.mustSettle(row)
    this.#abandoned.tick()
    this.#returns.tick()
    this.#leases.wakeAll()
    this.#operations.tick()
    this.#deletions.tick()
    this.#replications.tick()
    const settled = this.#servers.settle()
    for (const { id } of settled) {
      if (this.#servers.bury(id)) this.#sweep.startGone()
    }
    this.#list.tick()
    this.#tickSlowly()
    const { knowAll } = this.#servers
    const others = [this.#servers.noteLongAway(), this.#servers.weighLoads()]
    if (others.includes(true) || settled.length > 0 || (knowAll && !this.#knewAll)) this.#repairer.serversChanged()
    this.#knewAll = knowAll
    this.#repairer.pump()
  }

  #tickSlowly(): void {
    this.#rebalancer.tick()
    this.#report.tick(this.#ledger.now(), () => this.#repairer.waiting())
    this.#rules.deletionLimit = this.#deletionLimit()
    if (this.#ticks++ % REMOVE_UNUSED_EVERY === REMOVE_UNUSED_EVERY - 1) this.#list.removeUnused()
  }

  /** When there is far too much to delete, servers may be asked for more of it. */
  #deletionLimit(): number {
    const { stale = 0, overgoal = 0 } = this.#repairer.waiting()
    const { softDeletionLimit: soft, hardDeletionLimit: hard } = this.#options
    return stale + overgoal > MANY_DELETIONS * this.#servers.connected.length ? hard : soft
  }

  // --- for tools

  copiesMemory(): Memory {
    return this.#copies.memory(this.#ledger.state.chunks.count)
  }

  placeFound(row: number, inode: Inode, index: number): void {
    this.#abandoned.placeFound(row, inode, index)
  }

  goodCopies(row: number): number {
    return this.#copies.good(row).length
  }

  missingKind(row: number): MissingKind {
    const states = this.#copies.present(row).map(copy => this.#copies.state(copy))
    if (states.includes(CopyState.WRONG_VERSION)) return MissingKind.WRONG_VERSIONS
    return states.length > 0 ? MissingKind.INVALID_COPIES : MissingKind.NO_COPY
  }

  presentCopies(row: number): number {
    return this.#copies.present(row).length
  }

  repairVersion(row: number): number | undefined {
    const isUntouchable = this.#operations.isBusy(row) || this.#abandoned.isSettling(row) || this.#leases.isLocked(row)
    if (isUntouchable || this.#copies.good(row).length > 0) return undefined
    const versions = this.#copies
      .present(row)
      .filter(copy => this.#copies.ownVersion(copy) !== 0)
      .map(copy => this.#copies.ownVersion(copy))
    return Math.max(0, ...versions)
  }

  versionRepaired(row: number): void {
    const parts = { ledger: this.#ledger, copies: this.#copies, returns: this.#returns }
    adopt(parts, row, this.#ledger.state.chunks.version.get(row))
  }

  describe(inode: Inode, index: number): Buffer {
    const { nodes, chunks } = this.#ledger.state
    const row = nodes.chunkRow(inode, index)
    if (row === 0) return Buffer.alloc(12)
    const copies = this.#copies.present(row)
    const described = Buffer.alloc(12 + 7 * copies.length)
    described.writeBigUInt64BE(BigInt(chunks.id(row)), 0)
    described.writeUInt32BE(chunks.version.get(row), 8)
    copies.forEach((copy, i) => {
      const at = 12 + 7 * i
      const { ip, port } = this.#copies.server(copy)
      described.writeUInt32BE(ip, at)
      described.writeUInt16BE(port, at + 4)
      described[at + 6] = this.#kindOf(copy)
    })
    return described
  }

  /** As CHECK tells it: 0 good, 1 marked for removal, 2 and 3 the same of a wrong version, 4 invalid. */
  #kindOf(copy: number): number {
    const state = this.#copies.state(copy)
    if (state === CopyState.INVALID || state === CopyState.DOUBTFUL) return 4
    return (state === CopyState.WRONG_VERSION ? 2 : 0) + (this.#copies.isMarked(copy) ? 1 : 0)
  }
}
