// Chunks look after themselves, whatever happens to their servers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkWorld, type LightServer } from './chunk-world.ts'

const room = 1_000_000

test('copies that were on a lost server are made anew', async () => {
  const world = new ChunkWorld(1, Array(6).fill({ room }))
  world.fill(3000, 2, 2)
  world.startAll()
  await world.scheduler.run(10_000)
  const [first] = world.servers as [LightServer]
  first.stop()
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
  assert.ok(world.copies >= 900, String(world.copies))
  first.start()
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})
