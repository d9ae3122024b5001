import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realClock } from '../env/real.ts'
import { CallerGroups } from './caller-groups.ts'
import type { Request } from './file-system.ts'

const request = (pid: number, uid: number, gid: number): Request => ({
  pid,
  uid,
  gid,
  interrupted: false,
  onInterrupt: undefined,
})

function groupsOf(status: string, keepSeconds = 300, rootIsRoot = true) {
  let now = 0
  let reads = 0
  const groups = new CallerGroups(
    { ...realClock, monotonicMs: () => now },
    keepSeconds,
    () => rootIsRoot,
    () => {
      reads++
      if (status === '') throw new Error('gone')
      return status
    },
  )
  const pass = (ms: number) => {
    now += ms
  }
  return { groups, reads: () => reads, pass }
}

test('the primary group comes first and once', () => {
  const { groups } = groupsOf('Name:\tx\nGroups:\t4 24 1000 27 \nNStgid:\t1\n')
  assert.deepEqual(groups.of(request(5, 1000, 1000)), [1000, 4, 24, 27])
})

test('groups are remembered per process and user, for a while', () => {
  const { groups, reads, pass } = groupsOf('Groups:\t4\n')
  groups.of(request(5, 1000, 1000))
  groups.of(request(5, 1000, 1000))
  assert.equal(reads(), 1)
  groups.of(request(5, 1001, 1000))
  assert.equal(reads(), 2)
  pass(300_001)
  groups.of(request(5, 1001, 1000))
  assert.equal(reads(), 3)
})

test('without /proc, for root, and with the cache off there is the primary group', () => {
  assert.deepEqual(groupsOf('').groups.of(request(5, 1000, 9)), [9])
  assert.deepEqual(groupsOf('Groups:\t4\n').groups.of(request(5, 0, 9)), [9])
  assert.deepEqual(groupsOf('Groups:\t4\n', 0).groups.of(request(5, 1000, 9)), [9])
})

test('a root that the master takes for somebody else has groups', () => {
  const { groups, reads } = groupsOf('Groups:\t4\n', 300, false)
  assert.deepEqual(groups.of(request(5, 0, 0)), [0, 4])
  groups.of(request(5, 0, 0))
  assert.equal(reads(), 2, "root's are read at each use")
})
