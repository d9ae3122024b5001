import assert from 'node:assert/strict'
import { test } from 'node:test'
import { offsetBetween } from './master-session.ts'

test('the clock of the master is taken for ours as long as no answer speaks against it', () => {
  assert.equal(offsetBetween(-30, 2, 0), 0)
  assert.equal(offsetBetween(10, 20, 0), 15)
  assert.equal(offsetBetween(12, 40, 15), 15, 'what was believed before stays')
  assert.equal(offsetBetween(-3, 4, 15), 0)
})
