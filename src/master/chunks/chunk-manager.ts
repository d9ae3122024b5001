// The life of chunks: where their copies are, what is being done with them, and what is still to do.
//
// A chunk row has at most one operation at a time. What cannot go on (a chunk locked by a writer, or busy) is parked and
// tried again when the chunk changes. Copies are volatile: servers tell of them anew after every start.
import type { Env } from '../../env/env.ts'
import type { Entry } from '../../metadata/changelog/entry.ts'
import { CHUNK_LOCK_SECONDS } from '../../metadata/namespace/apply-files.ts'
import type { ChunkId, Inode, SessionId } from '../../metadata/types.ts'
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import { placeCopies } from '../policy/placement.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { ChunkAnswer, ChunkService, LocatedChunk, SpaceTotals, WriteRequest } from './chunk-service.ts'
import { type ChunkOptions, LimitClass } from './options.ts'

/** Parked requests are answered after this long (spec master-behaviour 0). */
const PARKED_MS = 30_000
/** A chunk that no file is known for is kept this long before its copies go (spec master-behaviour 0). */
const UNKNOWN_KEPT_SECONDS = 604_800
const MAX_COPIES_TOLD = 100
/** A chunk looked at costs some microseconds: this many at once keep clients waiting for a few milliseconds at most. */
const CHECKED_AT_ONCE = 1000
const CHECKED_PER_TICK = 5000
/** After so many chunks in a row that no server is free for, the rest waits until one is. */
const REFUSED_AT_ONCE = 50

interface Copy {
  server: ChunkServer
  version: number
  state: 'valid' | 'invalid' | 'deleting'
}

/** Something that several servers were told to do with one chunk. */
interface Operation {
  pending: Set<ChunkServer>
  succeeded: ChunkServer[]
  failed: ChunkServer[]
  noSpace: number
  done: (operation: Operation) => void
}

interface Parked {
  since: number
  retry: () => void
  giveUp: () => void
}

export class ChunkManager implements ChunkService {
  readonly #env: Env
  readonly #ledger: Ledger
  readonly #options: ChunkOptions
  readonly #startedMs: number
  readonly #servers = new Set<ChunkServer>()
  readonly #copies = new Map<number, Copy[]>()
  readonly #operations = new Map<number, Operation>()
  readonly #replications = new Map<number, { source: ChunkServer; target: ChunkServer }>()
  /** Rows that another chunk is being copied from. */
  readonly #held = new Set<number>()
  readonly #lockOwners = new Map<number, SessionId>()
  /** Rows whose version was raised in this life of the master since their copies last changed. */
  readonly #settled = new Set<number>()
  readonly #parked = new Map<number, Parked[]>()
  /** Rows to look at: too few copies, too many, or none wanted. */
  readonly #todo = new Set<number>()
  /** Rows whose work waits for a server to be free: chunks with one copy left, other missing copies, deletions. */
  readonly #waiting = [new Set<number>(), new Set<number>(), new Set<number>()] as const
  #pumping = false

