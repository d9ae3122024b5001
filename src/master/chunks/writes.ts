// Requests of clients for chunks: where to read, where to write, how long a chunk shall be
// (spec master-behaviour 4.3 to 4.6).
import type { Env } from '../../env/env.ts'
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { Trailer } from '../../metadata/changelog/trailer.ts'
import type { StorageClass } from '../../metadata/chunks/storage-classes.ts'
import { CHUNK_LOCK_SECONDS } from '../../metadata/namespace/apply-files.ts'
import type { ChunkId, Inode, SessionId } from '../../metadata/types.ts'
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import { LabelsMode } from '../policy/labels.ts'
import type { UniqueMode } from '../policy/matching.ts'
import { type PlacementRules, placeCopies } from '../policy/placement.ts'
import type { AbandonedWrites } from './abandoned.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { ChunkAnswer, CutRequest, LocatedChunk, WriteRequest } from './chunk-service.ts'
import type { Copies } from './copies.ts'
import type { Departures } from './departures.ts'
import type { Leases, Waiter } from './leases.ts'
import { type Operations, raised } from './operations.ts'
import type { Returns } from './returns.ts'
import type { Servers } from './servers.ts'
import { wantedBy } from './wishes.ts'

const MAX_COPIES_TOLD = 100
/** At each start. So many ids may be told to servers beyond what is in the log. */
const IDS_LEFT_OUT = 65_536
/**
 * Who reads what a client was writing waits so long for that client to come back: longer than a failover takes. If the
 * client closed its connection to this master it is less (departures.ts).
 */
const OUT_OF_REACH_SECONDS = 30
/** Where nothing was written zeros are read. */
const HOLE: LocatedChunk = { status: Status.OK, chunkId: 0, version: 0, copies: [] }
/** A plain chunk of one copy, for a class that does not exist. */
const ONE_COPY = { create: [[0, 0, 0, 0]], mode: LabelsMode.STANDARD }

export interface WriteParts {
  env: Env
  ledger: Ledger
  servers: Servers
  copies: Copies
  leases: Leases
  operations: Operations
  abandoned: AbandonedWrites
  departures: Departures
  returns: Returns
  /** Whether something is done with the chunk that a request must wait for. */
  isBusy: (row: number) => boolean
  /** A chunk that was locked may be looked after again. */
  freed: (row: number) => void
  /** How new chunks are placed. */
  placement: { unique: UniqueMode; nearerThan: number }
  /** See versions.ts. */
  fixVersion: (row: number) => boolean
}

type Answer = (answer: ChunkAnswer) => void
type End = (status: Status) => void

/** A write that is being prepared. */
interface Pending {
  request: WriteRequest
  answer: Answer
  /** From the beginning. */
  again: () => void
}

export class Writes {
  readonly #parts: WriteParts
  /** New chunks with ids below this one may be made while the log is written: see takeOver(). */
  #freshBelow = 0
  /** Servers that a chunk is being written on, until its lock ends. */
  readonly #writtenOn = new Map<number, ChunkServer[]>()

  constructor(parts: WriteParts) {
    this.#parts = parts
  }

