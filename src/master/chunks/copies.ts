// Where the copies of chunks are. Volatile: servers tell of them anew whenever they connect.
//
// One record a copy, chained from the row of its chunk: next 4 bytes, slot of the server 2, state 1; and 5 bytes a chunk
// for the head of the chain and its marks. Ten million chunks of two copies each take 190 MB. There is no list of chunks
// by server: when one leaves, the whole table is walked once, in slices (sweep.ts), at about 50 ns a chunk.
import { bytes8, Rows, words16, words32 } from '../../util/column.ts'
import { type Memory, sumMemory } from '../../util/memory.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { Servers } from './servers.ts'

/** What a copy is worth. */
export const CopyState = {
  VALID: 1,
  /** Damaged, or in an unknown state: of no use to anybody. */
  INVALID: 2,
  /** Good data of another version than the chunk's. */
  WRONG_VERSION: 3,
  /** Its server was told to delete it. */
  DELETING: 4,
  /** An operation on it is not answered yet. */
  BUSY: 5,
  /** Not there yet: its server was told to fetch it. */
  COPYING: 6,
  /** It should have been deleted, and may be there all the same, as good as its version says. */
  DOUBTFUL: 7,
  /** Its server was away since it was written, and may lack something of that: see returns.ts. */
  UNCHECKED: 8,
} as const
export type CopyState = (typeof CopyState)[keyof typeof CopyState]

/** States that are soon others. */
const UNSTEADY: readonly CopyState[] = [CopyState.DELETING, CopyState.BUSY, CopyState.COPYING, CopyState.UNCHECKED]
const STATE_BITS = 0x0f
/** It lies on a disk that is marked for removal. */
const MARKED = 0x80
/** Mark of a chunk: no copy has come or gone since its version was last raised. */
const SETTLED = 1

/** The copies of one chunk, by what can be done with them. Only on connected servers, but for `awaited`. */
export interface Survey {
  valid: ChunkServer[]
  /** Valid, on disks marked for removal. */
  marked: ChunkServer[]
  /** Invalid, doubtful or of a wrong version. */
  stale: ChunkServer[]
  /** Being deleted, busy, on their way or being compared. */
  unsteady: ChunkServer[]
  /** Away, and expected back. */
  awaited: ChunkServer[]
}

export class Copies {
  readonly #servers: Servers
  readonly #changed: (row: number) => void
  readonly #first = words32()
  readonly #marks = bytes8()
  readonly #rows = new Rows()
  readonly #next = words32()
  readonly #slot = words16()
  readonly #state = bytes8()
  /** Versions of copies that need not have their chunk's. */
  readonly #ownVersions = new Map<number, number>()
  /** Enters what is known of the copies of a chunk and is not in the table yet. */
  beforeLook: ((row: number) => void) | undefined

  /** @param changed is called whenever the copies of a chunk become others */
  /** Versions that a copy may have which missed a write, where the chunk has a lower one. */
  readonly #spoilt = new Map<number, number>()

  /** Versions since which nothing was written, of chunks whose last change no server is known to have carried out. */
  readonly #unwrittenSince = new Map<number, number>()

  constructor(servers: Servers, changed: (row: number) => void) {
    this.#servers = servers
    this.#changed = changed
  }

