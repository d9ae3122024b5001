import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RowQueue } from './row-queue.ts'

test('rows come out in the order they went in, however the ring grows and wraps', () => {
  const queue = new RowQueue()
  const model: number[] = []
  let next = 1
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < (round * 7) % 31; i++) {
      queue.push(next)
      model.push(next++)
    }
    for (let i = 0; i < (round * 5) % 29; i++) assert.equal(queue.shift(), model.shift() ?? 0)
    assert.equal(queue.length, model.length)
  }
})
