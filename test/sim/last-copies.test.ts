// The last good copy of a chunk is not always the one that the master thought it would be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as matocs from '../../src/protocol/matocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { ChunkWorld, type LightServer } from './chunk-world.ts'

const begin = (servers: number) => new ChunkWorld(1, Array(servers).fill({ room: 1000 })).begin()

function damage(world: ChunkWorld, server: LightServer, chunkId: number): void {
  server.broken.add(chunkId)
  if (server.link) world.manager.copyDamaged(server.link, chunkId)
}

const versionOf = (world: ChunkWorld, chunkId: number) => {
  const { chunks } = world.ledger.state
  return chunks.version.get(chunks.find(chunkId))
}

test('a copy that could not be deleted saves its chunk when all others are lost', async () => {
  const world = await begin(3)
  const inode = world.makeFile('f', 2)
  assert.equal((await world.written(inode, 0)).status, Status.OK)
  const [kept, other] = world.servers.filter(({ disk }) => disk.has(1)) as [LightServer, LightServer]
  kept.refuses.set(matocs.remove.code, Status.IO)
  other.refuses.set(matocs.remove.code, Status.IO)
  const counts = { changed: 1, notChanged: 0, notPermitted: 0 }
  world.ledger.commit({ op: 'SETGOAL', ts: world.ledger.now(), inode, uid: 0, goal: 1, mode: 0, ...counts })
  await world.scheduler.run(5000)
  const [doomed, last] = (kept.doomed.has(1) ? [kept, other] : [other, kept]) as [LightServer, LightServer]
  assert.ok(doomed.doomed.has(1), 'one of the two is too many')
  damage(world, last, 1)
  await world.scheduler.run(5000)
  assert.equal(world.goodCopies(1), 1)
  const answer = await world.written(inode, 0)
  assert.equal(answer.status, Status.OK)
})

test('a copy that missed a write is not taken as good because the one that has it is damaged', async () => {
  const world = await begin(2)
  const inode = world.makeFile('f', 2)
  assert.equal((await world.written(inode, 0)).status, Status.OK)
  const [stale, last] = world.servers as [LightServer, LightServer]
  stale.stop()
  assert.equal((await world.written(inode, 0)).status, Status.OK)
  const version = versionOf(world, 1)
  damage(world, last, 1)
  stale.start()
  await world.scheduler.run(30_000)
  assert.equal(versionOf(world, 1), version)
  assert.equal((await world.written(inode, 0)).status, Status.CHUNKLOST)
  assert.deepEqual([stale.disk.has(1), last.disk.has(1)], [true, true], 'nothing is deleted')
})

for (const [when, ms] of [
  ['before', 1000],
  ['after', 40_000],
] as const) {
  test(`a copy told damaged while its server answers nothing stays so, ${when} the others go on without it`, async () => {
    const world = await begin(3)
    const inode = world.makeFile('f', 3)
    assert.equal((await world.written(inode, 0)).status, Status.OK)
    const [back, silent, away] = world.servers as [LightServer, LightServer, LightServer]
    away.stop()
    silent.hang(60_000)
    void world.write(inode, 0)
    await world.scheduler.run(500)
    // It has raised the version, and keeps it: nothing was written, so that what the silent one answers late counts.
    back.stop()
    back.start()
    away.start()
    await world.scheduler.run(ms)
    damage(world, silent, 1)
    await world.untilQuiet(600)
    assert.deepEqual(world.unfinished(), [])
  })
}

test('a copy that was given up is not forgotten when it is made after all', async () => {
  const world = await begin(3)
  const inode = world.makeFile('f', 2)
  assert.equal((await world.written(inode, 0)).status, Status.OK)
  const [lost] = world.servers.filter(({ disk }) => disk.has(1)) as [LightServer]
  const silent = world.servers.find(({ disk }) => !disk.has(1)) as LightServer
  silent.hang(140_000)
  lost.stop()
  await world.scheduler.run(130_000)
  assert.match(world.messages.join('\n'), /takes too long: given up/)
  // The silent server is told to delete what it may have, and does that before it has it.
  lost.start()
  await world.scheduler.run(20_000)
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})