  constructor(env: Env, ledger: Ledger, options: ChunkOptions) {
    this.#env = env
    this.#ledger = ledger
    this.#options = options
    this.#startedMs = env.clock.monotonicMs()
    const { chunks } = ledger.state
    for (const row of chunks.rows()) this.#todo.add(row)
    chunks.observer = { chunkChanged: row => void this.#todo.add(row) }
  }

  // --- servers

  serverJoined(server: ChunkServer): void {
    this.#servers.add(server)
  }

  /** All its copies are gone, and what it was doing has failed. */
  serverLeft(server: ChunkServer): void {
    this.#servers.delete(server)
    for (const [row, { source, target }] of this.#replications) {
      // A target that has lost its source answers in the end.
      if (target !== server) continue
      this.#replications.delete(row)
      source.outgoing = Math.max(0, source.outgoing - 1)
      this.#todo.add(row)
    }
    for (const row of server.rows) this.#dropCopy(row, server)
    server.rows.clear()
    for (const [row, operation] of this.#operations) {
      if (operation.pending.has(server)) this.#operationAnswered(row, operation, server, Status.DISCONNECTED)
    }
  }

  /** A server tells that it has a copy. */
  copyReported(server: ChunkServer, chunkId: ChunkId, version: number): void {
    const { chunks } = this.#ledger.state
    let row = chunks.find(chunkId)
    if (row === 0) {
      if (!this.#registerUnknown(chunkId, version)) return
      row = chunks.find(chunkId)
    }
    const copies = this.#copiesOf(row)
    const known = copies.find(copy => copy.server === server)
    if (known) known.version = version
    else copies.push({ server, version, state: 'valid' })
    server.rows.add(row)
    this.#unsettle(row)
    this.#wake(row)
  }

  copyLost(server: ChunkServer, chunkId: ChunkId): void {
    const row = this.#ledger.state.chunks.find(chunkId)
    if (row === 0) return
    this.#dropCopy(row, server)
    server.rows.delete(row)
  }

  copyDamaged(server: ChunkServer, chunkId: ChunkId): void {
    const row = this.#ledger.state.chunks.find(chunkId)
    const copy = this.#copies.get(row)?.find(copy => copy.server === server)
    if (!copy) return
    copy.state = 'invalid'
    this.#unsettle(row)
  }

  /** A server answers a create, version, duplicate or truncate command. */
  commandAnswered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    const row = this.#ledger.state.chunks.find(chunkId)
    const operation = this.#operations.get(row)
    if (operation?.pending.has(server)) this.#operationAnswered(row, operation, server, status)
  }

  deleteAnswered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    server.deletions = Math.max(0, server.deletions - 1)
    if (status !== Status.OK && status !== Status.NOCHUNK) {
      const row = this.#ledger.state.chunks.find(chunkId)
      const copy = this.#copies.get(row)?.find(copy => copy.server === server)
      if (copy) copy.state = 'invalid'
    } else this.copyLost(server, chunkId)
    this.#pump()
  }

  replicateAnswered(server: ChunkServer, chunkId: ChunkId, version: number, status: number): void {
    const { chunks } = this.#ledger.state
    const row = chunks.find(chunkId)
    const replication = this.#replications.get(row)
    if (replication?.target !== server) return
    this.#replications.delete(row)
    replication.source.outgoing = Math.max(0, replication.source.outgoing - 1)
    server.incoming = Math.max(0, server.incoming - 1)
    if (status === Status.OK) this.copyReported(server, chunkId, version)
    else this.#env.log.warning(`chunk ${chunkId.toString(16)}: copying to ${server.name} failed with status ${status}`)
    this.#todo.add(row)
    this.#pump()
  }

  // --- for clients

