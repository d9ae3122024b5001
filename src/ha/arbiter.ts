// Who decides which master leads: etcd, or where there is no third vote, whoever calls mfsha.
import type { LeaderRecord, LogRecord, MemberId } from './records.ts'

/** What is known of the cluster at one moment. */
export interface View {
  readonly leader: LeaderRecord | undefined
  readonly log: LogRecord | undefined
}

/** No view can be had now; why, for people. */
export class ArbiterError extends Error {
  override readonly name = 'ArbiterError'
}

export interface ArbiterEvents {
  /** Certainty was prolonged. */
  renewed(): void
  /** This member must not lead any more. */
  lost(why: string): void
  /** Something may have changed: look. */
  changed(): void
}

export interface Arbiter {
  events: ArbiterEvents | undefined
  /** @throws ArbiterError */
  view(): Promise<View>
  /** Takes the lead, if all is still as in `view`. False: somebody was faster, or it is not known. */
  stand(view: View, log: LogRecord): Promise<boolean>
  /** Whether this member certainly is the only leader, right now. */
  certain(): boolean
  /** Records who is in sync. Resolves once that is known to be recorded; false: this member does not lead any more. */
  recordInSync(inSync: readonly MemberId[]): Promise<boolean>
  /** Gives up the lead. */
  resign(): Promise<void>
  /** Ends what a former life of this member left behind: `view` names it as leader, but it does not lead. @throws ArbiterError */
  clearFormerLead(view: View): Promise<void>
  /** Tells others how this member is. */
  announce(member: MemberId, role: string, version: number, epoch: number, metaId: bigint): Promise<void>
  close(): Promise<void>
}
