import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MasterPlace } from '../protocol/matocl.ts'
import { leading, standingBy } from './place.ts'

const standby = { leaderIp: 0x0a000001, sinceSeconds: 5, currentAtSeconds: 7 }
const of = (isStanding: boolean, isFollowing: boolean, isInSync: boolean) => {
  const { state, nextState, sync } = standingBy({ ...standby, isStanding, isFollowing, isInSync })
  assert.equal(state, nextState)
  return [state, sync]
}

test('monitors are told whether a master hears the leader, lacks something or waits for an election', () => {
  assert.deepEqual(of(false, true, true), [MasterPlace.FOLLOWER, 1])
  assert.deepEqual(of(false, true, false), [MasterPlace.FOLLOWER, 0])
  assert.deepEqual(of(true, false, true), [MasterPlace.ELECT, 1])
  assert.deepEqual(of(false, false, false), [MasterPlace.DUMMY, 0])
  assert.equal(leading(1, 2).state, MasterPlace.LEADER)
})
