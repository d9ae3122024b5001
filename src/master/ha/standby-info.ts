import { VERSION } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import type { Place } from '../place.ts'
import type { ProcessUse } from '../process-use.ts'

/** Sums over files and servers, which monitors ask the leader for. */
const nothing = {
  ...{ total: 0, available: 0, free: 0, trashSpace: 0, trashNodes: 0, sustainedSpace: 0, sustainedNodes: 0 },
  ...{ nodes: 0, folders: 0, files: 0, chunks: 0, copies: 0, regularCopies: 0 },
  ...{ lastStore: 0, lastDuration: 0, lastStatus: 0 },
}

interface OwnFacts {
  readonly place: Place
  readonly use: ReturnType<ProcessUse['now']>
  /** Up to where its log goes. */
  readonly metaVersion: number
  /** Monitors show all masters': the same files give the same. */
  readonly exportsChecksum: bigint
  readonly nowMs: number
}

/** What a master that does not lead answers to INFO. */
export function standbyInfo({ place, use, metaVersion, exportsChecksum, nowMs }: OwnFacts): Buffer {
  const microseconds = Math.floor(nowMs * 1000)
  const own = { version: VERSION, metaVersion, exportsChecksum, microseconds }
  return matocl.info.encode({ ...nothing, ...use, ...place, ...own })
}
