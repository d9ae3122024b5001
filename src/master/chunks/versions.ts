// When the log and the copies of a chunk disagree on its version by a crash between them.
import type { Log } from '../../env/log.ts'
import type { Ledger } from '../ledger.ts'
import type { Aftermath } from './aftermath.ts'
import { type Copies, CopyState } from './copies.ts'
import type { Servers } from './servers.ts'
import { wantedBy } from './wishes.ts'

export interface VersionParts {
  log: Log
  ledger: Ledger
  servers: Servers
  copies: Copies
  aftermath: Aftermath
}

/**
 * The version that a chunk without good copies should have: the newest that is left, if it is the chunk's, or the one
 * right before or after it and no server is missing. The master or the servers ended between the log and the copies then.
 * undefined when that can't be said.
 */
function rightVersion(parts: VersionParts, row: number): number | undefined {
  const { ledger, copies, servers } = parts
  const version = ledger.state.chunks.version.get(row)
  const versions = copies
    .present(row)
    .filter(copy => [CopyState.WRONG_VERSION, CopyState.DOUBTFUL].some(state => copies.state(copy) === state))
    .map(copy => copies.ownVersion(copy))
  const newest = Math.max(...versions)
  // It could not be deleted, and has missed nothing: a write would have raised the version.
  if (newest === version) return version
  const since = copies.unwrittenSince(row)
  if (since !== undefined && newest >= Math.max(1, since) && newest < version) return newest
  if (!servers.knowAll) return neverRaised(parts, row)
  if (newest === version + 1) return newest
  const alike = versions.filter(each => each === newest).length
  return newest === version - 1 && areAll(parts, row, alike) ? newest : neverRaised(parts, row)
}

/**
 * Whether so many copies of the version before are all that the chunk had. If others are damaged, or were lost, it is
 * these that have what was written last; then a person must decide (mfsfilerepair).
 */
function areAll({ ledger, copies, servers }: VersionParts, row: number, count: number): boolean {
  if (copies.present(row).some(copy => copies.state(copy) === CopyState.INVALID)) return false
  return count >= Math.min(wantedBy(ledger.state, row).length, servers.connected.length)
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
    copies.ownVersion(copy) === version &&
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
  const isOther = version !== chunks.version.get(row)
  const what = isOther
    ? `the newest copies have version ${version}, not ${chunks.version.get(row)}`
    : 'the copy that is left was to be deleted'
  log.warning(`chunk ${chunkId.toString(16)}: ${what}: taken as good`)
  // Another server may have carried out what this one did not.
  if (version < chunks.version.get(row)) copies.spoilVersion(row, chunks.version.get(row))
  if (isOther) ledger.commit({ op: 'SETVERSION', ts: ledger.now(), chunkId, version })
  copies.adoptVersion(row, version)
  return true
}
