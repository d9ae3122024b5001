// Two masters and no third vote: whether one of them may take the lead. Pure.
//
// All that was acknowledged is at whoever led last, and at the other one as long as it counts as in sync. So a master may
// lead when it knows that it was in sync until just now, when the other one can be asked and has nothing more, or when it
// led last and alone. What cannot be known is whether a master that does not answer is dead: then both may lead.
import type { Candidate } from './arbiter.ts'
import { lastEpoch } from './epochs.ts'
import type { LogRecord } from './records.ts'

/** What the other master says of itself. */
export interface PeerStatus {
  readonly name: string
  readonly metaId: string
  /** Last epoch in its log, and the number of its next line. */
  readonly logEpoch: number
  readonly version: number
  /** Whom it handed over to; its own lines from `version` on do not count. */
  readonly heir?: { readonly member: string; readonly version: number }
}

/**
 * @param record what this master last wrote as a leader
 * @param peer undefined: it cannot be asked
 * @param isTrusted the leader said a moment ago that this one is in sync, and cannot have gone on without it since
 * @returns why it may not lead, for people; undefined when it may
 */
export function whyNotPromote(
  { self, version, epochs, unfit, metaId }: Candidate,
  record: LogRecord | undefined,
  peer: PeerStatus | undefined,
  isTrusted: boolean,
): string | undefined {
  if (version === 0) return 'there is no metadata here yet; it comes with the first leader'
  if (unfit) return unfit
  const own = lastEpoch(epochs)
  if (peer) {
    if (peer.version === 0) return undefined
    if (metaId !== 0n && peer.metaId !== '0' && peer.metaId !== metaId.toString(16)) {
      return `${peer.name} has another file system (${peer.metaId})`
    }
    if (peer.heir?.member === self && peer.logEpoch === own && version >= peer.heir.version) return undefined
    const isBehind = peer.logEpoch > own || (peer.logEpoch === own && peer.version > version)
    return isBehind
      ? `the log of ${peer.name} ends at ${peer.version} of epoch ${peer.logEpoch}, the one here at ${version} of ${own}: promote ${peer.name}`
      : undefined
  }
  if (isTrusted || own === 0) return undefined
  const ledAlone = record?.leader === self && record.epoch === own && record.inSync.length === 1
  if (ledAlone) return undefined
  return 'the other master cannot be asked, and changes that it acknowledged may be missing here'
}
