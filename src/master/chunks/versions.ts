// When the log and the copies of a chunk disagree on its version by a crash between them.
import type { Log } from '../../env/log.ts'
import type { Ledger } from '../ledger.ts'
import type { Aftermath } from './aftermath.ts'
import { type Copies, CopyState } from './copies.ts'
import type { Servers } from './servers.ts'

export interface VersionParts {
  log: Log
  ledger: Ledger
  servers: Servers
  copies: Copies
  aftermath: Aftermath
}

/**
 * The version that a chunk without good copies should have: the newest that is left, if it is the one right before or after
 * the recorded one and no server is missing. The master or the servers ended between the log and the copies then.
 * undefined when that can't be said.
 */
function rightVersion(parts: VersionParts, row: number): number | undefined {
  const { ledger, copies, servers } = parts
  if (!servers.knowAll) return neverRaised(parts, row)
  const candidates = copies.present(row).filter(copy => copies.state(copy) === CopyState.WRONG_VERSION)
  const newest = Math.max(...candidates.map(copy => copies.wrongVersion(copy)))
  return Math.abs(newest - ledger.state.chunks.version.get(row)) === 1 ? newest : undefined
}

/**
 * A server that was told to raise the version right before the master died, and did not: then nobody was ever told that
 * it is raised, and nothing was written since, whatever copies are still to come.
 */
function neverRaised({ ledger, copies, aftermath }: VersionParts, row: number): number | undefined {
  const { chunks } = ledger.state
  const version = chunks.version.get(row) - 1
  const told = aftermath.raisedOn(chunks.id(row), version + 1)
  const isAsBefore = (copy: number) =>
    copies.state(copy) === CopyState.WRONG_VERSION &&
    copies.wrongVersion(copy) === version &&
    told.includes(copies.server(copy).id)
  return copies.present(row).some(isAsBefore) ? version : undefined
}

/** Makes the version of the copies that are left the chunk's, if that is surely right. @returns whether it did */
export function fixVersion(parts: VersionParts, row: number): boolean {
  const version = rightVersion(parts, row)
  if (version === undefined || parts.copies.good(row).length > 0) return false
  const { ledger, copies, log } = parts
  const { chunks } = ledger.state
  const chunkId = chunks.id(row)
  log.warning(
    `chunk ${chunkId.toString(16)}: the newest copies have version ${version}, not ${chunks.version.get(row)}: taken as good`,
  )
  ledger.commit({ op: 'SETVERSION', ts: ledger.now(), chunkId, version })
  copies.adoptVersion(row, version)
  return true
}
