// The table of lists of edges: one row per directory, one per bucket of trash and sustained files. For a directory it
// also holds the statistics of everything below it (spec master-behaviour 1.4).
import { integers, Rows, words32 } from '../../util/column.ts'
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

export class ListTable {
  /** The directory; 0 for a bucket. */
  readonly owner = words32()
  readonly head = words32()
  readonly tail = words32()
  /** Edges in the list. */
  readonly length = words32()
  readonly #inodes = words32()
  readonly #dirs = words32()
  readonly #files = words32()
  readonly #chunks = words32()
  readonly #length = integers()
  readonly #size = integers()
  readonly #realsize = integers()
  readonly #rows = new Rows()

  add(owner: Inode): number {
    const row = this.#rows.take()
    this.owner.set(row, owner)
    for (const column of [this.head, this.tail, this.length]) column.set(row, 0)
    for (const column of [this.#inodes, this.#dirs, this.#files, this.#chunks]) column.set(row, 0)
    for (const column of [this.#length, this.#size, this.#realsize]) column.set(row, 0)
    return row
  }

  remove(row: number): void {
    this.#rows.release(row)
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
