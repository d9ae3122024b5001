import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FollowerState, nextInSync } from './in-sync.ts'

const rules = { silenceMs: 1500, minInSync: 1 }
const follower = (acked: number, silentMs = 0, isConnected = true): FollowerState => ({ acked, silentMs, isConnected })
const next = (recorded: string[], followers: Record<string, FollowerState>, minInSync = 1) =>
  nextInSync('a', recorded, new Map(Object.entries(followers)), 100, { ...rules, minInSync }, 0)

test('a follower that has all that is committed comes in, one that lacks some does not', () => {
  assert.deepEqual(next(['a'], { b: follower(100) }), ['a', 'b'])
  assert.equal(next(['a'], { b: follower(99) }), undefined)
})

test('a follower that is silent or gone goes out', () => {
  assert.deepEqual(next(['a', 'b'], { b: follower(100, 1501) }), ['a'])
  assert.deepEqual(next(['a', 'b'], { b: follower(100, 0, false) }), ['a'])
  assert.deepEqual(next(['a', 'b'], {}), ['a'])
  assert.equal(next(['a', 'b'], { b: follower(100, 1500) }), undefined)
})

test('going out comes before coming in', () => {
  assert.deepEqual(next(['a', 'b'], { c: follower(100) }), ['a'])
})

test('the set never gets smaller than is asked for, but may get larger', () => {
  assert.equal(next(['a', 'b'], {}, 2), undefined)
  assert.deepEqual(next(['a', 'b'], { c: follower(100) }, 2), ['a', 'b', 'c'])
  assert.deepEqual(next(['a', 'b', 'c'], { c: follower(100) }, 2), ['a', 'c'])
})

test('a leader that hears nothing of the arbiter either takes nobody for silent', () => {
  const heard = (arbiterSilentMs: number, b: FollowerState) =>
    nextInSync('a', ['a', 'b'], new Map([['b', b]]), 100, rules, arbiterSilentMs)
  assert.deepEqual(heard(600, follower(100, 1501)), ['a'])
  assert.equal(heard(1200, follower(100, 1501)), undefined)
  // That its connection has ended is something that it heard.
  assert.deepEqual(heard(1200, follower(100, 0, false)), ['a'])
})
