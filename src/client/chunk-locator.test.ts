import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkLocator } from './chunk-locator.ts'
import type { MasterSession } from './master-session.ts'

const INODE = 7
const located = { chunkId: 1, version: 1, copies: [] }
const locator = () => new ChunkLocator({} as MasterSession)

test('a chunk is never known without the length of its file', () => {
  const known = locator()
  known.learn(INODE, 0, located, 100)
  assert.equal(known.knownLength(INODE), 100)
  known.written(INODE, 0, located, 150)
  assert.equal(known.knownLength(INODE), 150)
})

test('what was forgotten while it was written is not known again by the end of the write', async () => {
  const known = locator()
  known.learn(INODE, 0, located, 100)
  known.forgetEverything()
  known.written(INODE, 0, located, 50)
  assert.equal(known.knownLength(INODE), 0)
})
