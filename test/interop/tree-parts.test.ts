// The real master replays the lines of snapshots that we made and removed in parts to the state that we have.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { differences } from '../../src/metadata/diff/diff.ts'
import { load } from '../golden/metadata.ts'
import { drawFrom } from '../sim/random-history.ts'
import { RandomTree, snapshot } from '../sim/random-tree.ts'
import { whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { restoredByRealMaster, unexpected } from './real-restore.ts'

const skip = whyNot() ?? false
const SEED = 20
const way = { weight: 1 }

before(() => {
  if (!skip) installPackages()
})

test('snapshots in parts are replayed by the real master', { skip }, async () => {
  for (let seed = SEED; seed < SEED + 4; seed++) {
    const tree = new RandomTree(drawFrom(seed), 80)
    // Only root: the original's replay loses the first digit of every group.
    for (const [name, mode] of [
      ['a', 0],
      ['b', 8],
      ['c', 2],
      ['a', 1],
      ['n0', 11],
    ] as const) {
      snapshot(tree, 0, { source: 2, parent: 3, name, mode }, way)
    }
    assert.equal(snapshot(tree, 0, { source: 0, parent: 3, name: 'b', mode: 0x84 }, way), 0)
    const lines = `${tree.lines.join('\n')}\n`
    const real = await load(restoredByRealMaster({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': lines }))
    assert.deepEqual(unexpected(differences(tree.state, real)), [], `seed ${seed}`)
  }
})
