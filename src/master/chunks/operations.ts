// What several servers are told to do with the copies of a chunk: create, raise the version, duplicate, cut
// (spec master-behaviour 4.5). A chunk has one operation at a time, and it ends with all good copies alike.
//
// A server that does not answer in time is gone on without, as if it had failed. What it answers later is not lost: it
// tells what its copy is (#answeredLate).
import type { Clock } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import type { Trailer } from '../../metadata/changelog/trailer.ts'
import type { ChunkId } from '../../metadata/types.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import { type ChunkServer, UNANSWERED_MS } from './chunk-server.ts'
import { type Copies, CopyState } from './copies.ts'

/** `make` brings copies into being, `change` raises the version of those that are there. */
type OperationKind = 'make' | 'change'

/** Status of the whole; at once OK when some servers carried it out and all good copies are alike. */
export type OperationEnd = (status: Status) => void

/** A change of copies: they have the version `from` before, and the chunk's afterwards. */
interface Change {
  servers: readonly ChunkServer[]
  from: number
  /** Version of when the chunk could be written last; `from`, unless this is the second try. */
  writtenAt?: number
  command: (server: ChunkServer) => Buffer
  end: OperationEnd
}

/** What a server was told to do with a copy, and which version that has before and after. */
interface Told {
  kind: OperationKind
  from: number
  to: number
}

interface Unanswered extends Told {
  /** Whatever is answered, the copy is of no use. */
  isDamaged: boolean
}

interface Operation extends Told {
  servers: readonly ChunkServer[]
  writtenAt: number
  pending: Set<ChunkServer>
  /** Monotonic milliseconds of when the servers were told. */
  toldMs: number | undefined
  succeeded: Set<ChunkServer>
  /** Statuses of those that did not carry it out. */
  failures: number[]
  end: OperationEnd
}

export interface OperationParts {
  clock: Clock
  log: Log
  ledger: Ledger
  copies: Copies
  /** A chunk is free again. */
  ended: (row: number) => void
}

export class Operations {
  readonly #parts: OperationParts
  readonly #ledger: Ledger
  readonly #copies: Copies
  /** In the order in which they began. */
  readonly #running = new Map<number, Operation>()
  /** What was gone on without, by server and chunk. */
  readonly #unanswered = new Map<ChunkServer, Map<ChunkId, Unanswered>>()
  /** Rows that another chunk is being copied from. */
  readonly #held = new Set<number>()

  constructor(parts: OperationParts) {
    this.#parts = parts
    this.#ledger = parts.ledger
    this.#copies = parts.copies
  }

  isBusy(row: number): boolean {
    return this.#running.has(row) || this.#held.has(row)
  }

  /** Nothing may be done with the chunk while another one is copied from it. */
  hold(row: number): void {
    this.#held.add(row)
  }

  release(row: number): void {
    this.#held.delete(row)
    this.#parts.ended(row)
  }

  /**
   * New copies, of the chunk's version, on servers that have none.
   *
   * @param atOnce without waiting for the log: for a chunk whose id no later master gives away, whatever is lost
   */
  make(
    row: number,
    servers: readonly ChunkServer[],
    command: (server: ChunkServer) => Buffer,
    end: OperationEnd,
    atOnce = false,
  ): void {
    for (const server of servers) this.#copies.add(row, server, CopyState.BUSY)
    this.#start('make', row, { servers, from: 0, command, end }, atOnce)
  }

  /** Brings the copies on these servers to the version of the chunk, which was raised just now. */
  change(row: number, change: Change): void {
    for (const server of change.servers) this.#copies.setState(row, this.#copies.find(row, server), CopyState.BUSY)
    this.#start('change', row, change)
  }

  /** As change(), with nothing but the version. */
  raiseVersion(row: number, servers: readonly ChunkServer[], from: number, end: OperationEnd, writtenAt = from): void {
    const { chunks } = this.#ledger.state
    const command = matocs.setVersion.encode({
      chunkId: chunks.id(row),
      version: chunks.version.get(row),
      previousVersion: from,
    })
    this.change(row, { servers, from, writtenAt, command: () => command, end })
  }

