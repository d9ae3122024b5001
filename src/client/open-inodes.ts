// What the master must keep for us: open files, and for a while those closed of late (spec client-master 7.6).

const REPORTS_KEPT = 10
const CLOSED_MAX = 5000

export class OpenInodes {
  readonly #open = new Map<number, number>()
  /** Closed of late, oldest first, with the reports that still name them. */
  readonly #closed = new Map<number, number>()

  acquire(inode: number): void {
    this.#open.set(inode, (this.#open.get(inode) ?? 0) + 1)
    this.#closed.delete(inode)
  }

  release(inode: number): void {
    const count = this.#open.get(inode) ?? 0
    if (count > 1) {
      this.#open.set(inode, count - 1)
      return
    }
    this.#open.delete(inode)
    if (count === 1) this.#closed.set(inode, REPORTS_KEPT)
  }

  /** The list for the master, ascending; and what it will not name any more. */
  report(): { inodes: number[]; forgotten: number[] } {
    const forgotten: number[] = []
    for (const [inode, reports] of this.#closed) {
      if (reports > 0 && this.#closed.size - forgotten.length <= CLOSED_MAX) this.#closed.set(inode, reports - 1)
      else forgotten.push(inode)
    }
    for (const inode of forgotten) this.#closed.delete(inode)
    return { inodes: [...this.#open.keys(), ...this.#closed.keys()].sort((a, b) => a - b), forgotten }
  }
}
