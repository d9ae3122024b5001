// Places at the end of files that writers with O_APPEND were promised and have not written yet (spec client-master 5.6,
// TRUNCATE with the flag for reserving). Each promise lies behind a line of the log (trailer R): whoever is promised a
// place after a restart must not get one that somebody else is about to write.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { Trailer } from '../../metadata/changelog/trailer.ts'
import type { Inode } from '../../metadata/types.ts'

/** Of as many files a follower knows the length that the log told last. */
const LENGTHS_MAX = 10_000

export class Reservations {
  readonly #ends = new Map<Inode, number>()
  /** For remember(): lengths that the log has told last. */
  readonly #lengths = new Map<Inode, number>()

  /** Where the next place of a file begins that is `length` long. */
  endOf(inode: Inode, length: number): number {
    return Math.max(length, this.#ends.get(inode) ?? 0)
  }

  /** All up to `end` is promised. */
  reserve(inode: Inode, end: number): void {
    this.#ends.set(inode, end)
  }

  /** The file has been written up to `length`. */
  written(inode: Inode, length: number): void {
    if (length >= this.endOf(inode, 0)) this.#ends.delete(inode)
  }

  /** The file has been given another length: what was promised counts no more. */
  drop(inode: Inode): void {
    this.#ends.delete(inode)
  }

  /** Rebuilds the table: every line of the log in its order, at a start or on a follower. */
  remember(entry: Entry, { reserved }: Trailer): void {
    if (reserved) this.reserve(reserved.inode, reserved.end)
    if (entry.op !== 'LENGTH' || !this.#ends.has(entry.inode)) return
    // Writers only make a file longer.
    const before = this.#lengths.get(entry.inode)
    if (before !== undefined && entry.length <= before) this.drop(entry.inode)
    else this.written(entry.inode, entry.length)
    this.#lengths.delete(entry.inode)
    this.#lengths.set(entry.inode, entry.length)
    const [oldest] = this.#lengths.keys()
    if (oldest !== undefined && this.#lengths.size > LENGTHS_MAX) this.#lengths.delete(oldest)
  }

  /** The log has come to its end. @param lengthOf undefined for what is no file any more */
  end(lengthOf: (inode: Inode) => number | undefined): void {
    this.#lengths.clear()
    for (const [inode, end] of [...this.#ends]) {
      const length = lengthOf(inode)
      if (length === undefined || length >= end) this.drop(inode)
    }
  }
}
