// Whether an action that may have to wait for the disk is done by the loop itself: the way to another thread and back
// costs more than most disks take, but a loop that waits for a slow disk serves nobody meanwhile.

/** An action that usually takes longer than this is done by other threads. The way to them takes 0.1 ms. */
const QUICK_MS = 1
/** Then it is tried again here. */
const SLOW_DISK_MS = 250
/** How much the last time counts in the average. */
const AVERAGE_WEIGHT = 1 / 8
/** The most that one time counts: a quick disk that has paused once is a quick disk. */
const COUNTED_MS_MAX = 4 * QUICK_MS
/** After a slow time one action that takes long shows that it goes on. */
const DOUBTFUL_MS = QUICK_MS * 0.75

/** How quick the disk has been of late with actions of one kind. */
export class Pace {
  readonly #nowMs: () => number
  #slowUntilMs = Number.NEGATIVE_INFINITY
  #averageMs = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Does it here unless the disk has been slow. @returns whether it was done */
  inPlace(action: () => void): boolean {
    const startMs = this.#nowMs()
    if (startMs < this.#slowUntilMs) return false
    action()
    const endMs = this.#nowMs()
    this.#averageMs += (Math.min(endMs - startMs, COUNTED_MS_MAX) - this.#averageMs) * AVERAGE_WEIGHT
    if (this.#averageMs > QUICK_MS) {
      this.#slowUntilMs = endMs + SLOW_DISK_MS
      this.#averageMs = DOUBTFUL_MS
    }
    return true
  }
}
