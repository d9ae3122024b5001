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

const files = [
  ...[
    'rename of changelog.1.mfs',
    'rename of changelog.1.sums',
    'rename of changelog.2.mfs',
    'unlink of changelog.2.mfs',
  ],
  ...['rename of metadata.mfs', 'rename of metadata.mfs.back', 'rename of metadata.mfs.back.1'],
  ...['sync of changelog.0.mfs', 'sync of metadata.mfs.back.tmp'],
]

test('among the points are those of rotations, checkpoints and old files that go', async () => {
  const { kinds } = await crash({ seed: 1, manner: 'killed', points: [] })
  const expected = files.map(file => `after ${file.replace('of ', 'of /var/lib/mfs/')}`)
  const others = ['before write of /var/lib/mfs/changelog.0.mfs', 'before write of /var/lib/mfs/metadata.mfs.back.tmp']
  const folder = 'after syncFolder of /var/lib/mfs'
  const missing = [...expected, ...others, folder, 'before an answer', 'after an answer'].filter(
    kind => !kinds.has(kind),
  )
  assert.deepEqual(missing, [])
})

test('a master that is stopped again and again loses nothing', async () => {
  for (let seed = 1000; seed < 1020; seed++) {
    const draw = seeded(seed)
    const points = Array.from({ length: 4 }, () => 1 + Math.floor(draw() * 300)).sort((a, b) => a - b)
    const { crashes } = await crash({ seed, manner: someManner(seed), points })
    assert.ok(crashes.length > 0, `seed ${seed}`)
  }
})
