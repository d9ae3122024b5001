// Filling a hash index with millions of rows. Rows come in no order of their hashes, so that each insert() would wait
// for memory; put aside and sorted by segment, they find their segment in the processor's cache.
import { type HashIndex, SEGMENT_BITS } from './hash-index.ts'

const BATCH_ROWS = 1 << 20
const SEGMENTS = 1 << SEGMENT_BITS
const SEGMENT_SHIFT = 32 - SEGMENT_BITS
/** Fewer are quicker inserted one by one. */
const FEW_ROWS = 4096

export class BulkInsert {
  readonly #index: HashIndex
  readonly #isSame: ((a: number, b: number) => boolean) | undefined
  /** Pairs of row and hash, in the order in which they came. */
  #waiting = new Uint32Array(2 * FEW_ROWS)
  #sorted: Uint32Array | undefined
  #count = 0
  #firstTwice = 0

  /** @param isSame whether two rows of one hash have the same key; without it that is not asked */
  constructor(index: HashIndex, isSame?: (a: number, b: number) => boolean) {
    this.#index = index
    this.#isSame = isSame
  }

  /** The index finds the row after settle(). */
  add(hash: number, row: number): void {
    const at = 2 * this.#count++
    if (at === this.#waiting.length) this.#growWaiting()
    this.#waiting[at] = row
    this.#waiting[at + 1] = hash
    if (this.#count === BATCH_ROWS) this.settle()
  }

  /** Inserts what waits. @returns the first row that came with the key of one before it; 0 while there is none */
  settle(): number {
    const pairs = this.#count < FEW_ROWS ? this.#waiting : this.#sortBySegment()
    let first = 0
    for (let at = 0; at < 2 * this.#count; at += 2) {
      const [row, hash] = [pairs[at] as number, pairs[at + 1] as number]
      if (this.#isKnown(hash, row) && (first === 0 || row < first)) first = row
      this.#index.insert(hash, row)
    }
    this.#count = 0
    this.#firstTwice ||= first
    return this.#firstTwice
  }

  #growWaiting(): void {
    const larger = new Uint32Array(2 * this.#waiting.length)
    larger.set(this.#waiting)
    this.#waiting = larger
  }

  #isKnown(hash: number, row: number): boolean {
    const isSame = this.#isSame
    return isSame !== undefined && this.#index.find(hash, other => isSame(other, row)) !== 0
  }

  /** Those of one segment keep their order. */
  #sortBySegment(): Uint32Array {
    const [from, end] = [this.#waiting, 2 * this.#count]
    if (this.#sorted?.length !== from.length) this.#sorted = new Uint32Array(from.length)
    const to = this.#sorted
    const starts = new Uint32Array(SEGMENTS + 1)
    for (let at = 1; at < end; at += 2) {
      const next = ((from[at] as number) >>> SEGMENT_SHIFT) + 1
      starts[next] = (starts[next] as number) + 2
    }
    for (let i = 1; i <= SEGMENTS; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number)
    for (let at = 0; at < end; at += 2) {
      const hash = from[at + 1] as number
      const target = starts[hash >>> SEGMENT_SHIFT] as number
      starts[hash >>> SEGMENT_SHIFT] = target + 2
      to[target] = from[at] as number
      to[target + 1] = hash
    }
    return to
  }
}
