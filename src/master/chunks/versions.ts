// When the log and the copies of a chunk disagree on its version by a crash between them.
import type { Log } from '../../env/log.ts'
import type { Ledger } from '../ledger.ts'
import type { Aftermath } from './aftermath.ts'
import { type Copies, CopyState } from './copies.ts'
import { type Operations, raised } from './operations.ts'
import type { Returns } from './returns.ts'
import type { Servers } from './servers.ts'
import { wantedBy } from './wishes.ts'

export interface VersionParts {
  log: Log
  ledger: Ledger
  servers: Servers
  copies: Copies
  operations: Operations
  aftermath: Aftermath
  returns: Returns
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
  const told = aftermath.raised(chunks.id(row), chunks.version.get(row))
  const isAsBefore = (copy: number) =>
    copies.state(copy) === CopyState.WRONG_VERSION &&
    copies.ownVersion(copy) === told?.from &&
    told.on.includes(copies.server(copy).id)
  return copies.present(row).some(isAsBefore) ? told?.from : undefined
}

/**
 * Another server may have carried out what these did not: a version that it can have is never given to the chunk again, also
 * not by a later master.
 */
function raiseFrom(parts: VersionParts, row: number, from: number): void {
  const { ledger, copies, operations } = parts
  const { chunks } = ledger.state
  const version = Math.max(chunks.version.get(row), copies.spoiltVersion(row)) + 1
  adopt(parts, row, from)
  const good = copies.good(row)
  ledger.commit({ op: 'SETVERSION', ts: ledger.now(), chunkId: chunks.id(row), version }, raised(good, from))
  operations.raiseVersion(row, good, from, () => {})
}

/** Makes the copies that are left good ones, if that is surely right; later, when their version must be raised. @returns whether it does */
export function fixVersion(parts: VersionParts, row: number): boolean {
  const version = rightVersion(parts, row)
  if (version === undefined || parts.copies.good(row).length > 0) return false
  const { ledger, log } = parts
  const { chunks } = ledger.state
  const chunkId = chunks.id(row)
  const isOther = version !== chunks.version.get(row)
  const what = isOther
    ? `the newest copies have version ${version}, not ${chunks.version.get(row)}`
    : 'the copy that is left was to be deleted'
  log.warning(`chunk ${chunkId.toString(16)}: ${what}: taken as good`)
  if (version < chunks.version.get(row)) raiseFrom(parts, row, version)
  else {
    if (isOther) ledger.commit({ op: 'SETVERSION', ts: ledger.now(), chunkId, version })
    adopt(parts, row, version)
  }
  return true
}

/** Copies of this version are good ones from now on. */
export function adopt(
  { ledger, copies, returns }: Pick<VersionParts, 'ledger' | 'copies' | 'returns'>,
  row: number,
  version: number,
): void {
  const chunkId = ledger.state.chunks.id(row)
  const servers = copies.adoptVersion(row, version, server => returns.isSure(server, chunkId))
  for (const server of servers) returns.counts(server, chunkId)
}
