// RENAME with the flags that masters and clients of ours know (renameat2(2)).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RenameFlag } from '../../protocol/cltoma.ts'
import { Status } from '../../protocol/status.ts'
import { apply } from '../apply.ts'
import { type Entry, parseLine, printLine } from '../changelog/entry.ts'
import { canonicalLines } from '../checkpoint/canonical.ts'
import { newState, type State } from '../state.ts'
import { decideMake, decideRename } from './decide.ts'
import { findEdge, pathOf } from './tree.ts'

const { NOREPLACE, EXCHANGE } = RenameFlag
const actor = (uid: number) => ({ uid, gids: [uid], sessionFlags: 0, root: 1, disables: 0, umask: 0 })

function setup() {
  const [state, replayed] = [newState(1), newState(1)]
  const commit = (entries: Entry[]) => {
    for (const entry of entries) {
      apply(replayed, parseLine(printLine(state.version, entry)).entry)
      apply(state, entry)
    }
    assert.deepEqual(canonicalLines(replayed), canonicalLines(state))
  }
  const make = (parent: number, name: string, type: number, uid = 0, mode = 0o777) => {
    const request = { parent, name, type, mode, umask: 0, rdev: 0, copySgid: false }
    const decision = decideMake(state, actor(uid), request, 5)
    assert.ok('entries' in decision)
    commit(decision.entries)
    return decision.inode
  }
  const rename = (from: [number, string], to: [number, string], mode: number, uid = 0): number => {
    const request = { parentSource: from[0], nameSource: from[1], parentTarget: to[0], nameTarget: to[1], mode }
    const decision = decideRename(state, actor(uid), request, 9)
    if ('entries' in decision) commit(decision.entries)
    return decision.status
  }
  return { state, make, rename }
}

const at = (state: State, parent: number, name: string) => state.edges.child.get(findEdge(state, parent, name))

test('NOREPLACE renames to a free name only', () => {
  const { state, make, rename } = setup()
  const [a, b] = [make(1, 'a', 1), make(1, 'b', 1)]
  assert.equal(rename([1, 'a'], [1, 'b'], NOREPLACE), Status.EEXIST)
  assert.equal(rename([1, 'a'], [1, 'a'], NOREPLACE), Status.EEXIST)
  assert.equal(rename([1, 'a'], [1, 'c'], NOREPLACE), Status.OK)
  assert.deepEqual([at(state, 1, 'c'), at(state, 1, 'b')], [a, b])
})

test('EXCHANGE swaps files, and a file with a full folder', () => {
  const { state, make, rename } = setup()
  const folder = make(1, 'd', 2)
  const inside = make(folder, 'x', 1)
  const [file, other] = [make(1, 'f', 1), make(1, 'g', 1)]
  assert.equal(rename([1, 'f'], [1, 'missing'], EXCHANGE), Status.ENOENT)
  assert.equal(rename([1, 'f'], [1, 'g'], EXCHANGE), Status.OK)
  assert.deepEqual([at(state, 1, 'f'), at(state, 1, 'g')], [other, file])
  assert.equal(rename([1, 'f'], [1, 'd'], EXCHANGE), Status.OK)
  assert.deepEqual([at(state, 1, 'd'), pathOf(state, folder)], [other, 'f'])
  assert.equal(at(state, folder, 'x'), inside)
  assert.equal(state.lists.length.get(state.nodes.directoryRow(1)), 3, 'no name in the middle is left')
})

test('EXCHANGE never puts a folder below itself, whichever way round', () => {
  const { make, rename } = setup()
  const folder = make(1, 'd', 2)
  const deep = make(folder, 'e', 2)
  make(deep, 'f', 1)
  assert.equal(rename([1, 'd'], [deep, 'f'], EXCHANGE), Status.EINVAL)
  assert.equal(rename([deep, 'f'], [1, 'd'], EXCHANGE), Status.EINVAL)
})

test('EXCHANGE needs the rights of both removals', () => {
  const { state, make, rename } = setup()
  const sticky = make(1, 's', 2, 0, 0o1777)
  make(sticky, 'roots', 1, 0)
  make(1, 'mine', 1, 7)
  assert.equal(rename([1, 'mine'], [sticky, 'roots'], EXCHANGE, 7), Status.EPERM)
  const closed = make(1, 'closed', 2, 0, 0o755)
  make(closed, 'f', 1)
  assert.equal(rename([1, 'mine'], [closed, 'f'], EXCHANGE, 7), Status.EACCES)
  const guarded = make(1, 'guarded', 2, 7)
  make(guarded, 'f', 1, 7)
  state.nodes.eattr.set(guarded, 0x40)
  assert.equal(rename([1, 'mine'], [guarded, 'f'], EXCHANGE, 7), Status.EPERM, 'appendonly keeps its names')
})

test('other flags, or both, are refused', () => {
  const { make, rename } = setup()
  make(1, 'a', 1)
  for (const mode of [3, 4, 8]) assert.equal(rename([1, 'a'], [1, 'b'], mode), Status.EINVAL)
})
