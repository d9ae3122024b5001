// The ledger of a running master: every entry is applied at once, its line goes to the journal, and what depends on it
// leaves when it is durable.
import type { Clock } from '../env/env.ts'
import type { Journal } from '../journal/journal.ts'
import { apply } from '../metadata/apply.ts'
import { type Entry, printEntry } from '../metadata/changelog/entry.ts'
import type { State } from '../metadata/state.ts'
import type { Ledger } from './ledger.ts'

/** Hears of every change, in order: metaloggers and followers. */
export type ChangeListener = (version: number, body: string) => void

export class LiveLedger implements Ledger {
  readonly state: State
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #listeners = new Set<ChangeListener>()

  constructor(state: State, clock: Clock, journal: Journal) {
    this.state = state
    this.#clock = clock
    this.#journal = journal
  }

  now(): number {
    return Math.floor(this.#clock.nowMs() / 1000)
  }

  commit(entry: Entry): void {
    const { version } = this.state
    apply(this.state, entry)
    // Printed afterwards: a snapshot learns its results when it is applied.
    const body = printEntry(entry)
    this.#journal.append(`${version}: ${body}`)
    for (const listener of this.#listeners) listener(version, body)
  }

  whenCommitted(action: () => void): void {
    this.#journal.whenDurable(action)
  }

  /** @returns what takes the listener away again */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