  get #state() {
    return this.#parts.ledger.state
  }

  #commit(entry: Entry): void {
    this.#parts.ledger.commit(entry)
  }

  #now(): number {
    return this.#parts.ledger.now()
  }

  /**
   * This master serves from now on. The last one may have told servers of chunks whose lines were lost with it: their ids
   * are left out. As each master does so, ids near one that is in the log are given to no other chunk, whatever is lost.
   *
   * @param isNew no master has served this file system before
   */
  takeOver(isNew: boolean): void {
    const chunkId = this.#state.chunks.nextChunkId + IDS_LEFT_OUT
    if (!isNew) this.#commit({ op: 'NEXTCHUNKID', ts: this.#now(), chunkId })
    this.#keepFresh()
  }

  /** What is committed now is where the next master begins. */
  #keepFresh(): void {
    const end = this.#state.chunks.nextChunkId + IDS_LEFT_OUT
    this.#parts.ledger.whenCommitted(() => {
      this.#freshBelow = end
    })
  }

  // --- reading

  read(inode: Inode, index: number, answer: Answer, near?: number): void {
    const { leases, isBusy, servers } = this.#parts
    let row = 0
    const attempt = () => {
      const { nodes, chunks } = this.#state
      row = nodes.isFile(inode) ? nodes.chunkRow(inode, index) : 0
      if (row === 0) return answer(HOLE)
      // What a client out of reach has not ended may be on one copy and not on another: nobody reads now this, now that.
      if (isBusy(row)) return leases.park(row, waiter)
      if (this.#isLeftAlone(row) && !this.#parts.abandoned.isAlike(row)) {
        leases.park(row, waiter)
        if (this.#isLongAlone(row)) this.#parts.abandoned.makeAlike(row)
        return
      }
      if (this.#mustFix(row)) return leases.park(row, waiter)
      if (this.#parts.copies.good(row).length === 0) {
        // What nobody has written is a hole still.
        if (this.#isUnmade(row, inode, index)) return answer(HOLE)
        if (servers.knowAll) return answer({ status: Status.CHUNKLOST })
        // A client that is told of no copies sleeps for 10 s.
        if (this.#areCopiesToCome(row)) return leases.park(row, waiter)
      }
      answer(this.#located(row, chunks.id(row), near))
    }
    const waiter = leases.waiter(attempt, () => {
      if (isBusy(row)) answer({ status: Status.CHUNKBUSY })
      else if (this.#isLeftAlone(row)) answer({ status: Status.LOCKED })
      else answer(this.#located(row, this.#state.chunks.id(row), near))
    })
    attempt()
  }

  peekOnly(inode: Inode, near?: number): LocatedChunk | undefined {
    const { nodes, chunks } = this.#state
    if (nodes.chunkSlots(inode) !== 1) return undefined
    const row = nodes.chunkRow(inode, 0)
    if (row === 0) return HOLE
    if (this.#parts.isBusy(row) || this.#parts.leases.isLocked(row)) return undefined
    const located = this.#located(row, chunks.id(row), near)
    return located.copies.length > 0 ? located : undefined
  }

  /** The servers in an order of chance, those that are nearer to the client before others. */
  #located(row: number, chunkId: ChunkId, near: number | undefined): LocatedChunk {
    const { env, servers, copies } = this.#parts
    const good = shuffled(copies.good(row), env.random.below)
    if (near !== undefined) {
      const { topology } = servers
      good.sort((a, b) => topology.distance(a.ip, near) - topology.distance(b.ip, near))
    }
    const told = good
      .slice(0, MAX_COPIES_TOLD)
      .map(({ ip, port, version, labels }) => ({ ip, port, serverVersion: version, labels }))
    return { status: Status.OK, chunkId, version: this.#state.chunks.version.get(row), copies: told }
  }

  // --- writing

  write(request: WriteRequest, answer: Answer): void {
    const { leases, copies, isBusy } = this.#parts
    let why: Exclude<Status, 0> = Status.LOCKED
    const attempt = () => {
      const { nodes, chunks } = this.#state
      const { inode, index } = request
      if (request.isStale?.()) return
      if (!nodes.isFile(inode)) return answer({ status: Status.ENOENT })
      const held = this.#heldEnd(request, index * MFSCHUNKSIZE)
      if (held !== 0) return leases.park(held, waiter)
      const unclean = this.#uncleanSlot(inode, index)
      if (unclean !== undefined) {
        return this.#clean(request, unclean, status => (status === Status.OK ? attempt() : answer({ status })))
      }
      const row = nodes.chunkRow(inode, index)
      if (row === 0) return this.#create(pending)
      why = this.#isLockedFor(row, request) && !this.#isOwnWrite(row, request) ? Status.LOCKED : Status.CHUNKBUSY
      if (why === Status.LOCKED || isBusy(row) || this.#mustSettle(row, request)) return leases.park(row, waiter)
      if (this.#mustFix(row) || this.#isComparing(row)) return leases.park(row, waiter)
      const good = copies.good(row)
      if (good.length === 0 && this.#areCopiesToCome(row)) {
        why = Status.CSNOTPRESENT
        return leases.park(row, waiter)
      }
      if (good.length === 0 && this.#isUnmade(row, inode, index)) {
        this.#rollBack(request, row, 0)
        return this.#create(pending)
      }
      if (good.length === 0) return answer({ status: this.#whyNone() })
      const shared = chunks.references.get(row) > 1
      if (!shared && copies.isSettled(row)) {
        this.#commitWrite(request, false, chunks.id(row))
        this.#locked(row, request)
        return this.#answerWritten(row, Status.OK, pending)
      }
      if (this.#isTooEarly(row, good.length)) return answer({ status: Status.EAGAIN })
      if (shared) return this.#duplicate(request, row, good, undefined, status => this.#written(status, pending))
      this.#raiseVersion(pending, row, good)
    }
    const waiter: Waiter = leases.waiter(attempt, () => answer({ status: why }))
    const pending = { request, answer, again: attempt }
    attempt()
  }

  /** Whether somebody else left the chunk in the middle of a write. Without any copies there is nothing to settle. */
  #mustSettle(row: number, { session }: WriteRequest): boolean {
    return this.#parts.copies.good(row).length > 0 && this.#parts.abandoned.mustSettleFor(row, session)
  }

  /** Whether copies of another version are being made good ones. */
  #mustFix(row: number): boolean {
    const { copies, fixVersion, isBusy } = this.#parts
    return copies.good(row).length === 0 && fixVersion(row) && isBusy(row)
  }

  /** Whether a copy that has come back will soon be known to be good, or not. */
  #isComparing(row: number): boolean {
    return !this.#parts.leases.isLocked(row) && this.#parts.returns.isComparing(row)
  }

  #whyNone(): typeof Status.CHUNKLOST | typeof Status.CSNOTPRESENT {
    return this.#parts.servers.knowAll ? Status.CHUNKLOST : Status.CSNOTPRESENT
  }

  /**
   * Raising the version now would make copies worthless that are just about to be told of. A moment later they are
   * known (spec master-behaviour 4.4).
   */
  #isTooEarly(row: number, good: number): boolean {
    return good < wantedBy(this.#state, row).length && this.#areCopiesToCome(row)
  }

  /** Whether servers that are just coming may have copies that are not known yet. */
  #areCopiesToCome(row: number): boolean {
    return this.#parts.servers.areStillTelling(this.#parts.copies.survey(row).awaited)
  }

  #isLockedFor(row: number, { session, continues }: WriteRequest): boolean {
    if (!this.#parts.leases.isLocked(row)) return false
    const owner = this.#parts.leases.owner(row)
    // A lock from before the start of this master has no owner any more: its writer comes back with `continues`.
    return !(continues && (owner === undefined || owner === session))
  }

  /**
   * A client writes a chunk once at a time, so a lock of its own is what is left of a write whose answer was lost. After
   * a restart nobody knows whose a lock is; nobody but the only one who has the file open can be writing.
   */
  #isOwnWrite(row: number, { inode, session }: WriteRequest): boolean {
    const owner = this.#parts.leases.owner(row)
    if (owner !== undefined) return owner === session
    const openers = this.#state.openFiles.sessionsOf(inode)
    return openers.size === 1 && openers.has(session)
  }

  /**
   * Whether the creation of the chunk was logged, but no server has carried it out. Nothing that was acknowledged can be in
   * it: the file does not reach into it, or the write that made it is not ended. A server that is away may have it all the
   * same, with bytes that somebody has read.
   */
  #isUnmade(row: number, inode: Inode, index: number): boolean {
    const { nodes, chunks } = this.#state
    const { abandoned, copies, servers } = this.#parts
    const reaches = nodes.length.get(inode) > index * MFSCHUNKSIZE
    const isHere = copies.present(row).length > 0 || !servers.knowAll
    return (!reaches || abandoned.isNew(row)) && chunks.references.get(row) === 1 && !isHere
  }

  /** @param trailer which servers raise the version */
  #commitWrite(
    { inode, index, session, touch = false }: WriteRequest,
    raiseVersion: boolean,
    chunkId: ChunkId,
    trailer: Pick<Trailer, 'raisedOn' | 'raisedFrom'> = {},
  ): void {
    const entry = { op: 'WRITE', ts: this.#now(), inode, index, raiseVersion, touch, chunkId } as const
    this.#parts.ledger.commit(entry, { leaseOwner: session, ...trailer })
  }

  /** The chunk was locked for the session: its servers are busy with it until it is let go. */
  #locked(row: number, { inode, index, session }: WriteRequest, isNew = false): void {
    this.#parts.leases.locked(row, session)
    this.#parts.abandoned.begun(row, { inode, index, session, isNew })
    this.#parts.departures.writeChanged(row)
    this.#writeEnded(row)
    const servers = this.#parts.copies.good(row)
    for (const server of servers) server.writing++
    this.#writtenOn.set(row, servers)
  }

  /** Nobody writes the chunk any more. */
  #writeEnded(row: number): void {
    this.#parts.departures.writeChanged(row)
    for (const server of this.#writtenOn.get(row) ?? []) server.writing--
    this.#writtenOn.delete(row)
  }

  #create(pending: Pending): void {
    const { request, answer } = pending
    const { nodes, chunks, storageClasses } = this.#state
    const { servers, operations, env } = this.#parts
    const sclass = storageClasses.get(nodes.sclassId.get(request.inode)) ?? ONE_COPY
    const draw = () => env.random.below(2 ** 32) / 2 ** 32
    const placed = placeCopies(servers.connected, this.#placementFor(sclass, request), draw)
    if (!('servers' in placed)) return answer({ status: this.#whyNotPlaced(placed.refused) })
    const chunkId = chunks.nextChunkId
    this.#commitWrite(request, true, chunkId)
    const row = chunks.find(chunkId)
    const command = matocs.create.encode({ chunkId, version: 1 })
    operations.make(
      row,
      placed.servers,
      () => command,
      status => {
        if (status !== Status.OK) this.#rollBack(request, row, 0)
        this.#answerWritten(row, status, pending)
      },
      chunkId < this.#freshBelow,
    )
    this.#locked(row, request, true)
    this.#keepFresh()
  }

  #placementFor({ create, mode }: Pick<StorageClass, 'create' | 'mode'>, { near }: WriteRequest): PlacementRules {
    const { placement, servers } = this.#parts
    const rules = { wanted: create, mode: mode as LabelsMode, unique: placement.unique }
    if (near === undefined || placement.nearerThan === 0) return rules
    return { ...rules, isPreferred: ({ ip }) => servers.topology.distance(ip, near) < placement.nearerThan }
  }

  #whyNotPlaced(refused: 'overloaded' | 'none'): Exclude<Status, 0> {
    const { servers } = this.#parts
    // Those that are just coming may have room; a client asks again at once.
    if (refused === 'overloaded' || servers.areStillTelling([])) return Status.EAGAIN
    return servers.connected.some(({ registered }) => registered) ? Status.NOSPACE : Status.NOCHUNKSERVERS
  }

  /**
   * Tells where the chunk is to be written. If a server left while the lines became durable, its copy would miss what is
   * written now, and look good when it comes back: then the version is raised first.
   */
  #answerWritten(row: number, status: Status, { request, answer, again }: Pending): void {
    const chunkId = this.#state.chunks.id(row)
    this.#parts.ledger.whenCommitted(() => {
      if (status !== Status.OK) answer({ status })
      else if (!this.#parts.copies.isSettled(row)) again()
      else answer(this.#located(row, chunkId, request.near))
    })
  }

  /** The file has a private copy of a chunk now, or not. */
  #written(status: Status, pending: Pending): void {
    const { request, answer } = pending
    if (status !== Status.OK) return answer({ status })
    const { inode, index } = request
    const row = this.#state.nodes.chunkRow(inode, index)
    this.#commitWrite(request, false, this.#state.chunks.id(row))
    this.#locked(row, request)
    this.#answerWritten(row, status, pending)
  }

  /** A private copy of a chunk that other files hold too; with `length`, cut to it. It is locked then. */
  #duplicate(
    request: WriteRequest,
    sourceRow: number,
    good: ChunkServer[],
    length: number | undefined,
    end: (status: Status, chunkId: ChunkId) => void,
  ): void {
    const { chunks, nodes } = this.#state
    const { operations, leases, ledger } = this.#parts
    const { inode, index } = request
    const chunkId = chunks.nextChunkId
    const ts = this.#now()
    const command = { chunkId, version: 1, ...this.#sourceOf(sourceRow) }
    // The file changes over only when the copies are made: before, a crash must find it with the chunk it had.
    this.#commit({ op: 'CHUNKADD', ts, chunkId, version: 1, lockedTo: ts + CHUNK_LOCK_SECONDS })
    const row = chunks.find(chunkId)
    leases.locked(row, request.session)
    operations.hold(sourceRow)
    const finish = (status: Status) => {
      const isStillWanted = nodes.isFile(inode) && nodes.chunkRow(inode, index) === sourceRow
      ledger.together(() => {
        if (status === Status.OK && isStillWanted) {
          this.#commit({ op: 'SETFILECHUNK', ts: this.#now(), inode, index, chunkId })
        }
        end(status === Status.OK && !isStillWanted ? Status.NOTDONE : status, chunkId)
      })
      operations.release(sourceRow)
    }
    const packet =
      length === undefined ? matocs.duplicate.encode(command) : matocs.duptrunc.encode({ ...command, length })
    operations.make(row, good, () => packet, finish)
  }

  #sourceOf(row: number): { sourceChunkId: ChunkId; sourceVersion: number } {
    const { chunks } = this.#state
    return { sourceChunkId: chunks.id(row), sourceVersion: chunks.version.get(row) }
  }

  /** Copies that missed writes would look good with the old version, so all good ones get a new one first. */
  #raiseVersion(pending: Pending, row: number, good: ChunkServer[]): void {
    const { request } = pending
    const chunkId = this.#state.chunks.id(row)
    const from = this.#parts.operations.skipSpoilt(row)
    this.#commitWrite(request, true, chunkId, raised(good, from))
    this.#parts.operations.raiseVersion(row, good, from, status => {
      // Without a change of the chunk of the file this only ends the lock.
      if (status !== Status.OK) this.#rollBack(request, row, chunkId)
      this.#answerWritten(row, status, pending)
    })
    this.#locked(row, request)
  }

  /** Its creation was logged, and its servers were gone before they made it: the file has a hole there, and no lost chunk. */
  dropUnmade(row: number, place: Pick<WriteRequest, 'inode' | 'index'>): void {
    const { nodes } = this.#state
    const { inode, index } = place
    const isThere = nodes.isFile(inode) && nodes.chunkRow(inode, index) === row
    if (isThere && this.#isUnmade(row, inode, index)) this.#rollBack(place, row, 0)
  }

  #rollBack({ inode, index }: Pick<WriteRequest, 'inode' | 'index'>, row: number, previousChunkId: ChunkId): void {
    const chunkId = this.#state.chunks.id(row)
    this.#commit({ op: 'ROLLBACK', ts: this.#now(), inode, index, previousChunkId, chunkId })
    this.#writeEnded(row)
    this.#parts.leases.unlocked(row)
    this.#parts.abandoned.ended(row)
  }

  /** @param session whose write it was; undefined for what this master did itself */
  unlock(chunkId: ChunkId, session?: SessionId): Status {
    const { chunks } = this.#state
    const row = chunks.find(chunkId)
    if (row === 0) return Status.NOCHUNK
    const owner = this.#parts.leases.owner(row)
    // Its own lease had ended by time, and now somebody else writes.
    if (session !== undefined && owner !== undefined && owner !== session) return Status.OK
    if (chunks.lockedTo.get(row) !== 0) this.#commit({ op: 'UNLOCK', ts: this.#now(), chunkId })
    this.#parts.leases.unlocked(row)
    this.#parts.abandoned.ended(row)
    this.lockEnded(row)
    return Status.OK
  }

  /** The lock is over, by its owner or by time. */
  lockEnded(row: number): void {
    this.#writeEnded(row)
    this.#parts.freed(row)
  }

  // --- changing the length

  grow(request: CutRequest, length: number, go: End): void {
    const { leases } = this.#parts
    const attempt = () => {
      if (request.isStale?.()) return
      const held = this.#heldEnd(request, length)
      if (held !== 0) return leases.park(held, waiter)
      const unclean = this.#uncleanSlot(request.inode, Math.floor((length - 1) / MFSCHUNKSIZE))
      if (unclean === undefined) go(Status.OK)
      else this.#clean(request, unclean, status => (status === Status.OK ? attempt() : go(status)))
    }
    const waiter: Waiter = leases.waiter(attempt, () => go(Status.LOCKED))
    attempt()
  }

  /**
   * The first chunk at or behind the end of the file, up to `last`, that may hold there what belongs to another file. One
   * that is being written is its writer's until that is over.
   */
  #uncleanSlot(inode: Inode, last: number): number | undefined {
    const { nodes, chunks } = this.#state
    if (!nodes.isFile(inode)) return undefined
    const end = Math.min(last, nodes.chunkSlots(inode) - 1)
    for (let index = Math.floor(nodes.length.get(inode) / MFSCHUNKSIZE); index <= end; index++) {
      const row = nodes.chunkRow(inode, index)
      if (row !== 0 && chunks.isTailUnknown(row) && chunks.lockedTo.get(row) === 0 && !this.#isLost(row)) return index
    }
    return undefined
  }

  #isLost(row: number): boolean {
    const { copies, servers } = this.#parts
    return copies.good(row).length === 0 && servers.knowAll && !this.#areCopiesToCome(row)
  }

  /** Cuts a chunk where the file ends: what it shares with others becomes its own. `end` runs when nobody has it locked. */
  #clean({ begun: _, ...request }: CutRequest, index: number, end: End): void {
    const { env, abandoned } = this.#parts
    const { nodes, chunks } = this.#state
    const { inode } = request
    const length = Math.max(nodes.length.get(inode), index * MFSCHUNKSIZE)
    this.truncate({ ...request, index }, length, status => {
      env.clock.soon(() => {
        const row = nodes.isFile(inode) ? nodes.chunkRow(inode, index) : 0
        // The line that says that it is cut was written, and it is not.
        if (status !== Status.OK && row !== 0 && !chunks.isTailUnknown(row)) abandoned.leftUncut(row, { inode, index })
        end(status)
      })
    })
  }

  /**
   * The chunk with the end of the file, when somebody who is out of reach was writing it and the file shall grow to `length`
   * beyond this chunk: what he left behind the end would be seen. 0 when nothing stands in the way.
   */
  #heldEnd(request: WriteRequest, length: number): number {
    const { nodes } = this.#state
    const { inode } = request
    if (!nodes.isFile(inode)) return 0
    const index = Math.floor(nodes.length.get(inode) / MFSCHUNKSIZE)
    if (length < (index + 1) * MFSCHUNKSIZE) return 0
    const row = nodes.chunkRow(inode, index)
    if (row === 0) return 0
    const isHeld =
      (this.#isLeftAlone(row) && !this.#isOwnWrite(row, request)) ||
      this.#parts.abandoned.isSettling(row) ||
      this.#mustSettle(row, request) ||
      this.#isToBeCut(row)
    return isHeld ? row : 0
  }

  /** Whether the chunk is cut as soon as its copies are known; not when it is lost. */
  #isToBeCut(row: number): boolean {
    const { abandoned, copies, servers, isBusy } = this.#parts
    if (!abandoned.isToBeCut(row)) return false
    if (isBusy(row) || this.#mustFix(row) || copies.good(row).length > 0) return true
    return !servers.knowAll || this.#areCopiesToCome(row)
  }

  /** Whether the chunk is locked by a client that is not connected. */
  #isLeftAlone(row: number): boolean {
    const { leases } = this.#parts
    const owner = leases.owner(row)
    return owner !== undefined && leases.isLocked(row) && this.#state.sessions.get(owner)?.disconnectedAt !== 0
  }

  /** Whether the client that left it alone is not likely to come back soon. */
  #isLongAlone(row: number): boolean {
    const owner = this.#parts.leases.owner(row)
    if (owner !== undefined && this.#parts.departures.isGone(owner)) return true
    const session = owner === undefined ? undefined : this.#state.sessions.get(owner)
    return session === undefined || this.#now() - session.disconnectedAt >= OUT_OF_REACH_SECONDS
  }

  truncate(request: CutRequest, length: number, answer: End): void {
    const { leases, isBusy } = this.#parts
    let why: Status = Status.LOCKED
    const attempt = () => {
      if (request.isStale?.()) return
      const { nodes, chunks } = this.#state
      const { inode, index } = request
      const row = nodes.isFile(inode) ? nodes.chunkRow(inode, index) : 0
      if (row === 0) return answer(Status.OK)
      why = this.#isLockedFor(row, request) ? Status.LOCKED : Status.CHUNKBUSY
      if (why === Status.LOCKED || isBusy(row) || this.#mustSettle(row, request)) return leases.park(row, waiter)
      if (this.#mustFix(row)) return leases.park(row, waiter)
      const good = this.#parts.copies.good(row)
      if (good.length === 0 && this.#areCopiesToCome(row)) {
        why = Status.CSNOTPRESENT
        return leases.park(row, waiter)
      }
      if (good.length === 0) return answer(this.#whyNone())
      if (this.#isTooEarly(row, good.length)) return answer(Status.EAGAIN)
      const bytes = length % MFSCHUNKSIZE
      if (chunks.references.get(row) === 1) return this.#cut(request, row, good, bytes, answer)
      this.#duplicate(request, row, good, bytes, (status, chunkId) => {
        answer(status)
        this.unlock(chunkId)
      })
    }
    const waiter: Waiter = leases.waiter(attempt, () => answer(why))
    attempt()
  }

  /**
   * The line that begins a cut is its point of no return: a copy that is out of reach, or a server that was told by a master
   * that died, may have cut the chunk. So the file is cut, too, unless the copies are known to be as they were.
   */
  #cut(request: CutRequest, row: number, good: ChunkServer[], length: number, answer: End): void {
    const { chunks } = this.#state
    const { ledger, operations, leases } = this.#parts
    const { inode, index, session } = request
    const chunkId = chunks.id(row)
    const from = operations.skipSpoilt(row)
    ledger.together(() => {
      const entry = { op: 'TRUNC', ts: this.#now(), inode, index, chunkId } as const
      ledger.commit(entry, { leaseOwner: session, ...raised(good, from) })
      request.begun?.(chunkId)
    })
    leases.locked(row, session)
    const version = chunks.version.get(row)
    const command = matocs.truncate.encode({ chunkId, length, version, previousVersion: from })
    const end = (status: Status) => {
      const isDone = status === Status.OK || chunks.version.get(row) !== from
      ledger.together(() => answer(isDone ? Status.OK : status))
      if (isDone && status !== Status.OK) this.#parts.abandoned.leftUncut(row, { inode, index })
      else this.unlock(chunkId)
    }
    operations.change(row, { servers: good, from, command: () => command, end })
  }
}

function shuffled<T>(items: T[], below: (limit: number) => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(i + 1)
    const swapped = items[i] as T
    items[i] = items[j] as T
    items[j] = swapped
  }
  return items
}
