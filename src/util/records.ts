// Tables of millions of rows: every row is the same number of 32-bit words side by side, so that what is known of one
// thing lies in one or two cache lines. They grow by pages, so growth never copies what is there, and a hole in the
// numbering costs nothing.

import type { Memory } from './memory.ts'

const PAGE_BITS = 12
const PAGE_ROWS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_ROWS - 1
const WORD = 0x100000000
const WORD_BYTES = 4

export class Records {
  readonly #words: number
  readonly #pages: (Uint32Array | undefined)[] = []
  #pageCount = 0

  /** @param words 32-bit words of a row */
  constructor(words: number) {
    this.#words = words
  }

  /** 0 for a row that was never set. */
  get(row: number, word: number): number {
    const page = this.#pages[row >>> PAGE_BITS]
    return page === undefined ? 0 : (page[(row & PAGE_MASK) * this.#words + word] as number)
  }

  /** The page of a row, for those who read many of its words; undefined for a row that was never set. */
  pageOf(row: number): Readonly<Uint32Array> | undefined {
    return this.#pages[row >>> PAGE_BITS]
  }

  /** Where the row begins in its page. */
  startOf(row: number): number {
    return (row & PAGE_MASK) * this.#words
  }

  set(row: number, word: number, value: number): void {
    const page = this.#pages[row >>> PAGE_BITS] ?? this.#addPage(row >>> PAGE_BITS)
    page[(row & PAGE_MASK) * this.#words + word] = value
  }

  /** Where the words of a row lie, for code that sets many of them: from index `start(row)` on. */
  page(row: number): Uint32Array {
    return this.#pages[row >>> PAGE_BITS] ?? this.#addPage(row >>> PAGE_BITS)
  }

  start(row: number): number {
    return (row & PAGE_MASK) * this.#words
  }

  #addPage(at: number): Uint32Array {
    const page = new Uint32Array(PAGE_ROWS * this.#words)
    while (this.#pages.length < at) this.#pages.push(undefined)
    this.#pages[at] = page
    this.#pageCount++
    return page
  }

  /** @param rows how many are in use */
  memory(rows: number): Memory {
    const rowBytes = this.#words * WORD_BYTES
    return { allocated: this.#pageCount * PAGE_ROWS * rowBytes, used: rows * rowBytes }
  }
}

/** One value of a row. What is set is cut to the field's size. */
export interface Field {
  get(row: number): number
  set(row: number, value: number): void
  add(row: number, change: number): void
}

/** Up to 32 bits of one word. */
export class WordField implements Field {
  readonly #records: Records
  readonly #word: number
  readonly #shift: number
  readonly #mask: number

  /** @param bits 1..32, from bit `shift` (0 = lowest) */
  constructor(records: Records, word: number, bits = 32, shift = 0) {
    this.#records = records
    this.#word = word
    this.#shift = shift
    this.#mask = bits === 32 ? -1 : (1 << bits) - 1
  }

  get(row: number): number {
    return ((this.#records.get(row, this.#word) >>> this.#shift) & this.#mask) >>> 0
  }

  set(row: number, value: number): void {
    const others = this.#records.get(row, this.#word) & ~(this.#mask << this.#shift)
    this.#records.set(row, this.#word, others | ((value & this.#mask) << this.#shift))
  }

  add(row: number, change: number): void {
    this.set(row, this.get(row) + change)
  }
}

/** An integer that a number has exactly, up to 64 bits, in two words: the lower half, then the upper one. */
export class WideField implements Field {
  readonly #lower: WordField
  readonly #upper: WordField

  constructor(lower: WordField, upper: WordField) {
    this.#lower = lower
    this.#upper = upper
  }

  get(row: number): number {
    return this.#upper.get(row) * WORD + this.#lower.get(row)
  }

  set(row: number, value: number): void {
    this.#lower.set(row, value >>> 0)
    this.#upper.set(row, Math.floor(value / WORD))
  }

  add(row: number, change: number): void {
    this.set(row, this.get(row) + change)
  }
}

/** A field of whole words: one, or two for integers beyond 32 bits. */
export const wordField = (records: Records, word: number): WordField => new WordField(records, word)
export const wideField = (records: Records, word: number): WideField =>
  new WideField(new WordField(records, word), new WordField(records, word + 1))
