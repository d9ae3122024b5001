// A few seeds of the cluster of masters, for every check; the rules one by one and more seeds are in ha/rules.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mixedWorld } from './ha/scenarios.ts'
import { runWorld } from './ha/world.ts'

test('masters fail over under every fault without losing what was acknowledged', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const { acknowledged } = await runWorld(mixedWorld(seed))
    assert.ok(acknowledged > 0, `seed ${seed}`)
  }
})