  read(inode: Inode, index: number, answer: (answer: ChunkAnswer) => void): void {
    const { nodes, chunks } = this.#ledger.state
    const attempt = () => {
      const row = nodes.isFile(inode) ? nodes.chunkRow(inode, index) : 0
      if (row === 0) return answer({ status: Status.OK, chunkId: 0, version: 0, copies: [] })
      if (this.#isBusy(row)) return this.#park(row, attempt, () => answer({ status: Status.CHUNKBUSY }))
      if (this.#goodCopies(row).length === 0 && this.#isCertain()) return answer({ status: Status.CHUNKLOST })
      answer(this.#located(row, chunks.id(row)))
    }
    attempt()
  }

  peekOnly(inode: Inode): LocatedChunk | undefined {
    const { nodes, chunks } = this.#ledger.state
    if (nodes.chunkSlots(inode) !== 1) return undefined
    const row = nodes.chunkRow(inode, 0)
    if (row === 0) return { status: Status.OK, chunkId: 0, version: 0, copies: [] }
    if (this.#isBusy(row) || chunks.isLocked(row, this.#ledger.now())) return undefined
    const located = this.#located(row, chunks.id(row))
    return located.copies.length > 0 ? located : undefined
  }

  write(request: WriteRequest, answer: (answer: ChunkAnswer) => void): void {
    const attempt = () => {
      const { nodes, chunks } = this.#ledger.state
      const { inode, index, session } = request
      if (!nodes.isFile(inode)) return answer({ status: Status.ENOENT })
      const row = nodes.chunkRow(inode, index)
      if (row === 0) return this.#createChunk(request, answer)
      if (this.#isLockedFor(row, request) && !this.#isOwnWrite(row, request)) {
        return this.#park(row, attempt, () => answer({ status: Status.LOCKED }))
      }
      if (this.#isBusy(row)) return this.#park(row, attempt, () => answer({ status: Status.CHUNKBUSY }))
      const valid = this.#goodCopies(row)
      if (valid.length === 0 && this.#wasNeverWritten(row, inode, index)) {
        // Its creation was logged, but no server has carried it out.
        const previous = { ts: this.#ledger.now(), inode, index, previousChunkId: 0, chunkId: chunks.id(row) }
        this.#commit({ op: 'ROLLBACK', ...previous })
        return this.#createChunk(request, answer)
      }
      if (valid.length === 0) {
        return answer({ status: this.#isCertain() ? Status.CHUNKLOST : Status.CSNOTPRESENT })
      }
      const shared = chunks.references.get(row) > 1
      if (!shared && this.#settled.has(row)) {
        this.#commitWrite(request, false, chunks.id(row))
        this.#lockOwners.set(row, session)
        return this.#ledger.whenCommitted(() => answer(this.#located(row, chunks.id(row))))
      }
      if (shared) return this.#duplicateChunk(request, row, valid, undefined, answer)
      this.#raiseVersion(request, row, valid, answer)
    }
    attempt()
  }

  unlock(chunkId: ChunkId): Status {
    const { chunks } = this.#ledger.state
    const row = chunks.find(chunkId)
    if (row === 0) return Status.NOCHUNK
    if (chunks.lockedTo.get(row) !== 0) this.#commit({ op: 'UNLOCK', ts: this.#ledger.now(), chunkId })
    this.#lockOwners.delete(row)
    this.#todo.add(row)
    this.#wake(row)
    return Status.OK
  }

  truncate(request: WriteRequest, length: number, answer: (status: Status) => void): void {
    const attempt = () => {
      const { nodes, chunks } = this.#ledger.state
      const { inode, index } = request
      const row = nodes.isFile(inode) ? nodes.chunkRow(inode, index) : 0
      if (row === 0) return answer(Status.OK)
      if (this.#isLockedFor(row, request)) return this.#park(row, attempt, () => answer(Status.LOCKED))
      if (this.#isBusy(row)) return this.#park(row, attempt, () => answer(Status.CHUNKBUSY))
      const valid = this.#goodCopies(row)
      if (valid.length === 0) return answer(this.#isCertain() ? Status.CHUNKLOST : Status.CSNOTPRESENT)
      const bytes = length % MFSCHUNKSIZE
      const finish = (result: ChunkAnswer) => {
        if (result.status !== Status.OK) return answer(result.status)
        this.unlock(result.chunkId)
        answer(Status.OK)
      }
      if (chunks.references.get(row) > 1) return this.#duplicateChunk(request, row, valid, bytes, finish)
      const chunkId = chunks.id(row)
      const previousVersion = chunks.version.get(row)
      this.#commit({ op: 'TRUNC', ts: this.#ledger.now(), inode, index, chunkId })
      this.#operate(
        row,
        valid,
        finishOperation => this.#settleOperation(row, chunkId, finishOperation, finish),
        server =>
          server.send(
            matocs.truncate.encode({ chunkId, length: bytes, version: previousVersion + 1, previousVersion }),
          ),
      )
    }
    attempt()
  }

  servers(): Iterable<ChunkServer> {
    return this.#servers
  }

  space(): SpaceTotals {
    const totals = { total: 0, available: 0, free: 0 }
    for (const server of this.#servers) {
      totals.total += server.total
      totals.available += server.available
      totals.free += server.available
    }
    return totals
  }

  // --- once a second

  tick(): void {
    const { chunks } = this.#ledger.state
    const now = this.#env.clock.monotonicMs()
    for (const [row, parked] of this.#parked) {
      const expired = parked.filter(({ since }) => now - since > PARKED_MS)
      if (expired.length === 0 && !chunks.isLocked(row, this.#ledger.now())) this.#wake(row)
      if (expired.length === 0) continue
      this.#parked.set(
        row,
        parked.filter(request => !expired.includes(request)),
      )
      for (const { giveUp } of expired) giveUp()
    }
    this.#check(CHECKED_PER_TICK)
    this.#pump()
  }

  #check(limit: number): void {
    const { chunks } = this.#ledger.state
    let checked = 0
    for (const row of this.#todo) {
      if (checked++ >= limit) break
      this.#todo.delete(row)
      if (chunks.id(row) !== 0) this.#care(row)
      else this.#forgetRow(row)
    }
  }

  /** Starts what servers are free for, the most urgent first, once everything that has arrived is handled. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#env.clock.soon(() => {
      this.#pumping = false
      this.#check(CHECKED_AT_ONCE)
      for (const waiting of this.#waiting) this.#serve(waiting)
    })
  }

  #serve(waiting: Set<number>): void {
    let [refused, left] = [0, Math.min(waiting.size, CHECKED_AT_ONCE)]
    for (const row of waiting) {
      if (left-- === 0 || refused >= REFUSED_AT_ONCE) return
      waiting.delete(row)
      this.#care(row)
      if (this.#waiting.some(rows => rows.has(row))) refused++
    }
  }

  goodCopies(row: number): number {
    return this.#validCopies(row).length
  }

  presentCopies(row: number): number {
    return this.#presentCopies(row).length
  }

  repairVersion(row: number): number | undefined {
    const { chunks } = this.#ledger.state
    const untouchable = this.#isBusy(row) || chunks.isLocked(row, this.#ledger.now())
    if (untouchable || this.#validCopies(row).length > 0) return undefined
    return Math.max(
      0,
      ...this.#presentCopies(row)
        .filter(({ state }) => state === 'valid')
        .map(({ version }) => version),
    )
  }

  #presentCopies(row: number): Copy[] {
    return (this.#copies.get(row) ?? []).filter(({ state }) => state !== 'deleting')
  }

  describe(inode: Inode, index: number): Buffer {
    const { nodes, chunks } = this.#ledger.state
    const row = nodes.chunkRow(inode, index)
    if (row === 0) return Buffer.alloc(12)
    const version = chunks.version.get(row)
    const copies = this.#presentCopies(row)
    const described = Buffer.alloc(12 + 7 * copies.length)
    described.writeBigUInt64BE(BigInt(chunks.id(row)), 0)
    described.writeUInt32BE(version, 8)
    copies.forEach((copy, i) => {
      const at = 12 + 7 * i
      described.writeUInt32BE(copy.server.ip, at)
      described.writeUInt16BE(copy.server.port, at + 4)
      described[at + 6] = copy.state === 'invalid' ? 4 : copy.version === version ? 0 : 2
    })
    return described
  }

  // --- inside

  #commit(entry: Entry): void {
    this.#ledger.commit(entry)
  }

  #copiesOf(row: number): Copy[] {
    let copies = this.#copies.get(row)
    if (!copies) {
      copies = []
      this.#copies.set(row, copies)
    }
    return copies
  }

  #validCopies(row: number): Copy[] {
    const version = this.#ledger.state.chunks.version.get(row)
    return (this.#copies.get(row) ?? []).filter(copy => copy.state === 'valid' && copy.version === version)
  }

  /**
   * As #validCopies(). When there are none, but all copies that are left have the version right before or after the
   * recorded one, a crash came between the log and the servers: their version is the one that counts.
   */
  #goodCopies(row: number): Copy[] {
    const valid = this.#validCopies(row)
    const present = (this.#copies.get(row) ?? []).filter(({ state }) => state === 'valid')
    const [first] = present
    if (valid.length > 0 || !first || !this.#isCertain()) return valid
    const { chunks } = this.#ledger.state
    const recorded = chunks.version.get(row)
    const { version } = first
    if (Math.abs(version - recorded) !== 1 || present.some(copy => copy.version !== version)) return valid
    const chunkId = chunks.id(row)
    this.#env.log.warning(
      `chunk ${chunkId.toString(16)}: all copies have version ${version}, not ${recorded}: taken as good`,
    )
    this.#commit({ op: 'SETVERSION', ts: this.#ledger.now(), chunkId, version })
    this.#unsettle(row)
    return this.#validCopies(row)
  }

  /** Whether nothing that was acknowledged can be in the chunk: the file does not reach into it. */
  #wasNeverWritten(row: number, inode: Inode, index: number): boolean {
    const { nodes, chunks } = this.#ledger.state
    const reaches = nodes.length.get(inode) > index * MFSCHUNKSIZE
    return !reaches && chunks.references.get(row) === 1 && this.presentCopies(row) === 0
  }

  #located(row: number, chunkId: ChunkId): LocatedChunk {
    const copies = this.#validCopies(row)
      .slice(0, MAX_COPIES_TOLD)
      .map(({ server }) => ({ ip: server.ip, port: server.port, serverVersion: server.version, labels: server.labels }))
    const version = this.#ledger.state.chunks.version.get(row)
    return { status: Status.OK, chunkId, version, copies: shuffled(copies, this.#env.random.below) }
  }

  #isBusy(row: number): boolean {
    return this.#operations.has(row) || this.#replications.has(row) || this.#held.has(row)
  }

  #isLockedFor(row: number, { session, continues }: WriteRequest): boolean {
    if (!this.#ledger.state.chunks.isLocked(row, this.#ledger.now())) return false
    const owner = this.#lockOwners.get(row)
    // A lock from before the start of this master has no owner any more: its writer comes back with `continues`.
    return !(continues && (owner === undefined || owner === session))
  }

  /**
   * A client writes a chunk once at a time, so a lock of its own is what is left of a write whose answer was lost. After
   * a restart nobody knows whose a lock is; nobody but the only one who has the file open can be writing.
   */
  #isOwnWrite(row: number, { inode, session }: WriteRequest): boolean {
    const owner = this.#lockOwners.get(row)
    if (owner !== undefined) return owner === session
    const openers = this.#ledger.state.openFiles.sessionsOf(inode)
    return openers.size === 1 && openers.has(session)
  }

  /** Whether a chunk without copies is lost, and not only waiting for its servers to come. */
  #isCertain(): boolean {
    const { knownServers } = this.#ledger.state
    const registered = [...this.#servers].filter(({ registered }) => registered).length
    return registered >= knownServers.size && this.#env.clock.monotonicMs() - this.#startedMs > 10_000
  }

  #park(row: number, retry: () => void, giveUp: () => void): void {
    const parked = this.#parked.get(row) ?? []
    parked.push({ since: this.#env.clock.monotonicMs(), retry, giveUp })
    this.#parked.set(row, parked)
  }

  #wake(row: number): void {
    const parked = this.#parked.get(row)
    if (!parked) return
    this.#parked.delete(row)
    for (const { retry } of parked) retry()
  }

  #unsettle(row: number): void {
    this.#settled.delete(row)
    this.#todo.add(row)
  }

  #dropCopy(row: number, server: ChunkServer): void {
    const copies = this.#copies.get(row)
    if (!copies) return
    const left = copies.filter(copy => copy.server !== server)
    if (left.length > 0) this.#copies.set(row, left)
    else this.#copies.delete(row)
    this.#unsettle(row)
  }

  #forgetRow(row: number): void {
    for (const { server } of this.#copies.get(row) ?? []) server.rows.delete(row)
    this.#copies.delete(row)
    this.#settled.delete(row)
    this.#lockOwners.delete(row)
  }

  /** A chunk that no file is known for is registered, and kept for a week before anything of it is deleted. */
  #registerUnknown(chunkId: ChunkId, version: number): boolean {
    const { chunks } = this.#ledger.state
    if (chunkId === 0 || chunkId > chunks.nextChunkId + 1_000_000_000) return false
    const ahead = chunkId >= chunks.nextChunkId ? ', which was never given out: metadata may be lost' : ''
    this.#env.log.warning(`chunk ${chunkId.toString(16)} belongs to no file${ahead}; kept for 7 days`)
    const ts = this.#ledger.now()
    this.#commit({ op: 'CHUNKADD', ts, chunkId, version: Math.max(1, version), lockedTo: ts + UNKNOWN_KEPT_SECONDS })
    return true
  }

  #commitWrite({ inode, index }: WriteRequest, raiseVersion: boolean, chunkId: ChunkId): void {
    this.#commit({ op: 'WRITE', ts: this.#ledger.now(), inode, index, raiseVersion, touch: false, chunkId })
  }

  #createChunk(request: WriteRequest, answer: (answer: ChunkAnswer) => void): void {
    const { nodes, chunks, storageClasses } = this.#ledger.state
    const sclass = storageClasses.get(nodes.sclassId.get(request.inode))
    const usable = [...this.#servers].filter(({ registered }) => registered)
    const strict = sclass?.mode === 2
    const draw = () => this.#env.random.below(2 ** 32) / 2 ** 32
    const servers = placeCopies(usable, sclass?.create ?? [[0]], strict, draw)
    if (servers.length === 0) {
      return answer({ status: usable.length === 0 ? Status.NOCHUNKSERVERS : Status.NOSPACE })
    }
    const chunkId = chunks.nextChunkId
    this.#commitWrite(request, true, chunkId)
    const row = chunks.find(chunkId)
    this.#lockOwners.set(row, request.session)
    const finish = (operation: Operation) => {
      if (operation.succeeded.length === 0) return this.#rollBack(request, 0, chunkId, operation, answer)
      this.#settleOperation(row, chunkId, operation, answer)
    }
    for (const server of servers) this.#addCopy(row, server, 1)
    this.#operate(row, this.#copiesOf(row), finish, server =>
      server.send(matocs.create.encode({ chunkId, version: 1 })),
    )
  }

  #addCopy(row: number, server: ChunkServer, version: number): void {
    this.#copiesOf(row).push({ server, version, state: 'valid' })
    server.rows.add(row)
  }

  /** A private copy of a chunk that other files hold too; with `length`, cut to it. */
  #duplicateChunk(
    request: WriteRequest,
    sourceRow: number,
    valid: Copy[],
    length: number | undefined,
    answer: (answer: ChunkAnswer) => void,
  ): void {
    const { chunks } = this.#ledger.state
    const source = { sourceChunkId: chunks.id(sourceRow), sourceVersion: chunks.version.get(sourceRow) }
    const { nodes } = this.#ledger.state
    const chunkId = chunks.nextChunkId
    const { inode, index } = request
    const ts = this.#ledger.now()
    // The file changes over only when the copies are made: before, a crash must find it with the chunk it had.
    this.#commit({ op: 'CHUNKADD', ts, chunkId, version: 1, lockedTo: ts + CHUNK_LOCK_SECONDS })
    const row = chunks.find(chunkId)
    this.#held.add(sourceRow)
    for (const { server } of valid) this.#addCopy(row, server, 1)
    const finish = (operation: Operation) => {
      this.#held.delete(sourceRow)
      this.#wake(sourceRow)
      if (operation.succeeded.length === 0) return answer({ status: failureOf(operation) })
      if (!nodes.isFile(inode) || nodes.chunkRow(inode, index) !== sourceRow) return answer({ status: Status.NOTDONE })
      this.#commit({ op: 'SETFILECHUNK', ts: this.#ledger.now(), inode, index, chunkId })
      if (length === undefined) this.#commitWrite(request, false, chunkId)
      this.#lockOwners.set(row, request.session)
      this.#settleOperation(row, chunkId, operation, answer)
    }
    const command = { chunkId, version: 1, ...source }
    this.#operate(row, this.#copiesOf(row), finish, server =>
      server.send(
        length === undefined ? matocs.duplicate.encode(command) : matocs.duptrunc.encode({ ...command, length }),
      ),
    )
  }

