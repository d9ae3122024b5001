import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backlog } from './backlog.ts'
import { CommitQueue } from './commit-queue.ts'

test('what waits runs in order, as far as is committed and may leave', () => {
  const queue = new CommitQueue()
  const ran: string[] = []
  for (const [version, name] of [
    [3, 'a'],
    [3, 'b'],
    [5, 'c'],
  ] as const)
    queue.push(version, () => ran.push(name))
  queue.run(2, () => true)
  assert.deepEqual(ran, [])
  queue.run(4, () => ran.length < 1)
  assert.deepEqual(ran, ['a'])
  queue.run(5, () => true)
  assert.deepEqual(ran, ['a', 'b', 'c'])
  assert.ok(queue.isEmpty)
})

test('what an action puts in runs too when it is due, and nothing after clear()', () => {
  const queue = new CommitQueue()
  const ran: number[] = []
  queue.push(1, () => {
    ran.push(1)
    queue.push(1, () => ran.push(2))
    queue.push(9, () => ran.push(9))
  })
  queue.run(1, () => true)
  assert.deepEqual(ran, [1, 2])
  queue.clear()
  queue.run(10, () => true)
  assert.deepEqual(ran, [1, 2])
})

const batch = (firstVersion: number, ...lines: string[]) => {
  const text = Buffer.from(lines.map(line => `${line}\n`).join(''))
  return { firstVersion, count: lines.length, lines: text, digest: Buffer.alloc(0) }
}

test('the backlog gives lines from the middle of a batch, and forgets the oldest', () => {
  const backlog = new Backlog(10, 12)
  assert.deepEqual([backlog.start, backlog.end], [10, 10])
  backlog.push(batch(10, 'ten', 'eleven'))
  assert.equal(backlog.from(11)?.lines.toString(), 'eleven\n')
  assert.equal(backlog.from(12), undefined)
  backlog.push(batch(12, 'twelve'))
  assert.deepEqual([backlog.start, backlog.end], [12, 13])
  assert.equal(backlog.from(11), undefined)
  assert.equal(backlog.from(12)?.lines.toString(), 'twelve\n')
})
