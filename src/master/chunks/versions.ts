// When the log and the copies of a chunk disagree on its version by a crash between them.
import type { Log } from '../../env/log.ts'
import type { Ledger } from '../ledger.ts'
import { type Copies, CopyState } from './copies.ts'
import type { Servers } from './servers.ts'

export interface VersionParts {
  log: Log
  ledger: Ledger
  servers: Servers
  copies: Copies
}

/**
 * The version that a chunk without good copies should have: all copies that are left agree on the one right before or
 * after the recorded one. A crash came between the log and the servers then. undefined when that can't be said.
 */
function rightVersion({ ledger, copies, servers }: VersionParts, row: number): number | undefined {
  if (!servers.knowAll) return undefined
  const candidates = copies.present(row).filter(copy => copies.state(copy) === CopyState.WRONG_VERSION)
  const [version = 0, ...others] = new Set(candidates.map(copy => copies.wrongVersion(copy)))
  const isNext = Math.abs(version - ledger.state.chunks.version.get(row)) === 1
  return candidates.length > 0 && others.length === 0 && isNext ? version : undefined
}

/** Makes the version of the copies that are left the chunk's, if that is surely right. @returns whether it did */
export function fixVersion(parts: VersionParts, row: number): boolean {
  const version = rightVersion(parts, row)
  if (version === undefined || parts.copies.good(row).length > 0) return false
  const { ledger, copies, log } = parts
  const { chunks } = ledger.state
  const chunkId = chunks.id(row)
  log.warning(
    `chunk ${chunkId.toString(16)}: all copies have version ${version}, not ${chunks.version.get(row)}: taken as good`,
  )
  ledger.commit({ op: 'SETVERSION', ts: ledger.now(), chunkId, version })
  copies.adoptVersion(row, version)
  return true
}
