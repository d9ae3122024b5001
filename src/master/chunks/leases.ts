// Who may write a chunk, for how long, and who waits for it (spec master-behaviour 4.7).
//
// That a chunk is locked, and until when, is metadata. Here is what a master only knows of its own life: whose lock it
// is, and the requests that are parked until a chunk is free.
import type { Clock } from '../../env/env.ts'
import type { SessionId } from '../../metadata/types.ts'
import type { Ledger } from '../ledger.ts'

/** Parked requests are answered after this long (spec master-behaviour 0). */
const PARKED_MS = 30_000

/** A request that waits for a chunk. */
export interface Waiter {
  /** Monotonic milliseconds of its arrival. */
  readonly sinceMs: number
  retry(): void
  /** It has waited for too long, and is answered with why. */
  giveUp(): void
}

export class Leases {
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #owners = new Map<number, SessionId>()
  readonly #waiters = new Map<number, Waiter[]>()
  /** Rows by the second after which their lock is over. */
  readonly #ends = new Map<number, number[]>()
  #checkedTo: number

  constructor(clock: Clock, ledger: Ledger) {
    this.#clock = clock
    this.#ledger = ledger
    this.#checkedTo = ledger.now() - 1
  }

  owner(row: number): SessionId | undefined {
    return this.#owners.get(row)
  }

  isLocked(row: number): boolean {
    return this.#ledger.state.chunks.isLocked(row, this.#ledger.now())
  }

  /** The chunk was locked for a session; without one, nobody that is known. */
  locked(row: number, session?: SessionId): void {
    if (session !== undefined) this.#owners.set(row, session)
    const end = this.#ledger.state.chunks.lockedTo.get(row)
    const rows = this.#ends.get(end)
    if (rows) rows.push(row)
    else this.#ends.set(end, [row])
  }

  unlocked(row: number): void {
    this.#owners.delete(row)
  }

  /** A request that arrives now and may have to wait. */
  waiter(retry: () => void, giveUp: () => void): Waiter {
    return { sinceMs: this.#clock.monotonicMs(), retry, giveUp }
  }

  park(row: number, waiter: Waiter): void {
    const waiters = this.#waiters.get(row)
    if (waiters) waiters.push(waiter)
    else this.#waiters.set(row, [waiter])
  }

  /** Lets those that wait try again, in the order they came; who finds the chunk taken waits on. */
  wake(row: number): void {
    const waiters = this.#waiters.get(row)
    if (!waiters) return
    this.#waiters.delete(row)
    for (const { retry } of waiters) retry()
  }

  /** What those that wait do not wait for by a chunk, such as servers that come, they look at once a second. */
  wakeAll(): void {
    for (const row of [...this.#waiters.keys()]) this.wake(row)
  }

  /** Once a second. @returns rows whose lock has ended by time */
  tick(): number[] {
    const ended = this.#ended()
    const now = this.#clock.monotonicMs()
    for (const [row, waiters] of [...this.#waiters]) {
      const [late, others] = [waiters.filter(isLate), waiters.filter(waiter => !isLate(waiter))]
      if (late.length === 0) continue
      if (others.length > 0) this.#waiters.set(row, others)
      else this.#waiters.delete(row)
      for (const { giveUp } of late) giveUp()
    }
    function isLate({ sinceMs }: Waiter): boolean {
      return now - sinceMs > PARKED_MS
    }
    return ended
  }

  #ended(): number[] {
    const ended: number[] = []
    const now = this.#ledger.now()
    // After a long pause (or a jump of the clock) walking the seconds one by one would take for ever.
    const due = now - this.#checkedTo < 100_000 ? undefined : [...this.#ends.keys()].filter(end => end < now)
    for (const end of due ?? secondsFrom(this.#checkedTo, now)) {
      for (const row of this.#ends.get(end) ?? []) if (!this.isLocked(row)) ended.push(row)
      this.#ends.delete(end)
    }
    this.#checkedTo = Math.max(this.#checkedTo, now)
    for (const row of ended) this.#owners.delete(row)
    return ended
  }

  forget(row: number): void {
    this.#owners.delete(row)
  }
}

/** Seconds `from` <= second < `to`. */
function* secondsFrom(from: number, to: number): Generator<number> {
  for (let second = from; second < to; second++) yield second
}
