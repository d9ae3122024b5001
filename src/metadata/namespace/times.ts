// Times of nodes: what the original keeps of them, and in a second word what it does not (protocol/fine-times.ts).
import { lowSeconds, moreOf, nanosecondsOf, secondsOf } from '../../protocol/fine-times.ts'
import type { FactField } from '../digest.ts'
import type { Inode, Seconds } from '../types.ts'

/** The moment of the entry that is being applied. */
export interface Stamp {
  seconds: Seconds
  nanoseconds: number
}

export class Times {
  readonly #low: FactField
  readonly #more: FactField
  readonly #stamp: Readonly<Stamp>

  constructor(low: FactField, more: FactField, stamp: Readonly<Stamp>) {
    this.#low = low
    this.#more = more
    this.#stamp = stamp
  }

  get facts(): readonly FactField[] {
    return [this.#low, this.#more]
  }

  /** Whole seconds since 1970; may be negative or beyond 2^32. */
  get(inode: Inode): Seconds {
    return secondsOf(this.#low.get(inode), this.#more.get(inode))
  }

  nanoseconds(inode: Inode): number {
    return nanosecondsOf(this.#more.get(inode))
  }

  /** What the original keeps of the time. */
  low(inode: Inode): number {
    return this.#low.get(inode)
  }

  /** What it does not keep. */
  more(inode: Inode): number {
    return this.#more.get(inode)
  }

  /** Sets whole seconds. The second of the present entry is its very moment, with its nanoseconds. */
  set(inode: Inode, seconds: Seconds): void {
    const nanoseconds = seconds === this.#stamp.seconds ? this.#stamp.nanoseconds : 0
    this.setExactly(inode, lowSeconds(seconds), moreOf(seconds, nanoseconds))
  }

  setExactly(inode: Inode, low: number, more: number): void {
    this.#low.set(inode, low)
    this.#more.set(inode, more)
  }

  copy(source: Inode, target: Inode): void {
    this.setExactly(target, this.#low.get(source), this.#more.get(source))
  }
}
