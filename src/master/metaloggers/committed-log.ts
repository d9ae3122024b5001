// The log as metaloggers see it: only what is committed leaves. A master alone has its ledger, one of several what it leads
// or follows.
import type { Ledger } from '../ledger.ts'

export interface CommittedLog {
  /** Seconds since 1970. */
  now(): number
  /** Runs `action` once every change so far is committed; perhaps never. */
  whenCommitted(action: () => void): void
  /** The highest that this master knows of; 0: it is the only one. */
  readonly epoch: number
  /** Whether it would hear of changes, if there were any. */
  readonly isCurrent: boolean
  /** Whether changes may be committed that are not here yet. */
  readonly mayLag: boolean
}

/** Of a master alone. */
export const logOf = (ledger: Ledger): CommittedLog => ({
  now: () => ledger.now(),
  whenCommitted: action => ledger.whenCommitted(action),
  epoch: 0,
  isCurrent: true,
  mayLag: false,
})