  /** Tells the servers, `atOnce` or once the lines that say so are durable. */
  #start(kind: OperationKind, row: number, change: Change, atOnce = false): void {
    const { servers, from, writtenAt = from, command, end } = change
    const to = this.#ledger.state.chunks.version.get(row)
    const told = { kind, from, to, writtenAt, toldMs: undefined }
    const operation: Operation = {
      ...told,
      servers,
      pending: new Set(servers),
      succeeded: new Set(),
      failures: [],
      end,
    }
    this.#running.set(row, operation)
    const tell = () => {
      operation.toldMs = this.#parts.clock.monotonicMs()
      for (const server of servers) if (operation.pending.has(server)) server.send(command(server))
    }
    // Who does not own the log any more tells nobody anything.
    if (atOnce && !this.#ledger.hasEnded) tell()
    else this.#ledger.whenCommitted(tell)
  }

  answered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    const late = this.#unanswered.get(server)?.get(chunkId)
    if (late) return this.#answeredLate(server, chunkId, late, status)
    const row = this.#ledger.state.chunks.find(chunkId)
    const operation = this.#running.get(row)
    if (!operation?.pending.delete(server)) return
    const copy = this.#copies.find(row, server)
    // It may have been told damaged or lost meanwhile.
    const isAsBefore = copy !== 0 && this.#copies.state(copy) === CopyState.BUSY
    if (status === Status.OK && isAsBefore) {
      operation.succeeded.add(server)
      this.#copies.setState(row, copy, CopyState.VALID)
    } else {
      operation.failures.push(status === Status.OK ? Status.NOCHUNK : status)
      if (isAsBefore) this.#failed(row, copy, operation, status)
    }
    this.#advance(row, operation)
  }

  /** NOTDONE is a promise that nothing was changed; after any other failure the copy may be in any state. */
  #failed(row: number, copy: number, { kind, from }: Told, status: number): void {
    if (status !== Status.NOTDONE) return this.#copies.setState(row, copy, CopyState.INVALID)
    if (kind === 'make') return this.#copies.remove(row, copy)
    this.#copies.setState(row, copy, CopyState.WRONG_VERSION, from)
  }

  /** The server tells that its copy is damaged: an answer to what it was told before does not make it a good one. */
  damaged(server: ChunkServer, chunkId: ChunkId): void {
    const late = this.#unanswered.get(server)?.get(chunkId)
    if (late) late.isDamaged = true
  }

  /** Whether it is not known what the copy on this server is, because a command is not answered. */
  isUnanswered(row: number, server: ChunkServer): boolean {
    return this.#unanswered.get(server)?.has(this.#ledger.state.chunks.id(row)) ?? false
  }

  /**
   * The chunk was gone on with meanwhile. Its version is still the same only if no other server carried it out, so that
   * nothing was written since, and the copy is a good one.
   */
  #answeredLate(server: ChunkServer, chunkId: ChunkId, told: Unanswered, status: number): void {
    this.#unanswered.get(server)?.delete(chunkId)
    const { chunks } = this.#ledger.state
    const row = chunks.find(chunkId)
    const copy = this.#copies.find(row, server)
    if (told.isDamaged || copy === 0 || this.#copies.state(copy) !== CopyState.INVALID) return
    this.#copies.unsettle(row)
    if (status !== Status.OK) return this.#failed(row, copy, told, status)
    if (chunks.version.get(row) === told.to) this.#copies.setState(row, copy, CopyState.VALID)
    else this.#copies.setState(row, copy, CopyState.WRONG_VERSION, told.to)
  }

  /** Once a second: goes on without those that do not answer. */
  tick(): void {
    const now = this.#parts.clock.monotonicMs()
    for (const [row, operation] of [...this.#running]) {
      if (operation.toldMs === undefined || now - operation.toldMs < UNANSWERED_MS) return
      const servers = [...operation.pending]
      operation.pending.clear()
      for (const server of servers) this.#goOnWithout(row, operation, server)
      this.#advance(row, operation)
    }
  }

  #goOnWithout(row: number, operation: Operation, server: ChunkServer): void {
    const chunkId = this.#ledger.state.chunks.id(row)
    this.#parts.log.warning(
      `chunk ${chunkId.toString(16)}: ${server.name} has not answered for ${UNANSWERED_MS / 1000} s: going on without its copy`,
    )
    server.isSilent = true
    const { kind, from, to } = operation
    const copy = this.#copies.find(row, server)
    const isDamaged = copy !== 0 && this.#copies.state(copy) === CopyState.INVALID
    const chunks = this.#unanswered.get(server) ?? new Map<ChunkId, Unanswered>()
    this.#unanswered.set(server, chunks.set(chunkId, { kind, from, to, isDamaged }))
    operation.failures.push(Status.DELAYED)
    if (copy !== 0) this.#copies.setState(row, copy, CopyState.INVALID)
  }

  /**
   * What the server was asked for will not be answered. What it has done already it has done; but its copy, which has
   * the new version, will miss what is written from now on, so the others must get another one.
   */
  serverLeft(server: ChunkServer): void {
    this.#unanswered.delete(server)
    for (const [row, operation] of [...this.#running]) {
      if (!operation.servers.includes(server)) continue
      operation.failures.push(Status.DISCONNECTED)
      if (operation.pending.delete(server)) this.#advance(row, operation)
      else operation.succeeded.delete(server)
    }
  }

  #advance(row: number, operation: Operation): void {
    if (operation.pending.size > 0) return
    this.#running.delete(row)
    if (operation.succeeded.size === 0) {
      if (operation.kind === 'change') this.#takeBack(row, operation)
      operation.end(failureOf(operation.failures))
    } else if (operation.failures.length > 0) return this.#raiseAgain(row, operation)
    else {
      this.#copies.settle(row)
      operation.end(Status.OK)
    }
    this.#parts.ended(row)
  }

  /**
   * Some copies did not come along, and may be in any state: the good ones get one version more before anybody writes.
   */
  #raiseAgain(row: number, { end, writtenAt }: Operation): void {
    const good = this.#copies.good(row)
    if (good.length === 0) {
      this.#copies.noteUnwritten(row, writtenAt)
      // All that succeeded have left since.
      end(Status.NOTDONE)
      return this.#parts.ended(row)
    }
    const { chunks } = this.#ledger.state
    const from = chunks.version.get(row)
    const entry = { op: 'SETVERSION', ts: this.#ledger.now(), chunkId: chunks.id(row), version: from + 1 } as const
    this.#ledger.commit(entry, raised(good, from))
    this.raiseVersion(row, good, from, end, writtenAt)
  }

  /**
   * No copy is known to have the new version, and some are as they were: then the old version is still the right one. Where
   * it is not certain that nobody has the new one, that is never given to the chunk again. A server that came along, left
   * and is back by now tells of a copy with the new version: then that one stays.
   */
  #takeBack(row: number, { from, to, failures, writtenAt }: Operation): void {
    this.#copies.noteUnwritten(row, writtenAt)
    if (this.#copies.good(row).length > 0) return
    if (this.#copies.ofVersion(row, from, CopyState.WRONG_VERSION).length === 0) return
    if (failures.some(status => status !== Status.NOTDONE)) this.#copies.spoilVersion(row, to)
    const chunkId = this.#ledger.state.chunks.id(row)
    this.#ledger.commit({ op: 'SETVERSION', ts: this.#ledger.now(), chunkId, version: from })
    this.#copies.adoptVersion(row, from)
  }

  /**
   * To be called before the version of a chunk is raised by one: steps over one that a copy may have which missed a
   * write. @returns the version that the good copies have now
   */
  skipSpoilt(row: number): number {
    const { chunks } = this.#ledger.state
    const [from, spoilt] = [chunks.version.get(row), this.#copies.spoiltVersion(row)]
    if (spoilt <= from) return from
    this.#ledger.commit({ op: 'SETVERSION', ts: this.#ledger.now(), chunkId: chunks.id(row), version: spoilt })
    return from
  }
}

/** What a line that raises a version tells besides. @param from the version of their copies before */
export function raised(servers: readonly ChunkServer[], from: number): Pick<Trailer, 'raisedOn' | 'raisedFrom'> {
  return { raisedOn: servers.map(({ id }) => id), raisedFrom: from }
}

/** Why no server could do it. */
function failureOf(failures: readonly number[]): Status {
  return failures.length > 0 && failures.every(status => status === Status.NOSPACE) ? Status.NOSPACE : Status.NOTDONE
}
