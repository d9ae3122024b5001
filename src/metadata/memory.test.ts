import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableMemory } from './memory.ts'
import { newState } from './state.ts'
import { NodeType, ROOT } from './types.ts'

test('what tables use grows with what is put in and shrinks with what is taken out', () => {
  const state = newState(1)
  const empty = tableMemory(state)
  const { nodes, edges, chunks } = state
  const list = nodes.directoryRow(ROOT)
  for (let inode = 2; inode < 1002; inode++) {
    nodes.add(inode, inode % 2 === 0 ? NodeType.SYMLINK : NodeType.FILE)
    if (inode % 2 === 0) nodes.setTarget(inode, 'twelve chars')
    edges.add(list, ROOT, inode, `name ${inode}`, inode)
  }
  nodes.setChunkRow(3, 0, chunks.add(1, 1))
  nodes.setChunkRow(3, 999, chunks.add(2, 1))
  const full = tableMemory(state)
  const grown = (name: keyof typeof full) => full[name].used - empty[name].used
  assert.equal(grown('inodes'), 1000 * 64)
  assert.equal(grown('inodeIndex'), 125)
  assert.equal(grown('symlinks'), 500 * 16)
  assert.equal(grown('edgeIndex'), 1000 * 8)
  assert.ok(grown('edges') >= 1000 * (36 + 8))
  assert.equal(grown('chunks'), 2 * 24)
  assert.ok(grown('chunkLists') > 0)
  for (const [name, { allocated, used }] of Object.entries(full)) assert.ok(allocated >= used, name)
  nodes.remove(3)
  for (let inode = 4; inode < 1002; inode++) nodes.remove(inode)
  const after = tableMemory(state)
  assert.deepEqual(after.chunkLists, empty.chunkLists)
  assert.equal(after.symlinks.used, 16)
  assert.equal(after.inodes.used - empty.inodes.used, 64)
})
