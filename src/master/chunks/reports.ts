// What chunkservers tell of their copies (spec master-behaviour 4.2).
import type { Log } from '../../env/log.ts'
import { CHUNK_ID_LEAP } from '../../metadata/chunks/apply.ts'
import type { ChunkId } from '../../metadata/types.ts'
import { MARKED_FOR_REMOVAL } from '../../protocol/cstoma.ts'
import type { Ledger } from '../ledger.ts'
import type { ChunkServer } from './chunk-server.ts'
import { type Copies, CopyState } from './copies.ts'
import type { Leases } from './leases.ts'
import type { Returns } from './returns.ts'
import type { Servers } from './servers.ts'

/** A chunk that no file is known for is kept this long before its copies go (spec master-behaviour 0). */
const UNKNOWN_KEPT_SECONDS = 604_800
const FOR_EVER = 0xffffffff
/** Messages about single chunks in a minute. */
const TOLD_PER_MINUTE = 10

export interface ReportParts {
  log: Log
  ledger: Ledger
  servers: Servers
  copies: Copies
  leases: Leases
  returns: Returns
  /** A copy came: who waits for the chunk may try again. */
  arrived: (row: number) => void
}

export class Reports {
  readonly #parts: ReportParts
  #minute = 0
  #toldInMinute = 0

  constructor(parts: ReportParts) {
    this.#parts = parts
  }

  /** A server has a copy, with its version as it stands in messages. */
  told(server: ChunkServer, chunkId: ChunkId, version: number): void {
    this.present(server, chunkId, version & ~MARKED_FOR_REMOVAL, (version & MARKED_FOR_REMOVAL) !== 0)
  }

  /** A server has a copy. `marked`: on a disk that is marked for removal. */
  present(server: ChunkServer, chunkId: ChunkId, version: number, marked: boolean): void {
    const { copies, ledger, returns } = this.#parts
    const row = this.#rowOf(chunkId, version)
    if (row === 0) return
    const known = copies.find(row, server)
    // What is known of a copy stays; a server may tell of it late, before its answer to a later command.
    if (known !== 0) {
      if (copies.state(known) === CopyState.VALID) returns.counts(server, chunkId)
      return copies.setMarked(row, known, marked)
    }
    const isRight = version === ledger.state.chunks.version.get(row)
    const isDoubtful = isRight && returns.isDoubtful(server, chunkId, row)
    const state = isDoubtful ? CopyState.UNCHECKED : isRight ? CopyState.VALID : CopyState.WRONG_VERSION
    copies.add(row, server, state, marked, isRight ? 0 : version)
    copies.unsettle(row)
    if (isDoubtful) returns.doubt(row, chunkId, server)
    else this.#parts.arrived(row)
    if (state === CopyState.VALID) returns.arrived(row, chunkId, server)
  }

  lost(server: ChunkServer, chunkId: ChunkId): void {
    const { copies, ledger } = this.#parts
    const row = ledger.state.chunks.find(chunkId)
    const copy = copies.find(row, server)
    // What is being copied there is not lost: somebody has asked for it before it was there.
    if (copy === 0 || copies.state(copy) === CopyState.COPYING) return
    copies.unsettle(row)
    copies.remove(row, copy)
  }

  damaged(server: ChunkServer, chunkId: ChunkId): void {
    const { copies } = this.#parts
    const row = this.#rowOf(chunkId, 0)
    if (row === 0) return
    const copy = copies.find(row, server)
    if (copy === 0) copies.add(row, server, CopyState.INVALID)
    else copies.setState(row, copy, CopyState.INVALID)
    copies.unsettle(row)
  }

  /** Row of a chunk. One that no file is known for is registered, and kept for a week before anything of it goes. */
  #rowOf(chunkId: ChunkId, version: number): number {
    const { chunks } = this.#parts.ledger.state
    const row = chunks.find(chunkId)
    if (row !== 0) return row
    if (chunkId === 0 || chunkId > chunks.nextChunkId + CHUNK_ID_LEAP) {
      this.#tell(`a chunkserver has a chunk with the impossible id ${chunkId.toString(16)}: ignored`)
      return 0
    }
    return this.#keepUnknown(chunkId, version)
  }

  /**
   * A chunk that was given out once belonged to a file that is deleted by now: it is kept for a week. One that was never
   * given out proves that this metadata is older than the chunk: nothing of it goes before somebody has decided that.
   */
  #keepUnknown(chunkId: ChunkId, version: number): number {
    const { ledger, leases } = this.#parts
    const { chunks } = ledger.state
    const isAhead = chunkId >= chunks.nextChunkId
    const fate = isAhead ? ', and was never given out: metadata may be lost; kept for ever' : '; kept for 7 days'
    this.#tell(`chunk ${chunkId.toString(16)} belongs to no file${fate}`)
    const ts = ledger.now()
    const lockedTo = isAhead ? FOR_EVER : ts + UNKNOWN_KEPT_SECONDS
    ledger.commit({ op: 'CHUNKADD', ts, chunkId, version: Math.max(1, version), lockedTo })
    const row = chunks.find(chunkId)
    leases.locked(row)
    return row
  }

  #tell(message: string): void {
    const minute = Math.floor(this.#parts.ledger.now() / 60)
    if (minute !== this.#minute) this.#toldInMinute = 0
    this.#minute = minute
    if (this.#toldInMinute++ < TOLD_PER_MINUTE) this.#parts.log.warning(message)
    else if (this.#toldInMinute === TOLD_PER_MINUTE + 1) this.#parts.log.warning('more such messages are left out')
  }
}
