import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChangeMemory } from './change-memory.ts'

const memoryOf = (keepSeconds: number, count: number, perSecond = 1) => {
  const memory = new ChangeMemory(keepSeconds)
  for (let i = 0; i < count; i++) memory.add({ id: 100 + i, body: `body ${i}` }, Math.floor(i / perSecond))
  return memory
}

test('changes are given out in order, as many as are wanted', () => {
  const memory = memoryOf(1000, 10)
  assert.deepEqual(
    memory.from(103, 2)?.map(({ id, body }) => `${id} ${body}`),
    ['103 body 3', '104 body 4'],
  )
  assert.equal(memory.from(100, 99)?.length, 10)
  assert.deepEqual(memory.from(110, 5), [], 'nothing newer yet')
})

test('a wish that memory does not reach back to is told from nothing new', () => {
  assert.equal(memoryOf(1000, 10).from(99, 5), undefined)
  assert.equal(new ChangeMemory(1000).from(1, 5), undefined)
  assert.equal(memoryOf(0, 10).from(105, 5), undefined, 'nothing is kept')
})

test('what is older than the time to keep is forgotten', () => {
  const memory = memoryOf(100, 50_000, 10)
  assert.equal(memory.from(100 + 49_999 - 1010, 1), undefined)
  assert.equal(memory.from(100 + 49_999 - 990, 1)?.[0]?.id, 100 + 49_999 - 990)
})

test('memory is bounded whatever the time', () => {
  const memory = new ChangeMemory(1e9)
  const body = 'x'.repeat(1 << 20)
  for (let id = 1; id <= 100; id++) memory.add({ id, body }, 0)
  assert.equal(memory.from(36, 1), undefined)
  assert.equal(memory.from(37, 100)?.length, 64)
})

test('another time to keep takes effect on what is there', () => {
  const memory = memoryOf(1000, 10)
  memory.keepFor(3)
  memory.add({ id: 110, body: 'next' }, 10)
  assert.equal(memory.oldest, 107)
  memory.keepFor(0)
  memory.add({ id: 111, body: 'not kept' }, 11)
  memory.keepFor(3)
  memory.add({ id: 112, body: 'kept' }, 12)
  assert.equal(memory.from(110, 5), undefined)
  assert.equal(memory.oldest, 112)
})
