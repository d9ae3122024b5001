// Columns of numbers for tables of millions of rows. They grow by pages, so growth never copies what is there and a
// hole in the numbering costs nothing.

import type { Memory } from './memory.ts'

const PAGE_BITS = 14
const PAGE_ROWS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_ROWS - 1

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array

/** A column of one number type. Rows that were never set read as 0. */
export class Column<A extends Numbers> {
  readonly #make: (rows: number) => A
  readonly #pages: (A | undefined)[] = []
  #allocated = 0

  constructor(make: (rows: number) => A) {
    this.#make = make
  }

  get(row: number): number {
    const page = this.#pages[row >>> PAGE_BITS]
    return page === undefined ? 0 : (page[row & PAGE_MASK] as number)
  }

  set(row: number, value: number): void {
    const at = row >>> PAGE_BITS
    let page = this.#pages[at]
    if (page === undefined) {
      page = this.#make(PAGE_ROWS)
      while (this.#pages.length < at) this.#pages.push(undefined)
      this.#pages[at] = page
      this.#allocated += page.byteLength
    }
    page[row & PAGE_MASK] = value
  }

  add(row: number, change: number): void {
    this.set(row, this.get(row) + change)
  }

  /** @param rows how many are in use */
  memory(rows: number): Memory {
    const rowBytes = this.#make(0).BYTES_PER_ELEMENT
    return { allocated: this.#allocated, used: rows * rowBytes }
  }
}

export const bytes8 = () => new Column(rows => new Uint8Array(rows))
export const words16 = () => new Column(rows => new Uint16Array(rows))
export const words32 = () => new Column(rows => new Uint32Array(rows))
/** Integers up to 2^53. */
export const integers = () => new Column(rows => new Float64Array(rows))

/** Row numbers of a table, from 1; the number of a freed row is given out again, last freed first. */
export class Rows {
  #next = 1
  #free: number[] = []

  take(): number {
    return this.#free.pop() ?? this.#next++
  }

  release(row: number): void {
    this.#free.push(row)
  }

  /** Rows in use. */
  get count(): number {
    return this.#next - 1 - this.#free.length
  }

  /** Every row number is below this. */
  get limit(): number {
    return this.#next
  }
}
