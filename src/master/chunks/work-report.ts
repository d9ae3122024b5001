// What was done to chunks lately, for monitors (spec tools-and-admin A.5.4, CHUNKSTEST_INFO).
//
// The original counts by passes over all chunks. Nothing walks all chunks here, so the counts are of spans of time of the
// length of its shortest pass.

/** What is counted, in the order of the message. */
export const WORK_KINDS = ['stale', 'unused', 'marked', 'overgoal', 'undergoal', 'labels'] as const
export type WorkKind = (typeof WORK_KINDS)[number]

export interface WorkCounts {
  /** Seconds since 1970; 0 before the first span is over. */
  from: number
  to: number
  done: Record<WorkKind, number>
  /** What waits for servers to be free, or to change. */
  waiting: Record<WorkKind, number>
  moved: number
}

const SPAN_SECONDS = 300

const nothing = (): Record<WorkKind, number> => ({
  ...{ stale: 0, unused: 0, marked: 0, overgoal: 0, undergoal: 0, labels: 0 },
})

export class WorkReport {
  #since: number
  #done = nothing()
  #moved = 0
  /** Of the last span that is over. */
  last: WorkCounts = { from: 0, to: 0, done: nothing(), waiting: nothing(), moved: 0 }

  /** @param now seconds since 1970 */
  constructor(now: number) {
    this.#since = now
  }

  count(kind: WorkKind): void {
    this.#done[kind]++
  }

  countMove(): void {
    this.#moved++
  }

  /** Once a second. @param waiting what waits now; asked when a span is over */
  tick(now: number, waiting: () => Partial<Record<WorkKind, number>>): void {
    if (now - this.#since < SPAN_SECONDS) return
    const counts = { done: this.#done, waiting: { ...nothing(), ...waiting() }, moved: this.#moved }
    this.last = { from: this.#since, to: now, ...counts }
    this.#since = now
    this.#done = nothing()
    this.#moved = 0
  }
}
