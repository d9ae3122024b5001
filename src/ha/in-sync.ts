// Who must have a line on disk before it counts, and when that changes.
//
//   grow    wait for the follower ──► write the larger set ──► it may be elected
//   shrink  write the smaller set ──► known to be written ──► stop waiting for the follower
//
// So at any moment the leader waits for everybody who may be in the recorded set: nobody who could be elected lacks a
// line that was acknowledged.
import type { MemberId } from './records.ts'

/** A follower as the leader sees it. */
export interface FollowerState {
  readonly isConnected: boolean
  /** Every line below it is on its disk. */
  readonly acked: number
  /** Since it gave a sign of life, or since it should have got further. */
  readonly silentMs: number
}

/** Whoever has heard nothing of the arbiter for half the time that makes a follower silent may be the one who is deaf. */
const DEAF_SHARE = 1 / 2

export interface InSyncRules {
  /** A follower that is silent for longer is removed. */
  silenceMs: number
  /** The set is not made smaller than this, and nothing commits while it is smaller (HA_MIN_INSYNC). */
  minInSync: number
}

/**
 * The next set to record; undefined when the present one is right. A change removes or adds, never both.
 * A leader that does not hear is not the one to say who is silent: what it sends may still be recorded, and then nobody may
 * lead before it hears again.
 * @param recorded as etcd has it, the leader included
 * @param arbiterSilentMs since the arbiter has answered; 0 where there is none but the follower
 */
export function nextInSync(
  self: MemberId,
  recorded: readonly MemberId[],
  followers: ReadonlyMap<MemberId, FollowerState>,
  committed: number,
  { silenceMs, minInSync }: InSyncRules,
  arbiterSilentMs: number,
): readonly MemberId[] | undefined {
  const isFit = (member: MemberId) => {
    const follower = followers.get(member)
    return follower?.isConnected === true && follower.silentMs <= silenceMs
  }
  const isDeaf = arbiterSilentMs > silenceMs * DEAF_SHARE
  const stays = (member: MemberId) => isFit(member) || (isDeaf && followers.get(member)?.isConnected === true)
  const fit = recorded.filter(member => member === self || stays(member))
  if (fit.length < recorded.length && fit.length >= minInSync) return fit
  const ready = [...followers].filter(
    ([member, { acked }]) => !recorded.includes(member) && isFit(member) && acked >= committed,
  )
  return ready.length > 0 ? [...recorded, ...ready.map(([member]) => member)] : undefined
}
