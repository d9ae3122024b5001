// What the client side of the master needs to know of chunks, and may ask to be done with them.

import type { Inode, SessionId } from '../../metadata/types.ts'
import type { CopyLocation } from '../../protocol/attributes.ts'
import type { MissingKind } from '../../protocol/monitors.ts'
import type { Status } from '../../protocol/status.ts'
import type { Memory } from '../../util/memory.ts'
import type { SpaceTotals } from '../policy/space.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { Tally } from './tally.ts'
import type { WorkCounts } from './work-report.ts'

export interface LocatedChunk {
  status: 0
  chunkId: number
  version: number
  copies: CopyLocation[]
}
export type ChunkAnswer = LocatedChunk | { status: Exclude<Status, 0> }

export interface WriteRequest {
  inode: Inode
  index: number
  session: SessionId
  /** A repeat after an interrupted write: the caller's own lock does not stand in the way. */
  continues: boolean
  /** The file's times are the master's business: old clients report none. */
  touch?: boolean
  /** IPv4 address of the client: servers near it are told first. */
  near?: number
  /** Whether the client has gone while the request waited: then it is dropped, and nobody is answered. */
  isStale?: () => boolean
}

export interface CutRequest extends WriteRequest {
  /** The line that begins the cut is committed, and stands for the request when this master dies before it has answered. */
  begun?: (chunkId: number) => void
}

/** Answers come at once or much later, and once. A request whose connection ended is answered all the same, but for those that tell when they are stale. */
export interface ChunkService {
  /** Where a chunk of a file can be read; a hole has chunk id 0. Waits while an operation on it goes on. */
  read(inode: Inode, index: number, answer: (answer: ChunkAnswer) => void, near?: number): void
  /** As read(), for the only chunk of a file, when that is known at once and nobody is changing it. */
  peekOnly(inode: Inode, near?: number): LocatedChunk | undefined
  /** Makes a chunk of a file ready to be written and locks it for the session. Commits WRITE. */
  write(request: WriteRequest, answer: (answer: ChunkAnswer) => void): void
  /** Ends a write of the session: commits UNLOCK and lets others in. The lease of another session stays. */
  unlock(chunkId: number, session: SessionId): Status
  /** Whether a write that the session ends now still counts; else others have gone on after its lease. */
  mayEnd(chunkId: number, session: SessionId): boolean
  /** The client of the session closed its last connection itself. */
  clientLeft(session: SessionId): void
  clientReturned(session: SessionId): void
  /** The session is gone for good: what it was writing ends as it is. */
  sessionEnded(session: SessionId): void
  /** Runs `done` once the chunk has all the copies that it shall have, or can have now; at once when it has. */
  whenSafe(chunkId: number, done: () => void): void
  /**
   * Waits until the file may grow to `length`: LOCKED while a write at its present end is neither ended nor given up. What
   * lies behind that end is zeros then.
   */
  grow(request: CutRequest, length: number, go: (status: Status) => void): void
  /**
   * Cuts (or lengthens) the chunk at the end of a new length on its servers. Commits TRUNC and UNLOCK, or gives the file a
   * chunk of its own; what `answer` commits is as durable as that.
   */
  truncate(request: CutRequest, length: number, answer: (status: Status) => void): void
  space(): SpaceTotals
  /** No room for new chunks, but for root. While servers are just coming nobody knows. */
  isFull(): boolean
  /** Those that are connected. */
  servers(): Iterable<ChunkServer>
  /** How many chunks have how many copies. */
  readonly tally: Tally
  /** What was done to chunks in the last span of time. */
  lastWork(): WorkCounts
  /** Whether servers are just telling what they have, so that counts of copies mean little. */
  readonly areSettling: boolean
  /** Seconds for which a server is still spared after a heavy load. */
  graceSeconds(server: ChunkServer): number
  /** Orders of monitors: for a known server, by its address. */
  setMaintenance(ip: number, port: number, on: boolean): Status
  /** ACTIVE while it is connected. */
  removeServer(ip: number, port: number): Status
  /** @returns false when no such server is connected */
  backToWork(ip: number, port: number): boolean
  /** What the lists of copies take. */
  copiesMemory(): Memory
  /** A look at all files has found the chunk in this row. */
  placeFound(row: number, inode: Inode, index: number): void
  /** Number of good copies of the chunk in this row. */
  goodCopies(row: number): number
  /** Why no copy of the chunk in this row is good. */
  missingKind(row: number): MissingKind
  /** Copies on connected servers, good or not, that are not being deleted. */
  presentCopies(row: number): number
  /**
   * What REPAIR does with a chunk: undefined leaves it alone (it has a good copy, or is being worked on), 0 gives it up,
   * any other number is the version of the newest copy, which shall count as good.
   */
  repairVersion(row: number): number | undefined
  /** REPAIR has given the chunk another version: copies that have it are good now. */
  versionRepaired(row: number): void
  /** CHECK's answer for one chunk: chunkid:64 version:32 N*[ip:32 port:16 kind:8] (spec client-master 5.6). */
  describe(inode: Inode, index: number): Buffer
}
