import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BulkInsert } from './bulk-insert.ts'
import { ByteArena } from './byte-arena.ts'
import { Rows, words32 } from './column.ts'
import { HashIndex, mix32 } from './hash-index.ts'

test('a column reads back what was set, and 0 elsewhere', () => {
  const column = words32()
  column.set(5, 7)
  column.set(1_000_000, 9)
  assert.deepEqual([column.get(5), column.get(6), column.get(1_000_000), column.get(500_000)], [7, 0, 9, 0])
})

test('freed rows are given out again', () => {
  const rows = new Rows()
  const [a, b] = [rows.take(), rows.take()]
  rows.release(a)
  assert.equal(rows.take(), a)
  assert.notEqual(rows.take(), b)
  assert.equal(rows.count, 3)
})

test('an arena keeps strings of every length apart through frees and reuse', () => {
  const text = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(c => String.fromCharCode(c)), maxLength: 300 })
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.boolean()), { maxLength: 60 }), steps => {
      const arena = new ByteArena()
      const held: { handle: number; text: string }[] = []
      for (const [text, release] of steps) {
        const oldest = release ? held.shift() : undefined
        if (oldest) arena.free(oldest.handle, oldest.text.length)
        held.push({ handle: arena.put(text), text })
        for (const { handle, text } of held) {
          assert.equal(arena.text(handle, text.length), text)
          assert.ok(arena.equals(handle, text.length, text))
          assert.ok(!arena.equals(handle, text.length, `${text}x`))
        }
      }
    }),
    { numRuns: 30 },
  )
})

test('a hash index finds exactly what is in it, also after removals', () => {
  // Few distinct hashes, so that runs are long and wrap around.
  const keys = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean()), { maxLength: 200 })
  fc.assert(
    fc.property(keys, steps => {
      const hashOf = (row: number) => mix32(row % 7) | 0
      const index = new HashIndex()
      const model = new Set<number>()
      for (const [row, add] of steps) {
        if (add && !model.has(row)) {
          index.insert(hashOf(row) >>> 0, row)
          model.add(row)
        } else if (!add && model.delete(row)) index.remove(hashOf(row) >>> 0, row)
        for (let key = 1; key <= 40; key++) {
          assert.equal(
            index.find(hashOf(key) >>> 0, found => found === key),
            model.has(key) ? key : 0,
          )
        }
      }
    }),
    { numRuns: 50 },
  )
})

test('rows inserted in bulk are found, and the first with a known key is told', () => {
  // Few, inserted one by one, and enough to be sorted; every hash is that of several keys.
  for (const count of [50, 10_000]) {
    const hashOf = (key: number) => mix32(key >>> 2)
    const keyOf = (row: number) => (row === count - 3 || row === count - 1 ? 7 : row)
    const index = new HashIndex()
    const bulk = new BulkInsert(index, (a, b) => keyOf(a) === keyOf(b))
    for (let row = 1; row < count - 3; row++) bulk.add(hashOf(row), row)
    assert.equal(bulk.settle(), 0)
    for (let row = count - 3; row < count; row++) bulk.add(hashOf(keyOf(row)), row)
    assert.equal(bulk.settle(), count - 3)
    for (let row = 1; row < count - 3; row++) {
      assert.equal(
        index.find(hashOf(row), found => found === row),
        row,
      )
    }
    assert.equal(
      index.find(hashOf(count), found => found === count),
      0,
    )
  }
})
