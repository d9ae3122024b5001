import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalLines } from '../../src/metadata/checkpoint/canonical.ts'
import { CheckpointError } from '../../src/metadata/checkpoint/format.ts'
import { readCheckpoint } from '../../src/metadata/checkpoint/read.ts'
import { writeCheckpoint } from '../../src/metadata/checkpoint/write.ts'
import { ROOT } from '../../src/metadata/types.ts'
import { load, pullOf, steps, vector } from './metadata.ts'

/** Bytes of every section. */
function sections(bytes: Buffer): Record<string, number> {
  const lengths: Record<string, number> = {}
  for (let at = 24; bytes.toString('latin1', at, at + 4) !== '[MFS'; ) {
    const length = Number(bytes.readBigUInt64BE(at + 8))
    lengths[bytes.toString('latin1', at, at + 4)] = length
    at += 16 + length
  }
  return lengths
}

for (const step of steps) {
  for (const moment of ['before', 'after', 'replayed']) {
    const file = `${moment}.metadata.mfs`
    const missing =
      (step === '06-handmade-lines' && moment === 'after') || (step === '05-snapshot-groups' && moment === 'replayed')
    if (missing) continue
    test(`${step}/${file} loads, and what is written of it loads as the same state`, async () => {
      const bytes = vector(step, file)
      const state = await load(bytes)
      const written = Buffer.concat([...writeCheckpoint(state)])
      // What closed sessions had open is stored by the live master and dropped by every reader.
      if (bytes.length > 8) assert.deepEqual({ ...sections(written), OPEN: 0 }, { ...sections(bytes), OPEN: 0 })
      const again = await readCheckpoint(pullOf(written, 100), 1795333779)
      assert.deepEqual(canonicalLines(again), canonicalLines(state))
    })
  }
}

test('the statistics of the root are those of everything below it', async () => {
  const state = await load(vector('02-classes-quota-snapshots-trash', 'after.metadata.mfs'))
  const { nodes, lists } = state
  const stats = lists.stats(nodes.directoryRow(ROOT))
  const all = [...nodes.inodes()]
  const unlinked = all.filter(inode => nodes.type(inode) >= 8).length
  const extraLinks = all.reduce((sum, inode) => sum + (nodes.isDirectory(inode) ? 0 : nodes.links.get(inode) - 1), 0)
  assert.equal(stats.inodes, all.length - 1 - unlinked + extraLinks)
  assert.equal(stats.dirs, all.filter(inode => nodes.isDirectory(inode)).length - 1)
})

test('a checkpoint cut anywhere is refused with section and offset', async () => {
  const bytes = vector('03-sessions-locks-open-files', 'after.metadata.mfs')
  for (let length = 9; length < bytes.length; length += 97) {
    await assert.rejects(load(bytes.subarray(0, length)), CheckpointError, `cut at ${length}`)
  }
})

test('flipped bits never crash the reader: another state or a CheckpointError', async () => {
  const bytes = vector('03-sessions-locks-open-files', 'after.metadata.mfs')
  let refused = 0
  for (let bit = 3; bit < bytes.length * 8; bit += 1511) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    try {
      await load(flipped)
    } catch (error) {
      assert.ok(error instanceof CheckpointError, `bit ${bit}: ${error}`)
      refused++
    }
  }
  assert.ok(refused > 5, `${refused} refused`)
})
