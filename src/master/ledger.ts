// The master's only way to change its state.
import type { Entry } from '../metadata/changelog/entry.ts'
import type { Trailer } from '../metadata/changelog/trailer.ts'
import type { State } from '../metadata/state.ts'

export interface Ledger {
  /** Read it freely; change it only through commit(). */
  readonly state: State
  /** Nothing is committed any more: the log has another owner. */
  readonly hasEnded: boolean
  /** Whole seconds since 1970, the same for all of one turn of the event loop: the time stamp of entries. */
  now(): number
  /**
   * Applies `entry` to the state and queues its changelog line. Visible to reads at once; what is computed from it
   * leaves the master only after the line is on disk (see whenCommitted).
   * @param trailer goes behind the line
   */
  commit(entry: Entry, trailer?: Trailer): void
  /**
   * Puts a trailer behind the line of the last entry that was committed in the present together(); without one, behind
   * a line of its own.
   */
  attach(trailer: Trailer): void
  /** Carries out one request: its lines become durable together or not at all, and a trailer still finds its line. */
  together(request: () => void): void
  /** Runs `action` once everything committed so far is durable; at once when nothing is pending. */
  whenCommitted(action: () => void): void
}
