// Chunks look after themselves, whatever happens to their servers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkAnswer } from '../../src/master/chunks/chunk-service.ts'
import { Status } from '../../src/protocol/status.ts'
import { ChunkWorld, type LightServer, worldOptions } from './chunk-world.ts'

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

test('a write ends when its chunk has all the copies that it can have, whatever else is waited for', async () => {
  const world = new ChunkWorld(2, Array(3).fill({ room }), { ...worldOptions, replicationsDelaySeconds: 3600 })
  const inode = world.makeFile('f', 2)
  world.startAll()
  await world.scheduler.run(1000)
  const answer = await written(world, inode)
  assert.ok(answer.status === Status.OK)
  const { chunkId } = answer
  const holders = world.servers.filter(server => server.disk.has(chunkId))
  assert.equal(holders.length, 2)
  const [first, second] = holders as [LightServer, LightServer]
  const copiesWhenSafe = async () => {
    let copies: number | undefined
    const again = await written(world, inode)
    assert.equal(again.status, Status.OK)
    world.manager.whenSafe(chunkId, () => {
      copies = world.goodCopies(chunkId)
    })
    await world.scheduler.until(() => copies !== undefined, 5000, 'safety')
    return copies
  }
  assert.equal(await copiesWhenSafe(), 2)
  first.stop()
  assert.equal(await copiesWhenSafe(), 2, 'another server has a copy now')
  world.servers.find(server => server !== first && server !== second)?.stop()
  assert.equal(await copiesWhenSafe(), 1, 'there is no other server')
})

async function written(world: ChunkWorld, inode: number): Promise<ChunkAnswer> {
  let answer: ChunkAnswer | undefined
  void world.write(inode, 0).then(got => {
    answer = got
  })
  await world.scheduler.until(() => answer !== undefined, 5000, 'a write')
  return answer as ChunkAnswer
}
