import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { Trailer } from '../../metadata/changelog/trailer.ts'
import { AFTERMATH_SECONDS, Aftermath } from './aftermath.ts'

const write = (chunkId: number, ts = 1000): Entry => ({
  ...{ op: 'WRITE', ts, inode: 7, index: 0, raiseVersion: true, touch: false, chunkId },
})

const writeOf = (session: number, isNew = true) => ({ kind: 'write', inode: 7, index: 0, session, isNew }) as const

function after(...lines: [Entry, Trailer][]): Aftermath {
  const aftermath = new Aftermath()
  for (const [entry, trailer] of lines) aftermath.remember(entry, trailer)
  return aftermath
}

test('a write that had not ended still belongs to its session, and one that had does not', () => {
  const aftermath = after(
    [write(1), { leaseOwner: 12 }],
    [write(2), { leaseOwner: 13 }],
    [{ op: 'UNLOCK', ts: 1001, chunkId: 1 }, {}],
  )
  assert.deepEqual(
    aftermath.end(() => 5),
    [{ chunkId: 2, lease: writeOf(13) }],
  )
})

test('a chunk that was being cut belongs to nobody any more, for whomever it was', () => {
  for (const leaseOwner of [{ leaseOwner: 12 }, {}]) {
    const trailer = { ...leaseOwner, raisedOn: [1, 2] }
    const aftermath = after([{ op: 'TRUNC', ts: 1000, inode: 7, index: 0, chunkId: 1 }, trailer])
    assert.deepEqual(
      aftermath.end(() => 5),
      [{ chunkId: 1, lease: { kind: 'cut', inode: 7, index: 0, session: undefined, isNew: false } }],
    )
  }
})

test('the servers of an unfinished change are told for the version of then only', () => {
  const aftermath = after([write(1), { leaseOwner: 12, raisedOn: [1, 2] }])
  aftermath.end(() => 5)
  assert.deepEqual(aftermath.raised(1, 5), { on: [1, 2], from: 4 })
  assert.deepEqual(aftermath.raised(1, 6), undefined)
  assert.deepEqual(aftermath.raised(2, 5), undefined)
})

test('the servers of an unfinished change are still told when another master has let the chunk go', () => {
  const aftermath = after(
    [
      { op: 'TRUNC', ts: 1000, inode: 7, index: 0, chunkId: 1 },
      { leaseOwner: 12, raisedOn: [2] },
    ],
    [{ op: 'UNLOCK', ts: 1001, chunkId: 1 }, {}],
  )
  assert.deepEqual(
    aftermath.end(() => 5),
    [],
  )
  assert.deepEqual(aftermath.raised(1, 5)?.on, [2])
})

test('a second raise after a failed first one counts, and keeps the owner', () => {
  const aftermath = after(
    [write(1), { leaseOwner: 12, raisedOn: [1, 2] }],
    [
      { op: 'SETVERSION', ts: 1000, chunkId: 1, version: 6 },
      { raisedOn: [2], raisedFrom: 3 },
    ],
  )
  assert.deepEqual(
    aftermath.end(() => 6),
    [{ chunkId: 1, lease: writeOf(12, false) }],
  )
  assert.deepEqual(aftermath.raised(1, 6), { on: [2], from: 3 })
})

test('what is older than a lease can be is forgotten', () => {
  const aftermath = after([write(1), { leaseOwner: 12 }], [write(2, 1001 + AFTERMATH_SECONDS), { leaseOwner: 13 }])
  assert.deepEqual(
    aftermath.end(() => 5),
    [{ chunkId: 2, lease: writeOf(13) }],
  )
})

test('a chunk is new as long as the write that made it has not ended', () => {
  const again = { ...write(1), raiseVersion: false } as Entry
  const ended: Entry = { op: 'UNLOCK', ts: 1001, chunkId: 1 }
  const lines: [Entry, Trailer][] = [[write(1), { leaseOwner: 12 }]]
  const isNew = (...more: [Entry, Trailer][]) => {
    const [told] = after(...lines, ...more).end(() => 1)
    return told?.lease.kind === 'write' && told.lease.isNew
  }
  assert.equal(isNew(), true)
  assert.equal(isNew([again, { leaseOwner: 12 }]), true)
  assert.equal(isNew([ended, {}], [again, { leaseOwner: 12 }]), false)
  assert.equal(isNew([ended, {}], [write(1), { leaseOwner: 12, raisedOn: [1] }]), false, 'its version is raised')
  lines.length = 0
  assert.equal(isNew([write(1), {}]), false, 'a line of the original')
})
