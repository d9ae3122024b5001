// The master is stopped at every point there is, once; and then at several points by chance. All points in all manners:
// npm run sim -- --crash-points
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../scheduler.ts'
import { crash, type Manner, manners, SCRIPT_CHANGES } from './crash-points.ts'

const someManner = (number: number) => manners[number % manners.length] as Manner

test('wherever the master is stopped, it comes back with everything that it acknowledged', async () => {
  const { points } = await crash({ seed: 1, manner: 'killed', points: [] })
  assert.ok(points > 150, `${points} points`)
  for (let point = 1; point <= points; point++) {
    const { crashes, acknowledged } = await crash({ seed: 1, manner: someManner(point), points: [point] })
    assert.equal(crashes.length, 1)
    assert.equal(acknowledged, SCRIPT_CHANGES)
  }
})

test('a master that is stopped again and again loses nothing', async () => {
  for (let seed = 1000; seed < 1020; seed++) {
    const draw = seeded(seed)
    const points = Array.from({ length: 4 }, () => 1 + Math.floor(draw() * 300)).sort((a, b) => a - b)
    const { crashes } = await crash({ seed, manner: someManner(seed), points })
    assert.ok(crashes.length > 0, `seed ${seed}`)
  }
})
