// Finding rows by a key that lies in the table itself: open addressing over row numbers. Split into segments that
// grow one by one, so that no insertion ever waits for the rehash of millions.

import type { Memory } from './memory.ts'

/** The highest bits of a hash choose its segment. */
export const SEGMENT_BITS = 10
/** Words: 16 slots. */
const FIRST_SIZE = 32
const SLOT_BYTES = 8
const NO_SLOTS = new Uint32Array(0)

/** Spreads the bits of a 32-bit value. */
export function mix32(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** A hash of a latin1 string, started from `seed`. */
export function hashText(text: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix32(hash)
}

/** The same of the latin1 string that `length` bytes are. */
export function hashBytes(bytes: Uint8Array, start: number, length: number, seed: number): number {
  let hash = seed ^ 0x811c9dc5
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return mix32(hash)
}

/** Every slot is two words: the row (0: free) and its hash, so that other rows are passed over without a look at them. */
export class HashIndex {
  readonly #segments = new Array<Uint32Array>(1 << SEGMENT_BITS).fill(NO_SLOTS)
  readonly #counts = new Uint32Array(1 << SEGMENT_BITS)

  /** The row with this hash for which `matches` holds, or 0. */
  find(hash: number, matches: (row: number) => boolean): number {
    const segment = this.#segments[hash >>> (32 - SEGMENT_BITS)] as Uint32Array
    if (segment.length === 0) return 0
    const mask = segment.length - 1
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const row = segment[at] as number
      if (row === 0 || (segment[at + 1] === hash && matches(row))) return row
    }
  }

  insert(hash: number, row: number): void {
    const number = hash >>> (32 - SEGMENT_BITS)
    const count = (this.#counts[number] as number) + 1
    this.#counts[number] = count
    let segment = this.#segments[number] as Uint32Array
    if (count * 6 > segment.length * 2) {
      segment = grown(segment)
      this.#segments[number] = segment
    }
    place(segment, hash, row)
  }

  remove(hash: number, row: number): void {
    const number = hash >>> (32 - SEGMENT_BITS)
    const segment = this.#segments[number] as Uint32Array
    const mask = segment.length - 1
    let hole = (hash << 1) & mask
    while (segment[hole] !== row) hole = (hole + 2) & mask
    this.#counts[number] = (this.#counts[number] as number) - 1
    // Close the gap: move up every later row of the run that may not stand behind a hole.
    for (let at = (hole + 2) & mask; segment[at] !== 0; at = (at + 2) & mask) {
      const home = ((segment[at + 1] as number) << 1) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      segment[hole] = segment[at] as number
      segment[hole + 1] = segment[at + 1] as number
      hole = at
    }
    segment[hole] = 0
  }

  memory(): Memory {
    const allocated = this.#segments.reduce((sum, { byteLength }) => sum + byteLength, 0)
    return { allocated, used: this.#counts.reduce((sum, count) => sum + count, 0) * SLOT_BYTES }
  }
}

function grown(segment: Uint32Array): Uint32Array {
  const larger = new Uint32Array(Math.max(FIRST_SIZE, segment.length * 2))
  for (let at = 0; at < segment.length; at += 2) {
    if (segment[at] !== 0) place(larger, segment[at + 1] as number, segment[at] as number)
  }
  return larger
}

function place(segment: Uint32Array, hash: number, row: number): void {
  const mask = segment.length - 1
  let at = (hash << 1) & mask
  while (segment[at] !== 0) at = (at + 2) & mask
  segment[at] = row
  segment[at + 1] = hash
}
