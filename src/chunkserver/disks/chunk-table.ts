// The table of the chunks that this server has: about 25 bytes each. Only chunks in use have an object as well.
import { bytes8, integers, Rows, words16, words32 } from '../../util/column.ts'
import { HashIndex, mix32 } from '../../util/hash-index.ts'

/** `blockCount` of a file that was not looked into yet. */
export const UNKNOWN_BLOCKS = 0xffff

const hashOf = (chunkId: number) => mix32((chunkId % 0x100000000) ^ Math.floor(chunkId / 0x100000000))

export class ChunkTable {
  readonly #id = integers()
  readonly version = words32()
  readonly folder = words16()
  readonly subfolder = bytes8()
  readonly blockCount = words16()
  /** 1: reported as damaged; testing it again would say nothing new. */
  readonly #damaged = bytes8()
  damagedCount = 0
  /** When all its blocks were last read and right, in seconds since 1970; 0: not since the start. */
  readonly tested = words32()
  readonly #rows = new Rows()
  readonly #index = new HashIndex()
  /** Hears of every chunk that came, went, or became another version or place, as masters see it. */
  observer: ((chunkId: number) => void) | undefined

  get count(): number {
    return this.#rows.count
  }

  /** Every row is below this. */
  get rowLimit(): number {
    return this.#rows.limit
  }

  /** Row of the chunk, or 0. */
  find(chunkId: number): number {
    return this.#index.find(hashOf(chunkId), row => this.#id.get(row) === chunkId)
  }

  /** 0 for a row that is not in use. */
  id(row: number): number {
    return this.#id.get(row)
  }

  add(chunkId: number, version: number, folder: number, subfolder: number, blockCount: number): number {
    const row = this.#rows.take()
    this.#id.set(row, chunkId)
    this.version.set(row, version)
    this.folder.set(row, folder)
    this.subfolder.set(row, subfolder)
    this.blockCount.set(row, blockCount)
    this.#damaged.set(row, 0)
    this.tested.set(row, 0)
    this.#index.insert(hashOf(chunkId), row)
    this.observer?.(chunkId)
    return row
  }

  remove(row: number): void {
    const chunkId = this.#id.get(row)
    this.#index.remove(hashOf(chunkId), row)
    this.#id.set(row, 0)
    if (this.isDamaged(row)) this.damagedCount--
    this.#rows.release(row)
    this.observer?.(chunkId)
  }

  isDamaged(row: number): boolean {
    return this.#damaged.get(row) !== 0
  }

  setDamaged(row: number): void {
    if (!this.isDamaged(row)) this.damagedCount++
    this.#damaged.set(row, 1)
  }

  setVersion(row: number, version: number): void {
    this.version.set(row, version)
    this.observer?.(this.#id.get(row))
  }

  *rows(): Generator<number> {
    for (let row = 1; row < this.rowLimit; row++) if (this.#id.get(row) !== 0) yield row
  }
}
