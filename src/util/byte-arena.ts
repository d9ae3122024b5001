// Short byte strings without an object each: names and link targets live in big buffers and are known by a number.

import type { Memory } from './memory.ts'

const UNIT_BYTES = 8
const PAGE_BYTES = 1 << 20
const PAGE_UNITS = PAGE_BYTES / UNIT_BYTES

/** Holds strings of 1..4096 bytes. Handles are 1..2^32-1, so it ends at 32 GiB. */
export class ByteArena {
  #pages: Buffer[] = []
  /** First unit never used yet; 0 is left out so that no handle is 0. */
  #next = 1
  #usedUnits = 0
  /** Handles of freed strings by length in units. */
  #free: number[][] = []

  /** Stores a latin1 string. Its length is the caller's to remember. */
  put(text: string): number {
    const handle = this.#take(unitsOf(text.length))
    const page = this.#pages[Math.floor(handle / PAGE_UNITS)] as Buffer
    page.write(text, (handle % PAGE_UNITS) * UNIT_BYTES, 'latin1')
    return handle
  }

  /** Stores `length` bytes of a buffer. */
  putBytes(source: Uint8Array, start: number, length: number): number {
    const handle = this.#take(unitsOf(length))
    const page = this.#pages[Math.floor(handle / PAGE_UNITS)] as Buffer
    const target = (handle % PAGE_UNITS) * UNIT_BYTES
    // Names are short: a loop is quicker than a call.
    for (let i = 0; i < length; i++) page[target + i] = source[start + i] as number
    return handle
  }

  text(handle: number, length: number): string {
    const start = (handle % PAGE_UNITS) * UNIT_BYTES
    return (this.#pages[Math.floor(handle / PAGE_UNITS)] as Buffer).toString('latin1', start, start + length)
  }

  /** Writes the stored string of `length` bytes to `target`, which has the room. */
  copy(handle: number, length: number, target: Uint8Array, at: number): void {
    const start = (handle % PAGE_UNITS) * UNIT_BYTES
    const page = this.#pages[Math.floor(handle / PAGE_UNITS)] as Buffer
    // Byte by byte: most are shorter than what a call into the system's copy costs.
    for (let i = 0; i < length; i++) target[at + i] = page[start + i] as number
  }

  /** Whether the stored string of `length` bytes is `text`. */
  equals(handle: number, length: number, text: string): boolean {
    if (text.length !== length) return false
    const page = this.#pages[Math.floor(handle / PAGE_UNITS)] as Buffer
    const start = (handle % PAGE_UNITS) * UNIT_BYTES
    for (let i = 0; i < length; i++) if (page[start + i] !== text.charCodeAt(i)) return false
    return true
  }

  free(handle: number, length: number): void {
    const units = unitsOf(length)
    this.#usedUnits -= units
    const list = this.#free[units]
    if (list) list.push(handle)
    else this.#free[units] = [handle]
  }

  memory(): Memory {
    return { allocated: this.#pages.length * PAGE_BYTES, used: this.#usedUnits * UNIT_BYTES }
  }

  #take(units: number): number {
    this.#usedUnits += units
    const freed = this.#free[units]?.pop()
    if (freed !== undefined) return freed
    // A string never crosses a page; what is left of the old one is lost, at most 4096 bytes of a MiB.
    if ((this.#next % PAGE_UNITS) + units > PAGE_UNITS) this.#next = Math.ceil(this.#next / PAGE_UNITS) * PAGE_UNITS
    const handle = this.#next
    this.#next += units
    if (Math.floor(handle / PAGE_UNITS) >= this.#pages.length) this.#pages.push(Buffer.allocUnsafeSlow(PAGE_BYTES))
    return handle
  }
}

const unitsOf = (length: number) => Math.max(1, Math.ceil(length / UNIT_BYTES))
