// Times of reading and writing that the master learns later (spec client-master 7.5).

import { moreOf } from '../protocol/fine-times.ts'

interface Pending {
  /** Milliseconds since 1970, whole; 0: not known. */
  atimeMs: number
  mtimeMs: number
  reportsLeft: number
}

/** What is told to the master: seconds and, for one of our kind, what they do not hold (protocol/fine-times.ts). */
interface Report {
  inode: number
  atime: number
  mtime: number
  atimeMore: number
  mtimeMore: number
}

const REPORTS = 2
const NOTHING = { atimeMs: 0, mtimeMs: 0 }

export class TimeReports {
  readonly #pending = new Map<number, Pending>()
  readonly #nowMs: () => number

  /** @param nowMs since 1970, by the clock of the master */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  touched(inode: number, what: 'read' | 'written'): void {
    const pending = this.#pending.get(inode) ?? { atimeMs: 0, mtimeMs: 0, reportsLeft: REPORTS }
    pending[what === 'read' ? 'atimeMs' : 'mtimeMs'] = Math.floor(this.#nowMs())
    pending.reportsLeft = REPORTS
    this.#pending.set(inode, pending)
  }

  /**
   * Somebody sets times himself: those that wait are not to be told any more.
   * @returns what puts them back, when the setting is refused
   */
  forget(inode: number, atime: boolean, mtime: boolean): () => void {
    const pending = this.#pending.get(inode)
    if (!pending || (!atime && !mtime)) return () => {}
    const { atimeMs, mtimeMs } = pending
    if (atime) pending.atimeMs = 0
    if (mtime) pending.mtimeMs = 0
    return () => {
      pending.atimeMs ||= atimeMs
      pending.mtimeMs ||= mtimeMs
      pending.reportsLeft = REPORTS
      this.#pending.set(inode, pending)
    }
  }

  pending(inode: number): { atimeMs: number; mtimeMs: number } {
    return this.#pending.get(inode) ?? NOTHING
  }

  /** What is to be reported now; everything is reported twice. */
  due(): Report[] {
    const reports: Report[] = []
    for (const [inode, pending] of this.#pending) {
      const [atime, mtime] = [Math.floor(pending.atimeMs / 1000), Math.floor(pending.mtimeMs / 1000)]
      const more = (seconds: number, ms: number) => moreOf(seconds, (ms % 1000) * 1e6)
      const fine = { atimeMore: more(atime, pending.atimeMs), mtimeMore: more(mtime, pending.mtimeMs) }
      reports.push({ inode, atime, mtime, ...fine })
      if (--pending.reportsLeft <= 0) this.#pending.delete(inode)
    }
    return reports
  }
}
