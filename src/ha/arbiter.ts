// Who decides which master leads: etcd, or where there is no third vote, whoever calls mfsha.
import type { AdminAnswer } from './admin.ts'
import type { EpochTable } from './epochs.ts'
import type { LeaderRecord, LogRecord, MemberId, WitnessRecord } from './records.ts'

/** What is known of the cluster at one moment. */
export interface View {
  readonly leader: LeaderRecord | undefined
  readonly log: LogRecord | undefined
}

/** A member that might lead. */
export interface Candidate {
  readonly self: MemberId
  readonly version: number
  readonly epochs: EpochTable
  readonly metaId: bigint
  /** What is wrong with its state. */
  readonly unfit: string | undefined
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
  /** Whether a member that may lead does so by itself; else it waits until it is told to. */
  readonly isAutomatic: boolean
  events: ArbiterEvents | undefined
  /** @throws ArbiterError */
  view(): Promise<View>
  /** @returns why a member may not take the lead when nobody has it, for people; undefined when it may */
  whyNot(candidate: Candidate, view: View): string | undefined
  /** Number of an epoch that begins after `after`. */
  nextEpoch(after: number): number
  /** Takes the lead, if all is still as in `view`. False: somebody was faster, or it is not known. */
  stand(view: View, log: LogRecord): Promise<boolean>
  /** Whether this member certainly is the only leader, right now. */
  certain(): boolean
  /** Records who is in sync. Resolves once that is known to be recorded; false: this member does not lead any more. */
  recordInSync(inSync: readonly MemberId[], witnesses: readonly WitnessRecord[]): Promise<boolean>
  /** Gives up the lead. */
  resign(): Promise<void>
  /** The lead was given up for the other one: where nobody stands by himself it is told. */
  handedOver(): void
  /** Asks the leader to hand over to the member of this name; undefined where that is no way to take the lead. */
  requestLead(name: string): Promise<AdminAnswer | undefined>
  /** Another master was told how this one is, and may rest on it for a while. */
  answered(): void
  /** The leader told this member that it does not count as in sync any more. */
  leftBehind(): void
  /** The other one of two begins an epoch, alone at first. Resolves when what follows from that is kept. */
  yielded(): Promise<void>
  /** Ends what a former life of this member left behind: `view` names it as leader, but it does not lead. @throws ArbiterError */
  clearFormerLead(view: View): Promise<void>
  /** Tells others how this member is. */
  announce(member: MemberId, role: string, version: number, epoch: number, metaId: bigint): Promise<void>
  close(): Promise<void>
}
