// The ledger of a running master: every entry is applied at once, its line goes to the journal, and what depends on it
// leaves when it is durable.
import type { Clock } from '../env/env.ts'
import type { Journal } from '../journal/journal.ts'
import { apply } from '../metadata/apply.ts'
import { type Entry, type OperationName, printEntry } from '../metadata/changelog/entry.ts'
import { printTrailer, type Trailer } from '../metadata/changelog/trailer.ts'
import type { State } from '../metadata/state.ts'
import type { Ledger } from './ledger.ts'

/** Hears of every change, in order: metaloggers and followers. `body` is the line behind its number. */
export type ChangeListener = (version: number, body: string) => void

/** Operations that set times of nodes: the nanoseconds of their time stamps matter. */
const changesTimes: ReadonlySet<OperationName> = new Set([
  ...(['CREATE', 'SYMLINK', 'LINK', 'MOVE', 'UNLINK', 'ACCESS', 'ATTR', 'LENGTH', 'APPEND', 'REPAIR'] as const),
  ...(['SNAPSHOT', 'UNDEL', 'SETSCLASS', 'SETGOAL', 'SETTRASHTIME', 'SETEATTR', 'ARCHCHG'] as const),
  ...(['SETXATTR', 'SETACL'] as const),
])

/** Runs the action once every change below `version` is committed, and it may leave this master; perhaps never. */
export type CommitRule = (version: number, action: () => void) => void

export class LiveLedger implements Ledger {
  readonly state: State
  readonly #clock: Clock
  /** What now() told last. */
  readonly #now = { seconds: 0, nanoseconds: 0 }
  readonly #journal: Journal
  readonly #commitRule: CommitRule
  readonly #onApplied: (entry: Entry, version: number) => void
  readonly #listeners = new Set<ChangeListener>()
  /** Inside together(): lines that a trailer may still come to, and what waits for them. */
  #lines: { version: number; body: string }[] = []
  #actions: (() => void)[] = []
  #depth = 0
  #hasEnded = false

  /**
   * @param commitRule when a change is committed
   * @param onApplied hears of each line that was applied, and of the version of the state before it
   */
  constructor(
    state: State,
    clock: Clock,
    journal: Journal,
    commitRule: CommitRule,
    onApplied: (entry: Entry, version: number) => void,
  ) {
    this.state = state
    this.#clock = clock
    this.#journal = journal
    this.#commitRule = commitRule
    this.#onApplied = onApplied
  }

  now(): number {
    const ms = this.#clock.nowMs()
    this.#now.seconds = Math.floor(ms / 1000)
    this.#now.nanoseconds = Math.floor((ms % 1000) * 1e6)
    return this.#now.seconds
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** From now on nothing is committed and nothing runs: the log has another owner. */
  end(): void {
    this.#hasEnded = true
  }

  commit(entry: Entry, trailer?: Trailer): void {
    if (this.#hasEnded) return
    const { version } = this.state
    if (changesTimes.has(entry.op) && entry.ts === this.#now.seconds && this.#now.nanoseconds !== 0) {
      entry.ns = this.#now.nanoseconds
    }
    apply(this.state, entry)
    this.#onApplied(entry, version)
    // Printed afterwards: a snapshot learns its results when it is applied.
    const body = printEntry(entry)
    this.#lines.push({ version, body: trailer ? body + printTrailer(trailer) : body })
    if (this.#depth === 0) this.#hand()
  }

  attach(trailer: Trailer): void {
    if (this.#hasEnded) return
    const line = this.#lines.at(-1)
    if (line) line.body += printTrailer(trailer)
    else
      this.together(() => {
        this.commit({ op: 'IDLE', ts: this.now() })
        this.attach(trailer)
      })
  }

  together(request: () => void): void {
    this.#depth++
    try {
      request()
    } finally {
      if (--this.#depth === 0) this.#hand()
    }
  }

  whenCommitted(action: () => void): void {
    if (this.#hasEnded) return
    if (this.#depth > 0) this.#actions.push(action)
    else this.#commitRule(this.state.version, action)
  }

  /**
   * Gives lines to the journal and the listeners, as one request that a crash keeps whole or not at all, and lets what
   * waits for them wait for the journal.
   */
  #hand(): void {
    const [lines, actions] = [this.#lines, this.#actions]
    this.#lines = []
    this.#actions = []
    const last = lines.length - 1
    lines.forEach(({ version, body }, i) => {
      const text = i < last ? body + printTrailer({ more: true }) : body
      this.#journal.append(`${version}: ${text}`)
      for (const listener of this.#listeners) listener(version, text)
    })
    for (const action of actions) this.#commitRule(this.state.version, action)
  }

  /** @returns what takes the listener away again */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
