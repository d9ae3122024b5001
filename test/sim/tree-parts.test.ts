// Work on whole trees comes to the same in parts as at once, and when it is left and gone on with in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision } from '../../src/metadata/decision.ts'
import {
  type Changed,
  decideSetEattr,
  decideSetRetention,
  type Granted,
} from '../../src/metadata/namespace/decide-recursive.ts'
import { drawFrom } from './random-history.ts'
import { actorOf, RandomTree, snapshot, TS, treeBelow, type Way, WHOLE, ways } from './random-tree.ts'

const SEEDS = Number(process.env.SEEDS ?? 12)

for (const mode of [0, 1, 2, 3, 8, 9, 11]) {
  test(`a snapshot with mode ${mode} is the same in parts`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const uid = seed % 3 === 0 ? 1000 : 0
      const outcome = (way: Way) => {
        const tree = new RandomTree(drawFrom(seed), 60)
        const statuses = ['copy', 'copy', 'n3'].map(name =>
          snapshot(tree, uid, { source: 2, parent: 3, name, mode }, way),
        )
        return { statuses, tree: treeBelow(tree.state, 1) }
      }
      const expected = outcome(WHOLE)
      for (const way of ways) assert.deepEqual(outcome(way), expected, `seed ${seed}, ${JSON.stringify(way)}`)
    }
  })
}

for (const mode of [0x80, 0x84]) {
  test(`the removal of a snapshot with mode ${mode} is the same in parts`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = (way: Way) => {
        const draw = drawFrom(seed)
        const tree = new RandomTree(draw, 60)
        snapshot(tree, 0, { source: 2, parent: 3, name: 'copy', mode: 0 }, WHOLE)
        // Something in it changes, and something is protected.
        const { nodes } = tree.state
        const last = nodes.nextInode() - 1
        for (let i = 0; i < draw(3); i++) {
          const [inode, eattr] = [last - draw(20), draw(2) * 0x20]
          if (nodes.eattr.get(inode) === eattr) continue
          tree.log(`SETEATTR(${inode},0,${eattr},0):1,0,0`)
        }
        const status = snapshot(tree, 0, { source: 0, parent: 3, name: 'copy', mode }, way)
        return { status, tree: treeBelow(tree.state, 1) }
      }
      const expected = outcome(WHOLE)
      for (const way of ways) assert.deepEqual(outcome(way), expected, `seed ${seed}, ${JSON.stringify(way)}`)
    }
  })
}

test('recursive settings count the same in parts, also when they are begun by one master and ended by another', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = (way: Way) => {
      const tree = new RandomTree(drawFrom(seed), 60)
      const uid = seed % 2 === 0 ? 1000 : 0
      const settings = [
        (progress: Progress) =>
          decideSetRetention(
            tree.state,
            actorOf(uid, uid),
            { inode: 1, seconds: 7200, mode: 4 },
            { min: 0, max: 1e9 },
            () => TS,
            progress,
          ),
        (progress: Progress) =>
          decideSetEattr(tree.state, actorOf(uid, uid), { inode: 1, eattr: 2, mode: 5 }, () => TS, progress),
      ]
      const counts = settings.map(decide => changed(tree, decide, way))
      return { counts, tree: treeBelow(tree.state, 1) }
    }
    const expected = outcome(WHOLE)
    for (const way of ways) assert.deepEqual(outcome(way), expected, `seed ${seed}, ${JSON.stringify(way)}`)
  }
})

type Progress = Parameters<typeof decideSetEattr>[4]

function changed(tree: RandomTree, decide: (progress: Progress) => Decision<Granted<Decision<Changed>>>, way: Way) {
  let resumed = 0
  const commit: Progress['commit'] = entry => {
    tree.log(entry)
    if ('changed' in entry) resumed += entry.changed
  }
  for (let left = way.leftAfter ?? Infinity; ; left = Infinity) {
    const decision = decide({ commit, resumed, weight: way.weight })
    assert.equal(decision.status, 0)
    const { work } = decision as Granted<Decision<Changed>>
    for (let steps = 0; steps < left; steps++) {
      const { done, value } = work.next()
      if (done) return (value as Changed).counts
    }
  }
}
