// Chunks that were shared in the middle of a write: that is known in every copy of the state, and until they are cut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apply } from '../apply.ts'
import { type Entry, parseLine, printLine } from '../changelog/entry.ts'
import { canonicalLines } from '../checkpoint/canonical.ts'
import { readCheckpoint } from '../checkpoint/read.ts'
import { writeCheckpoint } from '../checkpoint/write.ts'
import { newState, type State } from '../state.ts'

const create = { op: 'CREATE', parent: 1, type: 1, mode: 0o644, cumask: 0, uid: 0, gid: 0, rdev: 0 } as const
const write = { op: 'WRITE', inode: 2, index: 0, raiseVersion: true, touch: false, chunkId: 1 } as const
const append = { op: 'APPEND', inode: 3, source: 2, from: 0xffffffff, to: 0 } as const
const made: Entry[] = [
  { ...create, ts: 200, name: 'a', inode: 2 },
  { ...create, ts: 200, name: 'b', inode: 3 },
  { ...write, ts: 201 },
  { op: 'LENGTH', ts: 201, inode: 2, length: 1000, touch: false },
]
const unlock: Entry = { op: 'UNLOCK', ts: 202, chunkId: 1 }

function stateAfter(...entries: Entry[]): State {
  const state = newState(100)
  for (const entry of entries) apply(state, parseLine(printLine(state.version, entry)).entry)
  return state
}

const isTailUnknown = ({ chunks }: State) => chunks.isTailUnknown(chunks.find(1))

test('what lies behind the end is not known of a chunk that was shared in the middle of a write, until it is cut', () => {
  const shared: Entry = { ...append, ts: 203 }
  assert.equal(isTailUnknown(stateAfter(...made, unlock, shared)), false)
  assert.equal(isTailUnknown(stateAfter(...made, shared, unlock)), true)
  const alone = { op: 'LENGTH', ts: 204, inode: 3, length: 0, touch: false } as const
  assert.equal(isTailUnknown(stateAfter(...made, shared, unlock, alone)), true)
  const cut = { op: 'TRUNC', ts: 205, inode: 2, index: 0, chunkId: 1 } as const
  assert.equal(isTailUnknown(stateAfter(...made, shared, unlock, alone, cut)), false)
})

test('a checkpoint keeps which chunks must be cut before a file grows', async () => {
  const state = stateAfter(...made, { ...append, ts: 203 }, unlock)
  const pieces = [...writeCheckpoint(state)]
  const loaded = await readCheckpoint(async () => pieces.shift(), 500)
  assert.equal(isTailUnknown(loaded), true)
  assert.deepEqual([...canonicalLines(loaded)], [...canonicalLines(state)])
  assert.equal(loaded.digest(), state.digest())
})
