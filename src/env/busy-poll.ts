// Waiting awake. Whoever sleeps runs some 40 us after a message has come, on a virtual machine or where the processor
// sleeps deeply: of an operation on metadata, with two messages there and two back, that was a quarter. So for a short
// while after something was sent the loop looks for what comes next and does not sleep. Between two looks whoever wants the
// processor gets it, and where looking does not pay it is given up for a while.

/** The event loop and the processor. */
export interface PollLoop {
  nowMs(): number
  /** Runs `action` once the loop has taken what has come, without sleeping. */
  again(action: () => void): void
  /** Lets others who wait for this processor run first. */
  yieldProcessor(): void
}

/** So long it is not tried again where it does not pay ... */
const PAUSE_MS = 100
/** ... and where somebody else needs the processor. */
const BUSY_PAUSE_MS = 1000
/** Who gets the processor back so late has left it to somebody who computes, or to whom the host serves besides. */
const WANTED_MS = 1
/** A message saves so much when its receiver is awake. */
const SAVED_MS = 0.05
/** So much may be lost at once of what was saved before: a processor that is taken away seldom is no reason to pause. */
const SAVINGS_MS_MAX = 10
/** How much the last wait counts among those before it. */
const LAST_WEIGHT = 1 / 8
/** Of all waits, as many must end with a message. */
const PAYING = 1 / 4
/** After a pause a few waits show whether it pays now. */
const HOPEFUL = 3 / 8

export class BusyPoll {
  readonly #loop: PollLoop
  readonly #limitMs: number
  /** When the present wait is given up; 0 without one. */
  #untilMs = 0
  #isAwake = false
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  /** What messages have saved since the last pause, less what was lost to others. */
  #savingsMs = 0
  /** The part of the waits that ended with a message. */
  #paid = HOPEFUL

  /** @param limitMs how long to wait awake at most */
  constructor(loop: PollLoop, limitMs: number) {
    this.#loop = loop
    this.#limitMs = limitMs
  }

  /** Something was sent: its answer, or what it makes others do, is near. */
  expect(): void {
    const nowMs = this.#loop.nowMs()
    if (nowMs < this.#pausedUntilMs) return
    this.#untilMs = nowMs + this.#limitMs
    if (this.#isAwake) return
    this.#isAwake = true
    this.#loop.again(this.#look)
  }

  /** Something has come. */
  came(): void {
    if (this.#untilMs === 0) return
    this.#savingsMs = Math.min(this.#savingsMs + SAVED_MS, SAVINGS_MS_MAX)
    this.#end(1)
  }

  readonly #look = (): void => {
    const nowMs = this.#loop.nowMs()
    if (this.#untilMs !== 0 && nowMs >= this.#untilMs) this.#end(0)
    if (this.#untilMs === 0) {
      this.#isAwake = false
      return
    }
    this.#loop.yieldProcessor()
    const backMs = this.#loop.nowMs()
    if (backMs - nowMs > WANTED_MS) this.#lose(backMs - nowMs, backMs)
    this.#loop.again(this.#look)
  }

  #end(paid: 0 | 1): void {
    this.#untilMs = 0
    this.#paid += (paid - this.#paid) * LAST_WEIGHT
    if (this.#paid < PAYING) this.#pause(this.#loop.nowMs() + PAUSE_MS)
  }

  #lose(lostMs: number, nowMs: number): void {
    this.#savingsMs -= lostMs
    if (this.#savingsMs < 0) this.#pause(nowMs + BUSY_PAUSE_MS)
  }

  #pause(untilMs: number): void {
    this.#untilMs = 0
    this.#savingsMs = 0
    this.#paid = HOPEFUL
    this.#pausedUntilMs = untilMs
  }
}
