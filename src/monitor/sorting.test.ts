// The order of rows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Orders, sorted } from './sorting.ts'

interface Row {
  id: number
  name: string
  limit: number | null
}
const rows: Row[] = [
  { id: 3, name: 'b', limit: 5 },
  { id: 1, name: 'b', limit: null },
  { id: 2, name: 'a', limit: 5 },
]
const orders: Orders<Row> = { 2: ({ name }) => name, 3: ({ limit }) => limit }
const ids = (choice: Parameters<typeof sorted>[2]) =>
  sorted(rows, { orders, usual: ({ id }) => id }, choice).map(({ id }) => id)

test('rows are sorted by the chosen column, and by the usual key where that does not decide', () => {
  assert.deepEqual(ids({}), [1, 2, 3])
  assert.deepEqual(ids({ order: 2 }), [2, 1, 3])
  assert.deepEqual(ids({ order: 99 }), [1, 2, 3])
})

test('what is not known comes first', () => {
  assert.deepEqual(ids({ order: 3 }), [1, 2, 3])
  assert.deepEqual(ids({ order: 3, isReversed: true }), [3, 2, 1])
})

test('a row with fewer parts in its key comes first', () => {
  const paths = [{ paths: ['a', 'b'] }, { paths: ['a'] }, { paths: ['B'] }]
  const result = sorted(paths, { orders: {}, usual: ({ paths }) => paths }, {})
  assert.deepEqual(result, [{ paths: ['B'] }, { paths: ['a'] }, { paths: ['a', 'b'] }])
})
