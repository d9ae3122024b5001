import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ListTable, noStats } from './lists.ts'

test('a list in the row of a removed one is empty and has no statistics', () => {
  const lists = new ListTable()
  const row = lists.add(7)
  for (const field of [lists.head, lists.tail, lists.length]) field.set(row, 5)
  lists.count(row, { inodes: 3, dirs: 1, files: 2, chunks: 4, length: 2 ** 40, size: 2 ** 41, realsize: 2 ** 42 }, 1)
  lists.remove(row)
  assert.equal(lists.add(8), row)
  assert.deepEqual(lists.stats(row), noStats())
  assert.deepEqual(
    [lists.owner, lists.head, lists.tail, lists.length].map(field => field.get(row)),
    [8, 0, 0, 0],
  )
})
