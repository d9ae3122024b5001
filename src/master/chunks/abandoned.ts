// Writes that their clients did not end: those died, or were cut off for longer than their lease. Such a write may have
// reached one copy and not another, and may have left bytes behind the end of the file, which would be seen once the file
// grows over them. The original leaves both as they are; here the chunk is settled:
//
//   lease ended by time            all copies are made alike: the client may still be there, and end its write
//   its session ended              bytes behind the end of the file are cut off, then all copies are made alike
//   another client wants to write  the same; the first one's end comes too late then (see mayEnd)
//   another client wants to read   all copies are made alike, with a new version, when the first one has not been heard
//                                  of for some time; it may still end its write
//
// Copies are alike when their servers tell the same checksum. When they do not, one of them gets a new version, so that
// the others count for nothing and are made anew; whatever was acknowledged is on every one of them. All of it is done
// with commands that the original's chunkservers know: one after the other, for they do not survive many such questions at a time.
//
// That a write was not ended is durable: its chunk stays locked to a moment that is over. Whose it was lies behind its
// line in the changelog.
import type { Clock } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import type { ChunkId, Inode, SessionId } from '../../metadata/types.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import type { ChunkServer } from './chunk-server.ts'
import { type Copies, CopyState } from './copies.ts'
import type { Leases } from './leases.ts'
import { type Operations, raised } from './operations.ts'

/** Servers that do not tell a checksum within this time are taken to have another one. */
const CHECKSUM_WITHIN_MS = 10_000

/** Which part of which file is being written, and by whom. */
export interface WritePlace {
  inode: Inode
  index: number
  /** Undefined: not known. */
  session: SessionId | undefined
  /** The write brought the chunk into being: until it ends there is nothing in it that anybody was promised. */
  isNew: boolean
}

export interface AbandonedParts {
  clock: Clock
  log: Log
  ledger: Ledger
  copies: Copies
  leases: Leases
  operations: Operations
  /** Whether something else is done with the chunk. */
  isBusy: (row: number) => boolean
  /** Whether copies of the chunk may be told of in a moment. */
  areCopiesToCome: (row: number) => boolean
  /** Takes a chunk from its file that no server has made. */
  dropUnmade: (row: number, place: Pick<WritePlace, 'inode' | 'index'>) => void
  /** The chunk may be used again. */
  freed: (row: number) => void
}

/** Checksums that servers were asked for. */
interface Comparison {
  untilMs: number
  /** Undefined: not told yet, or not to be had. */
  sums: Map<ChunkServer, number | undefined>
  pending: Set<ChunkServer>
}

export class AbandonedWrites {
  readonly #parts: AbandonedParts
  /** Writes that were begun and not ended, by row. */
  readonly #places = new Map<number, WritePlace>()
  /** Chunks to be settled as soon as nobody works with them; whether they may be cut. */
  readonly #due = new Map<number, boolean>()
  /** Chunks that are being settled; whether their writes are over for good. */
  readonly #settling = new Map<number, boolean>()
  readonly #comparisons = new Map<number, Comparison>()
  /** Chunks whose comparison waits for others. */
  #turns: number[] = []
  /** Chunks whose copies were made alike while the lease went on. */
  readonly #alike = new Set<number>()

  constructor(parts: AbandonedParts) {
    this.#parts = parts
  }

