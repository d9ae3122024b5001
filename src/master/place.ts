// The place of a master among several, as monitors are told: the original's show it as that of a commercial edition (spec
// tools-and-admin A.5.3, A.6). Pure.
import { MasterPlace } from '../protocol/matocl.ts'

/** Fields of INFO. */
export interface Place {
  state: number
  nextState: number
  /** Whether it stays in this state. */
  stable: number
  /** Whether it has all that was acknowledged. */
  sync: number
  leaderIp: number
  /** Seconds since 1970. */
  stateChange: number
  /** When it had all that the leader had, in seconds since 1970; 0: it is the leader. */
  lastChangelog: number
}

const { ALONE, DUMMY, ELECT, FOLLOWER, LEADER } = MasterPlace

export const alone: Place = {
  ...{ state: ALONE, nextState: ALONE, stable: ALONE, sync: ALONE },
  ...{ leaderIp: 0, stateChange: 0, lastChangelog: 0 },
}

/** @param leaderIp its own address, as a number @param sinceSeconds when it became the leader */
export const leading = (leaderIp: number, sinceSeconds: number): Place => ({
  ...{ state: LEADER, nextState: LEADER, stable: 1, sync: 1 },
  ...{ leaderIp, stateChange: sinceSeconds, lastChangelog: 0 },
})

export interface Standby {
  /** Has itself, or wants to be, elected. */
  readonly isStanding: boolean
  /** Hears the leader. */
  readonly isFollowing: boolean
  readonly isInSync: boolean
  /** As a number; 0: not known. */
  readonly leaderIp: number
  readonly sinceSeconds: number
  readonly currentAtSeconds: number
}

/** Of a master that does not lead. */
export function standingBy(standby: Standby): Place {
  const state = standby.isStanding ? ELECT : standby.isFollowing ? FOLLOWER : DUMMY
  return {
    ...{ state, nextState: state, stable: 1, sync: standby.isInSync ? 1 : 0, leaderIp: standby.leaderIp },
    ...{ stateChange: standby.sinceSeconds, lastChangelog: standby.currentAtSeconds },
  }
}
