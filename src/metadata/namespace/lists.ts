// The table of lists of edges: one row per directory, one per bucket of trash and sustained files. For a directory it
// also holds the statistics of everything below it (spec master-behaviour 1.4).
import { Rows } from '../../util/column.ts'
import type { Memory } from '../../util/memory.ts'
import { Records, wideField, wordField } from '../../util/records.ts'
import type { Inode } from '../types.ts'

/**
 * What a subtree holds, so that sums and differences are exact. Sizes, in bytes, are multiples of 1024, so numbers have
 * them exactly up to 2^63; lengths are of any number of bytes, and their sums may be beyond 2^53: they stand in two parts.
 */
export interface Stats {
  inodes: number
  dirs: number
  files: number
  chunks: number
  mebibytes: number
  /** Besides those; less than a mebibyte of each file. */
  bytes: number
  size: number
  realsize: number
}

const MEBIBYTE = 2 ** 20

export const noStats = (): Stats => statsOfLength(0)

/** Nothing but a length, which may be negative. */
export function statsOfLength(length: number): Stats {
  const mebibytes = Math.floor(length / MEBIBYTE)
  const bytes = length - mebibytes * MEBIBYTE
  return { inodes: 0, dirs: 0, files: 0, chunks: 0, mebibytes, bytes, size: 0, realsize: 0 }
}

export function addLength(stats: Stats, length: number): void {
  const { mebibytes, bytes } = statsOfLength(length)
  stats.mebibytes += mebibytes
  stats.bytes += bytes
}

/** In bytes; beyond 2^53 as near to it as a number comes. */
export const lengthOf = ({ mebibytes, bytes }: Stats): number => mebibytes * MEBIBYTE + bytes

const WORDS = 16

export class ListTable {
  readonly #records = new Records(WORDS)
  /** The directory; 0 for a bucket. */
  readonly owner = wordField(this.#records, 0)
  readonly head = wordField(this.#records, 1)
  readonly tail = wordField(this.#records, 2)
  /** Edges in the list. */
  readonly length = wordField(this.#records, 3)
  readonly #inodes = wordField(this.#records, 4)
  readonly #dirs = wordField(this.#records, 5)
  readonly #files = wordField(this.#records, 6)
  readonly #chunks = wordField(this.#records, 7)
  readonly #mebibytes = wideField(this.#records, 8)
  readonly #size = wideField(this.#records, 10)
  readonly #realsize = wideField(this.#records, 12)
  readonly #bytes = wideField(this.#records, 14)
  readonly #rows = new Rows()

  add(owner: Inode): number {
    const row = this.#rows.take()
    this.owner.set(row, owner)
    return row
  }

  /** So many lists without an owner. */
  addBuckets(count: number): number[] {
    return Array.from({ length: count }, () => this.#rows.take())
  }

  /** What is left is all zeros, as in a row that was never used. */
  remove(row: number): void {
    const start = this.#records.start(row)
    this.#records.page(row).fill(0, start, start + WORDS)
    this.#rows.release(row)
  }

  memory(): Memory {
    return this.#records.memory(this.#rows.count)
  }

  /** Everything below the directory, itself not counted. */
  stats(row: number): Stats {
    return {
      inodes: this.#inodes.get(row),
      dirs: this.#dirs.get(row),
      files: this.#files.get(row),
      chunks: this.#chunks.get(row),
      mebibytes: this.#mebibytes.get(row),
      bytes: this.#bytes.get(row),
      size: this.#size.get(row),
      realsize: this.#realsize.get(row),
    }
  }

  /** Adds (sign 1) or takes away (sign -1). */
  count(row: number, change: Stats, sign: 1 | -1): void {
    this.#inodes.add(row, sign * change.inodes)
    this.#dirs.add(row, sign * change.dirs)
    this.#files.add(row, sign * change.files)
    this.#chunks.add(row, sign * change.chunks)
    this.#mebibytes.add(row, sign * change.mebibytes)
    this.#bytes.add(row, sign * change.bytes)
    this.#size.add(row, sign * change.size)
    this.#realsize.add(row, sign * change.realsize)
  }
}
