// Times of reading and writing that the master learns later (spec client-master 7.5).

interface Pending {
  atime: number
  mtime: number
  reportsLeft: number
}

const REPORTS = 2
const NOTHING = { atime: 0, mtime: 0 }

export class TimeReports {
  readonly #pending = new Map<number, Pending>()
  readonly #nowSeconds: () => number

  /** @param nowSeconds by the clock of the master */
  constructor(nowSeconds: () => number) {
    this.#nowSeconds = nowSeconds
  }

  touched(inode: number, what: 'read' | 'written'): void {
    const pending = this.#pending.get(inode) ?? { atime: 0, mtime: 0, reportsLeft: REPORTS }
    pending[what === 'read' ? 'atime' : 'mtime'] = this.#nowSeconds()
    pending.reportsLeft = REPORTS
    this.#pending.set(inode, pending)
  }

  /** Somebody sets the times himself. */
  forget(inode: number): void {
    this.#pending.delete(inode)
  }

  pending(inode: number): { atime: number; mtime: number } {
    return this.#pending.get(inode) ?? NOTHING
  }

  /** What is to be reported now; everything is reported twice. */
  due(): { inode: number; atime: number; mtime: number }[] {
    const reports: { inode: number; atime: number; mtime: number }[] = []
    for (const [inode, pending] of this.#pending) {
      reports.push({ inode, atime: pending.atime, mtime: pending.mtime })
      if (--pending.reportsLeft <= 0) this.#pending.delete(inode)
    }
    return reports
  }
}
