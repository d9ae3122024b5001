import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spaceOf } from './space.ts'

const servers = [
  { isSound: true, total: 1000, used: 300 },
  { isSound: true, total: 400, used: 350 },
  { isSound: false, total: 10, used: 20 },
]

test('the reserve comes off what is free', () => {
  const available = (reserve: Parameters<typeof spaceOf>[1]) => spaceOf(servers, reserve).available
  assert.deepEqual(spaceOf(servers, { kind: 'bytes', bytes: 0 }), { total: 1400, free: 750, available: 750 })
  assert.equal(available({ kind: 'bytes', bytes: 50 }), 700)
  assert.equal(available({ kind: 'share', percent: 10 }), 610)
  assert.equal(available({ kind: 'largestUsed', times: 1 }), 400)
  assert.equal(available({ kind: 'largestUsed', times: 2 }), 50)
  assert.equal(available({ kind: 'largestCapacity', times: 1 }), 0)
})
