// The table of chunks: what is known of a chunk for good. Where its copies are is the master's to learn anew.
// 24 bytes a chunk.
import { BulkInsert } from '../../util/bulk-insert.ts'
import { Rows } from '../../util/column.ts'
import { HashIndex, mix32 } from '../../util/hash-index.ts'
import type { Memory } from '../../util/memory.ts'
import { Records, WideField, WordField, wordField } from '../../util/records.ts'
import { type Digest, Fact, FactField } from '../digest.ts'
import type { ChunkId, Seconds } from '../types.ts'

/** 16 MiB for the time of loading. Ids are counted up, so that few share a bit. */
const SEEN_BITS = 1 << 27

/** What happened to a chunk row since it was last asked: its copies may be too few, too many or useless now. */
export interface ChunkObserver {
  /** The chunk was made, its number of references or storage class changed, or it is about to be removed. */
  chunkChanged(row: number): void
}

export class ChunkTable {
  readonly #digest: Digest
  readonly #records = new Records(6)
  readonly #id = new WideField(wordField(this.#records, 0), new WordField(this.#records, 1, 21))
  readonly version: FactField
  /** Locked by a writer until then; 0 when free. */
  readonly lockedTo: FactField
  readonly #archived: FactField
  /** 1: behind the end of a file whose last chunk it is may be what others wrote. */
  readonly #tailUnknown: FactField
  /** Files that hold it, once for each slot. */
  readonly references = wordField(this.#records, 4)
  readonly #sclassId = new WordField(this.#records, 5, 8)
  /** References by class, of chunks that files of several classes hold. */
  readonly #mixedClasses = new Map<number, Map<number, number>>()
  readonly #rows = new Rows()
  readonly #index = new HashIndex()
  nextChunkId: ChunkId = 1
  /** `seen` has a bit of each id (modulo its size) that has been there: most chunks are known to be new without a search. */
  #loading: { seen: Uint32Array; inserts: BulkInsert } | undefined
  observer: ChunkObserver = { chunkChanged() {} }
  #copiesWanted: (sclassId: number) => number

  /** @param copiesWanted max(keep, archive) of a class: decides between classes (spec master-behaviour 4.1) */
  constructor(digest: Digest, copiesWanted: (sclassId: number) => number) {
    this.#digest = digest
    this.#copiesWanted = copiesWanted
    const fact = (kind: Fact, word: number, bits = 32, shift = 0) =>
      new FactField(new WordField(this.#records, word, bits, shift), digest, kind, row => this.#id.get(row))
    this.version = fact(Fact.CHUNK_VERSION, 2)
    this.lockedTo = fact(Fact.CHUNK_LOCK, 3)
    this.#archived = fact(Fact.CHUNK_ARCHIVED, 1, 1, 31)
    this.#tailUnknown = fact(Fact.CHUNK_TAIL, 5, 1, 8)
  }

  get count(): number {
    return this.#rows.count
  }

  memory(): Memory {
    return this.#records.memory(this.count)
  }

  indexMemory(): Memory {
    return this.#index.memory()
  }

  /** Every row is below this. */
  get rowLimit(): number {
    return this.#rows.limit
  }

  /** Row of the chunk, or 0. */
  find(id: ChunkId): number {
    return this.#index.find(hashOf(id), row => this.#id.get(row) === id)
  }

  /** 0 for a row that is not in use. */
  id(row: number): ChunkId {
    return this.#id.get(row)
  }

  add(id: ChunkId, version: number): number {
    const row = this.#rows.take()
    this.#id.set(row, id)
    this.#digest.add(Fact.CHUNK, id, 0)
    this.version.set(row, version)
    this.#index.insert(hashOf(id), row)
    this.observer.chunkChanged(row)
    return row
  }

  /** Row of the chunk; it is made, with version 0, when there is none. find() knows it after settle(). */
  load(id: ChunkId): number {
    this.#loading ??= { seen: new Uint32Array(SEEN_BITS / 32), inserts: new BulkInsert(this.#index) }
    const { seen, inserts } = this.#loading
    const bit = id % SEEN_BITS
    const [word, mask] = [bit >>> 5, 1 << (bit & 31)]
    if (((seen[word] as number) & mask) !== 0) {
      inserts.settle()
      return this.find(id) || this.add(id, 0)
    }
    seen[word] = (seen[word] as number) | mask
    const row = this.#rows.take()
    this.#id.set(row, id)
    this.#digest.add(Fact.CHUNK, id, 0)
    inserts.add(hashOf(id), row)
    return row
  }

  /** Ends a run of load(). */
  settle(): void {
    this.#loading?.inserts.settle()
    this.#loading = undefined
  }

  remove(row: number): void {
    this.#index.remove(hashOf(this.#id.get(row)), row)
    this.observer.chunkChanged(row)
    for (const fact of [this.version, this.lockedTo, this.#archived, this.#tailUnknown]) fact.set(row, 0)
    this.#digest.remove(Fact.CHUNK, this.#id.get(row), 0)
    this.#id.set(row, 0)
    this.references.set(row, 0)
    this.#sclassId.set(row, 0)
    this.#mixedClasses.delete(row)
    this.#rows.release(row)
  }

  isLocked(row: number, now: Seconds): boolean {
    return this.lockedTo.get(row) >= now
  }

  isArchived(row: number): boolean {
    return this.#archived.get(row) !== 0
  }

  setArchived(row: number, archived: boolean): void {
    this.#archived.set(row, archived ? 1 : 0)
    this.observer.chunkChanged(row)
  }

  /** Whether zeros need not follow where a file ends in the chunk: it must be cut there before the file grows. */
  isTailUnknown(row: number): boolean {
    return this.#tailUnknown.get(row) !== 0
  }

  setTailUnknown(row: number, isUnknown: boolean): void {
    this.#tailUnknown.set(row, isUnknown ? 1 : 0)
  }

  /** The storage class that rules its copies; 0 when no file holds it. */
  sclassId(row: number): number {
    const mixed = this.#mixedClasses.get(row)
    return mixed ? this.#rulingClass(mixed) : this.#sclassId.get(row)
  }

  /**
   * One more slot of a file holds the chunk, for good. What is being written there, and who dies over it leaves, belongs to
   * none but one of the files that hold it.
   */
  share(row: number, sclassId: number): void {
    if (this.references.get(row) > 0 && this.lockedTo.get(row) !== 0) this.setTailUnknown(row, true)
    this.addReference(row, sclassId)
  }

  /** One more slot of a file of this class holds the chunk. */
  addReference(row: number, sclassId: number): void {
    const mixed = this.#mixedClasses.get(row)
    if (mixed) mixed.set(sclassId, (mixed.get(sclassId) ?? 0) + 1)
    else if (this.references.get(row) === 0) this.#sclassId.set(row, sclassId)
    else if (this.#sclassId.get(row) !== sclassId) {
      this.#mixedClasses.set(
        row,
        new Map([
          [this.#sclassId.get(row), this.references.get(row)],
          [sclassId, 1],
        ]),
      )
    }
    this.references.add(row, 1)
    this.observer.chunkChanged(row)
  }

  dropReference(row: number, sclassId: number): void {
    const mixed = this.#mixedClasses.get(row)
    if (mixed) {
      const left = (mixed.get(sclassId) ?? 1) - 1
      if (left > 0) mixed.set(sclassId, left)
      else mixed.delete(sclassId)
      const [only] = mixed.keys()
      if (mixed.size === 1 && only !== undefined) {
        this.#sclassId.set(row, only)
        this.#mixedClasses.delete(row)
      }
    }
    this.references.add(row, -1)
    if (this.references.get(row) === 0) this.#sclassId.set(row, 0)
    this.observer.chunkChanged(row)
  }

  /** Every row in use, in no order that means anything. */
  *rows(): Generator<number> {
    for (let row = 1; row < this.#rows.limit; row++) if (this.#id.get(row) !== 0) yield row
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const row of this.rows()) {
      into.add(Fact.CHUNK, this.#id.get(row), 0)
      for (const fact of [this.version, this.lockedTo, this.#archived, this.#tailUnknown]) fact.fold(row, into)
    }
  }

  /** Most copies wins; on a tie a user class before a predefined one, and the predefined one when user classes tie. */
  #rulingClass(mixed: Map<number, number>): number {
    const most = Math.max(...[...mixed.keys()].map(this.#copiesWanted))
    const tied = [...mixed.keys()].filter(id => this.#copiesWanted(id) === most)
    const userClasses = tied.filter(id => id > 9)
    if (userClasses.length === 1) return userClasses[0] as number
    return userClasses.length > 1 ? most : (tied[0] as number)
  }
}

const hashOf = (id: ChunkId) => mix32((id >>> 0) ^ Math.imul(Math.floor(id / 0x100000000), 0x9e3779b1))
