import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tally } from './tally.ts'

const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0)

test('every chunk is counted once, as it is now', () => {
  const tally = new Tally()
  const chunk = { classId: 2, archived: false, kept: false, wanted: 2, all: 1, regular: 1 }
  tally.account(1, chunk)
  tally.account(2, { ...chunk, all: 3, regular: 2 })
  assert.deepEqual(tally.ofClass(2), { under: [1, 0], exact: [1, 0], over: [0, 0] })
  tally.account(1, { ...chunk, archived: true, all: 12, regular: 12 })
  assert.deepEqual(tally.ofClass(2), { under: [0, 0], exact: [1, 0], over: [0, 1] })
  assert.deepEqual([tally.all[2 * 11 + 10], tally.all[2 * 11 + 3], tally.regular[2 * 11 + 2]], [1, 1, 1])
  assert.deepEqual([sum(tally.all), sum(tally.regular)], [2, 2])
  tally.forget(1)
  tally.forget(1)
  assert.deepEqual([sum(tally.all), sum(tally.regular)], [1, 1])
})

test('chunks without a file are counted apart as long as they are kept', () => {
  const tally = new Tally()
  const chunk = { classId: 0, archived: false, kept: true, wanted: 0, all: 1, regular: 1 }
  tally.account(1, chunk)
  tally.account(2, { ...chunk, all: 0, regular: 0 })
  tally.account(3, { ...chunk, kept: false })
  assert.equal(tally.kept, 2)
  tally.account(1, { ...chunk, kept: false })
  assert.equal(tally.kept, 1)
})