  /** Copies that missed writes would look good with the old version, so all good ones get a new one first. */
  #raiseVersion(request: WriteRequest, row: number, valid: Copy[], answer: (answer: ChunkAnswer) => void): void {
    const { chunks } = this.#ledger.state
    const chunkId = chunks.id(row)
    const previousVersion = chunks.version.get(row)
    this.#commitWrite(request, true, chunkId)
    this.#lockOwners.set(row, request.session)
    this.#operate(
      row,
      valid,
      operation => this.#settleOperation(row, chunkId, operation, answer),
      server => server.send(matocs.setVersion.encode({ chunkId, version: previousVersion + 1, previousVersion })),
    )
  }

  /** Tells the servers of the copies what to do, once the lines that say so are durable. */
  #operate(
    row: number,
    copies: Copy[],
    done: (operation: Operation) => void,
    send: (server: ChunkServer) => void,
  ): void {
    const servers = copies.map(({ server }) => server)
    const operation: Operation = { pending: new Set(servers), succeeded: [], failed: [], noSpace: 0, done }
    this.#operations.set(row, operation)
    this.#ledger.whenCommitted(() => {
      for (const server of servers) if (operation.pending.has(server)) send(server)
    })
  }

  #operationAnswered(row: number, operation: Operation, server: ChunkServer, status: number): void {
    operation.pending.delete(server)
    if (status === Status.OK) operation.succeeded.push(server)
    else {
      operation.failed.push(server)
      if (status === Status.NOSPACE) operation.noSpace++
    }
    if (operation.pending.size > 0) return
    const { chunks } = this.#ledger.state
    for (const copy of this.#copiesOf(row)) {
      if (operation.succeeded.includes(copy.server)) copy.version = chunks.version.get(row)
      else if (operation.failed.includes(copy.server)) copy.state = 'invalid'
    }
    this.#operations.delete(row)
    operation.done(operation)
    this.#todo.add(row)
    this.#wake(row)
  }

  /**
   * Ends an operation that some servers carried out. If others did not, their copies may be in any state, so the good
   * ones get one version more before anybody writes.
   */
  #settleOperation(row: number, chunkId: ChunkId, operation: Operation, answer: (answer: ChunkAnswer) => void): void {
    if (operation.succeeded.length === 0) {
      answer({ status: failureOf(operation) })
      return
    }
    if (operation.failed.length === 0) {
      this.#settled.add(row)
      this.#ledger.whenCommitted(() => answer(this.#located(row, chunkId)))
      return
    }
    const { chunks } = this.#ledger.state
    const previousVersion = chunks.version.get(row)
    const good = this.#validCopies(row)
    const version = previousVersion + 1
    this.#commit({ op: 'SETVERSION', ts: this.#ledger.now(), chunkId, version })
    this.#operate(
      row,
      good,
      next => this.#settleOperation(row, chunkId, next, answer),
      server => server.send(matocs.setVersion.encode({ chunkId, version, previousVersion })),
    )
  }

  #rollBack(
    { inode, index }: WriteRequest,
    previousChunkId: ChunkId,
    chunkId: ChunkId,
    operation: Operation,
    answer: (answer: ChunkAnswer) => void,
  ): void {
    this.#commit({ op: 'ROLLBACK', ts: this.#ledger.now(), inode, index, previousChunkId, chunkId })
    const status = failureOf(operation)
    this.#ledger.whenCommitted(() => answer({ status }))
  }

  /** Brings a chunk one step nearer to what it should be. */
  #care(row: number): void {
    const { chunks, storageClasses } = this.#ledger.state
    if (this.#isBusy(row)) return
    const copies = this.#copiesOf(row)
    if (chunks.references.get(row) === 0) return this.#removeUnused(row, copies)
    const sclass = storageClasses.get(chunks.sclassId(row))
    const wanted = (chunks.isArchived(row) ? sclass?.archive : sclass?.keep)?.length ?? 1
    const valid = this.#validCopies(row)
    const useless = copies.filter(copy => !valid.includes(copy) && copy.state !== 'deleting')
    if (valid.length >= wanted || (valid.length > 0 && valid.length >= this.#servers.size - useless.length)) {
      for (const copy of useless) this.#deleteCopy(row, copy, 0)
    }
    if (valid.length > wanted) {
      const fullest = [...valid].sort((a, b) => a.server.available - b.server.available).slice(0, valid.length - wanted)
      for (const copy of fullest) this.#deleteCopy(row, copy, 0)
    } else if (valid.length < wanted && valid.length > 0) this.#replicate(row, valid, wanted)
  }

  #removeUnused(row: number, copies: Copy[]): void {
    const { chunks } = this.#ledger.state
    const ts = this.#ledger.now()
    if (chunks.isLocked(row, ts)) {
      this.#todo.add(row)
      return
    }
    const chunkId = chunks.id(row)
    const version = chunks.version.get(row)
    if (copies.length === 0) {
      if (!this.#isCertain()) this.#todo.add(row)
      else this.#commit({ op: 'CHUNKDEL', ts, chunkId, version })
      return
    }
    for (const copy of copies) if (copy.state !== 'deleting') this.#deleteCopy(row, copy, 0)
  }

  /** Deletes a copy once everything that led to it is durable. */
  #deleteCopy(row: number, copy: Copy, version: number): void {
    if (copy.server.deletions >= this.#options.softDeletionLimit) {
      this.#waiting[2].add(row)
      return
    }
    copy.state = 'deleting'
    copy.server.deletions++
    const chunkId = this.#ledger.state.chunks.id(row)
    this.#ledger.whenCommitted(() => copy.server.send(matocs.remove.encode({ chunkId, version })))
  }

  #replicate(row: number, valid: Copy[], wanted: number): void {
    const { chunks } = this.#ledger.state
    const tooEarly = this.#env.clock.monotonicMs() - this.#startedMs < this.#options.replicationsDelaySeconds * 1000
    if (tooEarly || chunks.isLocked(row, this.#ledger.now())) {
      this.#todo.add(row)
      return
    }
    const endangered = valid.length === 1 && wanted > 1
    const limitClass = endangered ? LimitClass.ENDANGERED : LimitClass.UNDERGOAL
    const { writeReplicationLimits, readReplicationLimits } = this.#options
    const holders = new Set(this.#copiesOf(row).map(({ server }) => server))
    const others = [...this.#servers].filter(server => server.registered && !holders.has(server))
    const targets = others.filter(server => server.incoming < writeReplicationLimits[limitClass])
    const draw = () => this.#env.random.below(2 ** 32) / 2 ** 32
    const [target] = placeCopies(targets, [[0]], false, draw)
    const source = valid.find(({ server }) => server.outgoing < readReplicationLimits[limitClass])?.server
    if (!target || !source) {
      // When every server has a copy, or is full, only a change of the servers helps.
      if (others.some(({ available }) => available > 0)) this.#waiting[endangered ? 0 : 1].add(row)
      else this.#todo.add(row)
      return
    }
    source.outgoing++
    target.incoming++
    this.#replications.set(row, { source, target })
    const [chunkId, version] = [chunks.id(row), chunks.version.get(row)]
    target.send(matocs.replicate.encode({ chunkId, version, ip: source.ip, port: source.port }))
  }
}

/** Why no server could do it. */
function failureOf({ noSpace, failed }: Operation): Exclude<Status, 0> {
  return noSpace > 0 && noSpace === failed.length ? Status.NOSPACE : Status.NOTDONE
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