  get #state() {
    return this.#parts.ledger.state
  }

  /** Nobody else may do anything with the chunk. */
  isSettling(row: number): boolean {
    return this.#settling.has(row)
  }

  /** A write or cut is over for good, and the chunk is not yet as long as its file says. */
  isToBeCut(row: number): boolean {
    return this.#due.get(row) ?? false
  }

  begun(row: number, place: WritePlace): void {
    this.#alike.delete(row)
    this.#places.set(row, this.isNew(row) ? { ...place, isNew: true } : place)
  }

  /** Whether the chunk was made by a write that is not ended. */
  isNew(row: number): boolean {
    return this.#places.get(row)?.isNew === true
  }

  /** The client has ended its write, or the chunk is no more. */
  ended(row: number): void {
    this.#places.delete(row)
    this.#due.delete(row)
    this.#alike.delete(row)
  }

  /** The lease is over by time. */
  expired(row: number): void {
    if (this.#wasLeft(row)) this.#settle(row, false)
  }

  /** The write is over for good. */
  mustSettle(row: number): void {
    this.#settle(row, true)
  }

  /** The file was cut, and a copy that comes back may be as long as before. */
  leftUncut(row: number, place: Pick<WritePlace, 'inode' | 'index'>): void {
    this.begun(row, { ...place, session: undefined, isNew: false })
    this.mustSettle(row)
  }

  /** Whether all copies are the same, and stay so until somebody begins to write, although the lease goes on. */
  isAlike(row: number): boolean {
    return this.#alike.has(row)
  }

  /** Somebody wants to read what a client writes that is out of reach. */
  makeAlike(row: number): void {
    if (!this.#due.has(row)) this.#settle(row, false)
  }

  /**
   * A file has the chunk as this part. What the log tells no more of a write that was left, this tells once nobody has
   * the file open: a session that has may be its writer.
   */
  placeFound(row: number, inode: Inode, index: number): void {
    const { chunks, openFiles } = this.#state
    if (this.#places.has(row) || !this.#wasLeft(row) || chunks.references.get(row) > 1) return
    if (openFiles.sessionsOf(inode).size > 0) return
    this.#places.set(row, { inode, index, session: undefined, isNew: false })
    this.#settle(row, true)
  }

  /** The session will never come back. */
  sessionEnded(session: SessionId): void {
    for (const [row, place] of this.#places) if (place.session === session) this.#settle(row, true)
  }

  /** Whether the session must wait until the write of another one is settled. That is begun then. */
  mustSettleFor(row: number, session: SessionId): boolean {
    if (!this.isToBeCut(row) && (!this.#wasLeft(row) || this.#places.get(row)?.session === session)) return false
    this.#settle(row, true)
    return true
  }

  /**
   * Whether the write that the session ends now still counts. Not when its lease was over and others have gone on: what
   * it wrote may be gone.
   */
  mayEnd(chunkId: ChunkId, session: SessionId): boolean {
    const row = this.#state.chunks.find(chunkId)
    if (row === 0 || this.#state.chunks.lockedTo.get(row) === 0) return false
    const owner = this.#parts.leases.owner(row)
    return !this.#settling.get(row) && (owner === undefined || owner === session)
  }

  /** Whether the last write was not ended, and nobody has the lease. */
  #wasLeft(row: number): boolean {
    const { chunks } = this.#state
    return chunks.lockedTo.get(row) !== 0 && !this.#parts.leases.isLocked(row) && chunks.references.get(row) > 0
  }

  #settle(row: number, mayCut: boolean): void {
    this.#due.set(row, mayCut || (this.#due.get(row) ?? false))
    this.#tryDue(row)
  }

  /** Once a second. */
  tick(): void {
    for (const row of [...this.#due.keys()]) this.#tryDue(row)
    const now = this.#parts.clock.monotonicMs()
    for (const [row, comparison] of [...this.#comparisons]) {
      if (comparison.untilMs > now) continue
      comparison.pending.clear()
      this.#compared(row, comparison)
    }
  }

  /** Begins, unless somebody works with the chunk or its copies are not all known yet. */
  #tryDue(row: number): void {
    const { copies, isBusy, areCopiesToCome } = this.#parts
    const isOver = this.#due.get(row) ?? false
    if (this.#settling.has(row) || isBusy(row) || areCopiesToCome(row)) return
    const good = copies.good(row)
    if (this.#state.chunks.references.get(row) === 0) return this.ended(row)
    if (good.length === 0) {
      const place = this.#places.get(row)
      if (place) this.#parts.dropUnmade(row, place)
      return
    }
    this.#due.delete(row)
    this.#settling.set(row, isOver)
    const length = isOver ? this.#lengthToKeep(row) : undefined
    if (length === undefined) this.#compare(row)
    else this.#cut(row, good, length)
  }

  /** Bytes of the chunk that belong to its file; undefined when all do, or when that is not known. */
  #lengthToKeep(row: number): number | undefined {
    const { nodes, chunks } = this.#state
    const place = this.#places.get(row)
    if (!place || chunks.references.get(row) > 1) return undefined
    const { inode, index } = place
    if (!nodes.isFile(inode) || nodes.chunkRow(inode, index) !== row) return undefined
    const length = Math.max(0, nodes.length.get(inode) - index * MFSCHUNKSIZE)
    return length < MFSCHUNKSIZE ? length : undefined
  }

  #cut(row: number, good: ChunkServer[], length: number): void {
    const { ledger, leases, operations } = this.#parts
    const { chunks } = this.#state
    const { inode, index } = this.#places.get(row) as WritePlace
    const chunkId = chunks.id(row)
    const from = operations.skipSpoilt(row)
    ledger.commit({ op: 'TRUNC', ts: ledger.now(), inode, index, chunkId }, raised(good, from))
    leases.locked(row)
    const version = chunks.version.get(row)
    const command = matocs.truncate.encode({ chunkId, length, version, previousVersion: from })
    const end = (status: Status) => (status === Status.OK ? this.#compare(row) : this.#again(row))
    operations.change(row, { servers: good, from, command: () => command, end })
  }

  /** Something has failed: once more, when servers or copies have changed or a second is over. */
  #again(row: number): void {
    const isOver = this.#settling.get(row) ?? false
    this.#settling.delete(row)
    this.#due.set(row, isOver)
    this.#parts.freed(row)
  }

  // --- making copies alike

  #compare(row: number): void {
    const { copies, ledger, clock } = this.#parts
    const { chunks } = this.#state
    const servers = copies.good(row)
    if (servers.length === 0) return this.#again(row)
    if (servers.length > 1 && this.#mustWait(servers)) return void this.#turns.push(row)
    const pending = new Set(servers.length > 1 ? servers : [])
    const untilMs = clock.monotonicMs() + CHECKSUM_WITHIN_MS
    const comparison = { untilMs, pending, sums: new Map(servers.map(server => [server, undefined])) }
    this.#comparisons.set(row, comparison)
    const question = cltocs.getChunkChecksum.encode({ chunkId: chunks.id(row), version: chunks.version.get(row) })
    ledger.whenCommitted(() => {
      for (const server of [...pending]) server.send(question)
    })
    if (pending.size === 0) this.#compared(row, comparison)
  }

  /** A server of the original that is asked about many chunks at a time dies of it: it gets one question after the other. */
  #mustWait(servers: readonly ChunkServer[]): boolean {
    const comparisons = [...this.#comparisons.values()]
    return servers.some(server => !server.isOurs && comparisons.some(({ pending }) => pending.has(server)))
  }

  #takeTurns(): void {
    const rows = this.#turns
    this.#turns = []
    for (const row of rows) this.#compare(row)
  }

  /** @param checksum undefined: the server can't tell */
  checksumTold(server: ChunkServer, chunkId: ChunkId, version: number, checksum: number | undefined): void {
    const { chunks } = this.#state
    const row = chunks.find(chunkId)
    const comparison = this.#comparisons.get(row)
    if (!comparison?.pending.delete(server) || chunks.version.get(row) !== version) return
    comparison.sums.set(server, checksum)
    if (comparison.pending.size === 0) this.#compared(row, comparison)
  }

  serverLeft(server: ChunkServer): void {
    for (const [row, comparison] of [...this.#comparisons]) {
      if (!comparison.sums.delete(server)) continue
      comparison.pending.delete(server)
      if (comparison.pending.size === 0) this.#compared(row, comparison)
    }
    this.#takeTurns()
  }

  #compared(row: number, comparison: Comparison): void {
    this.#comparisons.delete(row)
    this.#judge(row, comparison)
    this.#takeTurns()
  }

  #judge(row: number, { sums }: Comparison): void {
    const [winner, ...others] = [...sums.keys()]
    if (!winner) return this.#again(row)
    const sum = sums.get(winner)
    const different = others.filter(server => sum === undefined || sums.get(server) !== sum)
    // A copy that is away may be another one too; and a client that has the lease may write on, if the version stays.
    const isAtRest = this.#parts.copies.isSettled(row) && !this.#parts.leases.isLocked(row)
    if (different.length === 0 && isAtRest) return this.#finish(row)
    const alike = [winner, ...others].filter(server => !different.includes(server))
    this.#prefer(row, alike, different)
  }

  /** The version goes up on these copies: no others count any more. */
  #prefer(row: number, alike: ChunkServer[], different: ChunkServer[]): void {
    const { ledger, copies, operations, log } = this.#parts
    const { chunks } = this.#state
    const chunkId = chunks.id(row)
    const from = operations.skipSpoilt(row)
    if (different.length > 0) {
      const names = different.map(({ name }) => name).join(', ')
      log.notice(
        `chunk ${chunkId.toString(16)}: a client left it unfinished, and the copies on ${names} differ: they are replaced`,
      )
    }
    const version = chunks.version.get(row) + 1
    const entry = { op: 'SETVERSION', ts: ledger.now(), chunkId, version } as const
    ledger.commit(entry, raised(alike, from))
    for (const server of different) {
      const copy = copies.find(row, server)
      if (copy !== 0) copies.setState(row, copy, CopyState.WRONG_VERSION, from)
    }
    const end = (status: Status) => (status === Status.OK ? this.#finish(row) : this.#again(row))
    operations.raiseVersion(row, alike, from, end)
  }

  #finish(row: number): void {
    const { ledger, leases, freed } = this.#parts
    const { chunks } = this.#state
    const isOver = this.#settling.get(row) ?? false
    this.#settling.delete(row)
    if (isOver) {
      if (chunks.lockedTo.get(row) !== 0) ledger.commit({ op: 'UNLOCK', ts: ledger.now(), chunkId: chunks.id(row) })
      leases.unlocked(row)
      this.#places.delete(row)
    } else this.#alike.add(row)
    freed(row)
  }
}
