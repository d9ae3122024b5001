// A number that stands for a whole state: equal states have equal digests, whatever way they came about, and two
// states that differ have different ones but for one chance in 2^64.
//
// The digest is the sum of the hashes of all facts ("inode 7 has mode 420", "session 3 has inode 7 open"), in two
// halves of 32 bits with hashes of their own. A sum has no order, and a changed fact costs the hashes of what it was
// and what it is: so the tables keep it up to date with every change (see FactField). It is no cryptographic hash.
import type { Field } from '../util/records.ts'

/** What a fact is about. The numbers are part of the digest's definition: see DIGEST_KIND. */
export const Fact = {
  HEAD: 1,
  NODE_TYPE: 2,
  NODE_CLASS: 3,
  NODE_EATTR: 4,
  NODE_WINATTR: 5,
  NODE_MODE: 6,
  NODE_TRASH_HOURS: 7,
  NODE_UID: 8,
  NODE_GID: 9,
  NODE_ATIME: 10,
  NODE_MTIME: 11,
  NODE_CTIME: 12,
  NODE_LENGTH: 13,
  NODE_RDEV: 14,
  NODE_TARGET: 15,
  NODE_CHUNK: 16,
  EDGE: 17,
  FREE_INODE: 18,
  CHUNK: 19,
  CHUNK_VERSION: 20,
  CHUNK_LOCK: 21,
  CHUNK_ARCHIVED: 22,
  STORAGE_CLASS: 23,
  SERVER: 24,
  SESSION: 25,
  OPEN_FILE: 26,
  FLOCK: 27,
  POSIX_LOCK: 28,
  QUOTA: 29,
  XATTR: 30,
  ACL: 31,
  NODE_ATIME_MORE: 32,
  NODE_MTIME_MORE: 33,
  NODE_CTIME_MORE: 34,
  CHUNK_TAIL: 35,
} as const
export type Fact = (typeof Fact)[keyof typeof Fact]

/** Raised whenever equal states would get another digest than before: digests of different kinds can't be compared. */
export const DIGEST_KIND = 1

const WORD = 0x100000000

export class Digest {
  #low = 0
  #high = 0

  /** As a 64-bit number. */
  get value(): bigint {
    return (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0)
  }

  /**
   * A value that belongs to `key` changes; 0 stands for "nothing is known", so the first and the last change of a
   * thing are like any other.
   *
   * @param key inode or chunk id, below 2^53
   * @param before below 2^53, as `after`
   */
  change(kind: Fact, key: number, before: number, after: number): void {
    if (before === after) return
    const lowKey = mixLow(halves(key) ^ Math.imul(kind, 0x9e3779b1))
    const highKey = mixHigh(Math.imul(halves(key), 0x2c1b3c6d) + Math.imul(kind, 0x297a2d39))
    if (after !== 0) {
      const value = halves(after)
      this.#low = (this.#low + mixLow(lowKey ^ value)) | 0
      this.#high = (this.#high + mixHigh(highKey + value)) | 0
    }
    if (before !== 0) {
      const value = halves(before)
      this.#low = (this.#low - mixLow(lowKey ^ value)) | 0
      this.#high = (this.#high - mixHigh(highKey + value)) | 0
    }
  }

  /** Something is so from now on. Numbers are below 2^53, text is latin1. */
  add(kind: Fact, a: number, b: number, c = 0, text = ''): void {
    this.#sum(1, kind, a, b, c, text)
  }

  /** Something that was added is so no more. */
  remove(kind: Fact, a: number, b: number, c = 0, text = ''): void {
    this.#sum(-1, kind, a, b, c, text)
  }

  /** add() with the text that `length` bytes are. */
  addBytes(kind: Fact, a: number, b: number, c: number, bytes: Uint8Array, start: number, length: number): void {
    let low = Math.imul(kind, 0x9e3779b1)
    let high = Math.imul(kind, 0x297a2d39)
    for (let i = start; i < start + length; i++) {
      const code = bytes[i] as number
      low = Math.imul(low ^ code, 0x01000193)
      high = Math.imul(high + code, 0x2c1b3c6d) ^ (high >>> 15)
    }
    this.#finish(1, low, high, a, b, c)
  }

  #sum(sign: 1 | -1, kind: Fact, a: number, b: number, c: number, text: string): void {
    let low = Math.imul(kind, 0x9e3779b1)
    let high = Math.imul(kind, 0x297a2d39)
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      low = Math.imul(low ^ code, 0x01000193)
      high = Math.imul(high + code, 0x2c1b3c6d) ^ (high >>> 15)
    }
    this.#finish(sign, low, high, a, b, c)
  }

  #finish(sign: 1 | -1, textLow: number, textHigh: number, a: number, b: number, c: number): void {
    let [low, high] = [textLow, textHigh]
    low = mixLow(mixLow(mixLow(low ^ halves(a)) ^ halves(b)) ^ halves(c))
    high = mixHigh(mixHigh(mixHigh(high + halves(a)) + halves(b)) + halves(c))
    this.#low = (this.#low + sign * low) | 0
    this.#high = (this.#high + sign * high) | 0
  }
}

/** The two halves of a number below 2^53 in 32 bits; the number itself when it is below 2^32. */
function halves(value: number): number {
  return value < WORD ? value | 0 : (value | 0) ^ Math.imul(Math.floor(value / WORD), 0x85ebca6b)
}

function mixLow(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

function mixHigh(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d)
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39)
  return mixed ^ (mixed >>> 15)
}

/** A field whose values are facts: every change goes into the digest. */
export class FactField implements Field {
  readonly #field: Field
  readonly #digest: Digest
  readonly #kind: Fact
  readonly #keyOf: ((row: number) => number) | undefined

  /** @param keyOf what a row is about, when that is not the number of the row itself */
  constructor(field: Field, digest: Digest, kind: Fact, keyOf?: (row: number) => number) {
    this.#field = field
    this.#digest = digest
    this.#kind = kind
    this.#keyOf = keyOf
  }

  get(row: number): number {
    return this.#field.get(row)
  }

  set(row: number, value: number): void {
    const before = this.#field.get(row)
    this.#field.set(row, value)
    const after = this.#field.get(row)
    if (before !== after) this.#digest.change(this.#kind, this.#keyOf ? this.#keyOf(row) : row, before, after)
  }

  add(row: number, change: number): void {
    this.set(row, this.get(row) + change)
  }

  /** Adds the fact of one row to a digest that is made from scratch. */
  fold(row: number, into: Digest): void {
    into.change(this.#kind, this.#keyOf ? this.#keyOf(row) : row, 0, this.get(row))
  }
}
