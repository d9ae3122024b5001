import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentInodes } from './recent-inodes.ts'

test('an inode is known until its time is over or it is deleted', () => {
  let now = 0
  const inodes = new RecentInodes(() => now)
  assert.equal(inodes.has(7), false)
  inodes.add(7, 100)
  inodes.add(8, 100)
  inodes.add(0xffffffff, 100)
  now = 99
  assert.deepEqual(
    [7, 8, 9, 0xffffffff].map(inode => inodes.has(inode)),
    [true, true, false, true],
  )
  inodes.delete(8)
  assert.equal(inodes.has(8), false)
  inodes.add(7, 100)
  now = 198
  assert.equal(inodes.has(7), true)
  now = 199
  assert.equal(inodes.has(7), false)
})

test('inodes that share a place are never taken for each other', () => {
  const inodes = new RecentInodes(() => 0)
  const [one, other] = [5, 5 + (1 << 15)]
  inodes.add(one, 1)
  assert.equal(inodes.has(other), false)
  inodes.delete(other)
  assert.equal(inodes.has(one), true, 'the other is deleted, not this one')
  inodes.add(other, 1)
  assert.deepEqual([inodes.has(one), inodes.has(other)], [false, true])
  inodes.clear()
  assert.equal(inodes.has(other), false)
})