  /** @param chunkRows rows of the table of chunks in use */
  memory(chunkRows: number): Memory {
    const ofCopies = [this.#next, this.#slot, this.#state].map(column => column.memory(this.#rows.count))
    return sumMemory(this.#first.memory(chunkRows), this.#marks.memory(chunkRows), ...ofCopies)
  }

  /** Number of the first record of a chunk; 0 when it has none. */
  first(row: number): number {
    this.beforeLook?.(row)
    return this.#first.get(row)
  }

  next(copy: number): number {
    return this.#next.get(copy)
  }

  server(copy: number): ChunkServer {
    return this.#servers.at(this.#slot.get(copy))
  }

  state(copy: number): CopyState {
    return (this.#state.get(copy) & STATE_BITS) as CopyState
  }

  isMarked(copy: number): boolean {
    return (this.#state.get(copy) & MARKED) !== 0
  }

  /** Version of a copy in state WRONG_VERSION, DELETING or DOUBTFUL; 0 when it is not known. */
  ownVersion(copy: number): number {
    return this.#ownVersions.get(copy) ?? 0
  }

  /** The record of a chunk on this connection of a server, or 0. */
  find(row: number, server: ChunkServer): number {
    for (let copy = this.first(row); copy !== 0; copy = this.next(copy)) {
      if (this.#slot.get(copy) === server.slot) return copy
    }
    return 0
  }

  /** Adds a record; what an earlier connection of the same server had for the chunk goes. */
  add(row: number, server: ChunkServer, state: CopyState, marked = false, ownVersion = 0): void {
    this.#dropEarlier(row, server)
    const copy = this.#rows.take()
    this.#slot.set(copy, server.slot)
    this.#next.set(copy, this.first(row))
    this.#first.set(row, copy)
    server.copies++
    this.#write(copy, state, marked, ownVersion)
    this.#changed(row)
  }

  setState(row: number, copy: number, state: CopyState, ownVersion = 0): void {
    this.#write(copy, state, this.isMarked(copy), ownVersion)
    this.#changed(row)
  }

  setMarked(row: number, copy: number, marked: boolean): void {
    if (this.isMarked(copy) === marked) return
    this.#write(copy, this.state(copy), marked, this.ownVersion(copy))
    this.#changed(row)
  }

  #write(copy: number, state: CopyState, marked: boolean, ownVersion: number): void {
    this.#state.set(copy, state | (marked ? MARKED : 0))
    if (ownVersion !== 0) this.#ownVersions.set(copy, ownVersion)
    else if (this.#ownVersions.size > 0) this.#ownVersions.delete(copy)
  }

  remove(row: number, gone: number): void {
    let before = 0
    for (let copy = this.first(row); copy !== gone; copy = this.next(copy)) before = copy
    if (before === 0) this.#first.set(row, this.next(gone))
    else this.#next.set(before, this.next(gone))
    this.server(gone).copies--
    this.#ownVersions.delete(gone)
    this.#rows.release(gone)
    this.#changed(row)
  }

  /** Whether the chunk has a record of a connection that has ended. */
  areAnyGone(row: number): boolean {
    for (let copy = this.first(row); copy !== 0; copy = this.next(copy)) {
      if (this.server(copy).presence !== 'connected') return true
    }
    return false
  }

  /** Takes out the records that nothing is expected of any more. Their disks may still come back one day. */
  purgeDead(row: number): void {
    const isDead = ({ presence }: ChunkServer) => presence === 'dead'
    for (let copy = this.first(row); copy !== 0; copy = this.next(copy)) {
      if (isDead(this.server(copy))) this.unsettle(row)
    }
    this.#purge(row, isDead)
  }

  #purge(row: number, isGone: (server: ChunkServer) => boolean): void {
    for (let copy = this.first(row); copy !== 0; ) {
      const next = this.next(copy)
      if (isGone(this.server(copy))) this.remove(row, copy)
      copy = next
    }
  }

  #dropEarlier(row: number, { id, slot }: ChunkServer): void {
    this.#purge(row, server => server.id === id && server.slot !== slot)
  }

  /** The chunk is no more. */
  forget(row: number): void {
    this.#purge(row, () => true)
    this.#marks.set(row, 0)
    this.#spoilt.delete(row)
    this.#unwrittenSince.delete(row)
  }

  // --- what they amount to

  survey(row: number): Survey {
    const survey: Survey = { valid: [], marked: [], stale: [], unsteady: [], awaited: [] }
    for (let copy = this.first(row); copy !== 0; copy = this.next(copy)) {
      const server = this.server(copy)
      const state = this.state(copy)
      if (server.presence === 'dead') continue
      if (server.presence === 'away') {
        if (state === CopyState.VALID && this.#servers.isAwaited(server)) survey.awaited.push(server)
      } else if (state === CopyState.VALID) (this.isMarked(copy) ? survey.marked : survey.valid).push(server)
      else if (UNSTEADY.includes(state)) survey.unsteady.push(server)
      else survey.stale.push(server)
    }
    return survey
  }

  /** Servers that a client can read the chunk from. */
  good(row: number): ChunkServer[] {
    const good: ChunkServer[] = []
    for (let copy = this.first(row); copy !== 0; copy = this.next(copy)) {
      const state = this.state(copy)
      const server = this.server(copy)
      if (server.presence === 'connected' && (state === CopyState.VALID || state === CopyState.BUSY)) good.push(server)
    }
    return good
  }

  /** Records on connected servers that are not being deleted, good or not. */
  present(row: number): number[] {
    const present: number[] = []
    for (let copy = this.first(row); copy !== 0; copy = this.next(copy)) {
      const state = this.state(copy)
      const isThere = state !== CopyState.DELETING && state !== CopyState.COPYING
      if (isThere && this.server(copy).presence === 'connected') present.push(copy)
    }
    return present
  }

  /** Copies on connected servers that are not good, and have this version. */
  ofVersion(row: number, version: number, state: CopyState): number[] {
    return this.present(row).filter(copy => this.state(copy) === state && this.ownVersion(copy) === version)
  }

  /**
   * Copies of a wrong version become good when it turns out to be the right one; doubtful ones if there are no others.
   *
   * @param isSure whether a server vouches for its copy: of those for which none does only one counts, for they may differ
   * @returns the servers of those that count now
   */
  adoptVersion(row: number, version: number, isSure: (server: ChunkServer) => boolean = () => true): ChunkServer[] {
    const certain = this.ofVersion(row, version, CopyState.WRONG_VERSION)
    const right = certain.length > 0 ? certain : this.ofVersion(row, version, CopyState.DOUBTFUL)
    const sure = right.filter(copy => isSure(this.server(copy)))
    const adopted = sure.length > 0 ? sure : right.slice(0, 1)
    for (const copy of adopted) this.setState(row, copy, CopyState.VALID)
    this.unsettle(row)
    return adopted.map(copy => this.server(copy))
  }

  // --- whether the version must be raised before the next write

  /**
   * Whether all copies that the chunk ever had with its present version are known. If not, one that missed a write could
   * come back and look good, so the next write raises the version first (spec master-behaviour 4.4).
   */
  isSettled(row: number): boolean {
    return (this.#marks.get(row) & SETTLED) !== 0 && !this.areAnyGone(row)
  }

  /** All good copies have a version that nobody else can have. What is elsewhere is worthless from now on. */
  settle(row: number): void {
    this.#spoilt.delete(row)
    this.#unwrittenSince.delete(row)
    this.#marks.set(row, this.#marks.get(row) | SETTLED)
    this.#purge(row, ({ presence }) => presence !== 'connected')
  }

  unsettle(row: number): void {
    this.#marks.set(row, this.#marks.get(row) & ~SETTLED)
  }

  /** Nobody was told to write since the chunk had this version: copies with it, or a later one, miss nothing. */
  noteUnwritten(row: number, since: number): void {
    this.#unwrittenSince.set(row, Math.min(since, this.unwrittenSince(row) ?? since))
  }

  unwrittenSince(row: number): number | undefined {
    return this.#unwrittenSince.get(row)
  }

  /** A copy somewhere may have this version, which the chunk does not have after all: it must not get it again. */
  spoilVersion(row: number, version: number): void {
    this.#spoilt.set(row, Math.max(version, this.spoiltVersion(row)))
    this.unsettle(row)
  }

  /** The highest version that must not be used; 0 when there is none. */
  spoiltVersion(row: number): number {
    return this.#spoilt.get(row) ?? 0
  }
}
