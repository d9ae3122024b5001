import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addLength, ListTable, lengthOf, noStats, statsOfLength } from './lists.ts'

test('a list in the row of a removed one is empty and has no statistics', () => {
  const lists = new ListTable()
  const row = lists.add(7)
  for (const field of [lists.head, lists.tail, lists.length]) field.set(row, 5)
  lists.count(
    row,
    { ...statsOfLength(2 ** 40 + 1), inodes: 3, dirs: 1, files: 2, chunks: 4, size: 1024, realsize: 2048 },
    1,
  )
  lists.remove(row)
  assert.equal(lists.add(8), row)
  assert.deepEqual(lists.stats(row), noStats())
  assert.deepEqual(
    [lists.owner, lists.head, lists.tail, lists.length].map(field => field.get(row)),
    [8, 0, 0, 0],
  )
})

test('sums of lengths beyond 2^53 lose nothing: what is taken away leaves what was there before', () => {
  const lists = new ListTable()
  const [whole, part] = [lists.add(1), lists.add(2)]
  const longest = 2 ** 53 - 1
  lists.count(whole, statsOfLength(77), 1)
  for (let i = 0; i < 1000; i++) {
    for (const row of [whole, part]) lists.count(row, statsOfLength(longest), 1)
  }
  assert.equal(BigInt(lengthOf(lists.stats(part))), BigInt(longest * 1000))
  const shorter = noStats()
  addLength(shorter, -3)
  for (const row of [whole, part]) lists.count(row, shorter, 1)
  lists.count(whole, lists.stats(part), -1)
  assert.equal(lengthOf(lists.stats(whole)), 77)
})
