import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ChunkList } from './chunk-list.ts'

const LIMIT = 2 ** 31
const slot = fc.oneof(fc.nat(20), fc.nat(1000), fc.nat(LIMIT - 1))
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ slot, row: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ cut: slot }) },
)

test('a list is what a map of all its slots is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), slot, slot, (steps, from, to) => {
      const list = new ChunkList()
      const model = new Map<number, number>()
      for (const change of steps) {
        if ('cut' in change) {
          list.cut(change.cut)
          for (const index of [...model.keys()]) if (index >= change.cut) model.delete(index)
        } else {
          list.set(change.slot, change.row)
          if (change.row === 0) model.delete(change.slot)
          else model.set(change.slot, change.row)
        }
        const asked = 'cut' in change ? change.cut : change.slot
        assert.equal(list.get(asked), model.get(asked) ?? 0)
      }
      const found: [number, number][] = []
      list.each((row, index) => found.push([index, row]), from, to)
      const wanted = [...model].filter(([index]) => index >= from && index < to).sort(([a], [b]) => a - b)
      assert.deepEqual(found, wanted)
      assert.equal(list.count, model.size)
      assert.equal(
        list.next(from),
        [...model.keys()].sort((a, b) => a - b).find(index => index >= from),
      )
    }),
  )
})

test('slots that were far are near when the list has grown to them', () => {
  const list = new ChunkList()
  list.set(900, 7)
  for (let index = 0; index < 1000; index++) if (index !== 900) list.set(index, 1)
  const rows: number[] = []
  list.each(row => rows.push(row), 0, LIMIT)
  assert.equal(rows.length, 1000)
  assert.equal(rows[900], 7)
})
