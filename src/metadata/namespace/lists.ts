// The table of lists of edges: one row per directory, one per bucket of trash and sustained files. For a directory it
// also holds the statistics of everything below it (spec master-behaviour 1.4).
import { Rows } from '../../util/column.ts'
import type { Memory } from '../../util/memory.ts'
import { Records, wideField, wordField } from '../../util/records.ts'
import type { Inode } from '../types.ts'

/** What a subtree holds; lengths and sizes in bytes. */
export interface Stats {
  inodes: number
  dirs: number
  files: number
  chunks: number
  length: number
  size: number
  realsize: number
}

export const noStats = (): Stats => ({ inodes: 0, dirs: 0, files: 0, chunks: 0, length: 0, size: 0, realsize: 0 })

const WORDS = 14

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
  readonly #length = wideField(this.#records, 8)
  readonly #size = wideField(this.#records, 10)
  readonly #realsize = wideField(this.#records, 12)
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
      length: this.#length.get(row),
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
    this.#length.add(row, sign * change.length)
    this.#size.add(row, sign * change.size)
    this.#realsize.add(row, sign * change.realsize)
  }
}
