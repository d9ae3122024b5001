import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNotPromote } from './pair-standing.ts'

const TRUSTED = true
const UNTRUSTED = false
const epochs = [{ epoch: 4, firstVersion: 10, leader: 'a/1' }]
const own = { self: 'b/2', version: 20, epochs, unfit: undefined, metaId: 7n }
const peer = { name: 'a', metaId: '7', logEpoch: 4, version: 20 }
const led = { epoch: 4, firstVersion: 10, leader: 'a/1', inSync: ['a/1'], witnesses: [] }

test('a follower may lead while it counts as in sync, and not when that is long ago', () => {
  assert.equal(whyNotPromote(own, undefined, undefined, TRUSTED), undefined)
  assert.match(whyNotPromote(own, undefined, undefined, UNTRUSTED) ?? '', /cannot be asked/)
})

test('when the other one can be asked, the longer log leads', () => {
  assert.equal(whyNotPromote(own, undefined, peer, UNTRUSTED), undefined)
  assert.equal(whyNotPromote(own, undefined, { ...peer, version: 19 }, UNTRUSTED), undefined)
  assert.equal(whyNotPromote(own, undefined, { ...peer, logEpoch: 3, version: 99 }, UNTRUSTED), undefined)
  assert.match(whyNotPromote(own, undefined, { ...peer, version: 21 }, UNTRUSTED) ?? '', /promote a/)
  assert.match(whyNotPromote(own, undefined, { ...peer, logEpoch: 5, version: 11 }, UNTRUSTED) ?? '', /promote a/)
  assert.match(whyNotPromote(own, undefined, { ...peer, metaId: '8' }, UNTRUSTED) ?? '', /another file system/)
})

test('who was handed the lead may have it, although the other one wrote lines after that', () => {
  const handed = { ...peer, version: 23, heir: { member: 'b/2', version: 20 } }
  assert.equal(whyNotPromote(own, undefined, handed, UNTRUSTED), undefined)
  assert.match(whyNotPromote({ ...own, version: 19 }, undefined, handed, UNTRUSTED) ?? '', /promote a/)
  assert.match(whyNotPromote({ ...own, self: 'c/3' }, undefined, handed, UNTRUSTED) ?? '', /promote a/)
})

test('who led last may lead again alone only if nobody else was in sync', () => {
  const leader = { ...own, self: 'a/1' }
  assert.equal(whyNotPromote(leader, led, undefined, UNTRUSTED), undefined)
  const withFollower = { ...led, inSync: ['a/1', 'b/2'] }
  assert.match(whyNotPromote(leader, withFollower, undefined, UNTRUSTED) ?? '', /cannot be asked/)
  const later = [...epochs, { epoch: 5, firstVersion: 15, leader: 'b/2' }]
  assert.match(whyNotPromote({ ...leader, epochs: later }, led, undefined, UNTRUSTED) ?? '', /cannot be asked/)
})

test('without metadata nobody leads, and a folder that was never part of a pair may', () => {
  assert.match(whyNotPromote({ ...own, version: 0 }, undefined, undefined, UNTRUSTED) ?? '', /no metadata/)
  assert.equal(whyNotPromote({ ...own, epochs: [] }, undefined, undefined, UNTRUSTED), undefined)
})
