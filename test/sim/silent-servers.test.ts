// Servers that stay connected and do not answer: nobody waits for them for longer than 30 s, and what they answer in the
// end is not mistaken for anything else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as matocs from '../../src/protocol/matocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { ChunkWorld, type LightServer, worldOptions } from './chunk-world.ts'

const room = 1000

async function begin(servers: number): Promise<ChunkWorld> {
  const world = new ChunkWorld(1, Array(servers).fill({ room }), worldOptions)
  world.startAll()
  await world.scheduler.run(15_000)
  return world
}

const holders = (world: ChunkWorld, chunkId: number) => world.servers.filter(({ disk }) => disk.has(chunkId))

/** Another set of copies than before: the next write raises the version. */
async function unsettle(server: LightServer, world: ChunkWorld): Promise<void> {
  server.stop()
  server.start()
  await world.scheduler.run(10_000)
}

test('a write goes on without a server that does not answer', async () => {
  const world = await begin(3)
  const inode = world.makeFile('f', 2)
  await world.written(inode, 0)
  const [silent, other] = holders(world, 1) as [LightServer, LightServer]
  await unsettle(other, world)
  silent.hang(50_000)
  const beganMs = world.scheduler.nowMs
  const answer = await world.written(inode, 0)
  assert.ok(answer.status === Status.OK)
  assert.deepEqual(
    answer.copies.map(({ ip }) => ip),
    [other.ip],
  )
  assert.ok(world.scheduler.nowMs - beganMs < 33_000)
  assert.match(world.messages.join('\n'), /has not answered for 30 s: going on without its copy/)
  await world.scheduler.run(10_000)
  assert.equal(world.goodCopies(1), 2, 'another server has a copy while it is still silent')
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})

test('new chunks go to other servers than one that does not answer', async () => {
  const world = await begin(6)
  const inode = world.makeFile('f', 2)
  const [silent] = world.servers as [LightServer]
  silent.hang(300_000)
  for (let index = 0; index < 6; index++) void world.write(inode, index)
  await world.scheduler.run(40_000)
  const beganMs = world.scheduler.nowMs
  for (let index = 10; index < 30; index++) {
    const answer = await world.written(inode, index)
    assert.ok(answer.status === Status.OK && answer.copies.every(({ ip }) => ip !== silent.ip))
  }
  assert.ok(world.scheduler.nowMs - beganMs < 5000)
  await world.untilQuiet(600, 300)
  assert.deepEqual(world.unfinished(), [])
})

test('the only copy is good again once its server has answered', async () => {
  const world = await begin(1)
  const inode = world.makeFile('f', 1)
  await world.written(inode, 0)
  const [server] = world.servers as [LightServer]
  await unsettle(server, world)
  server.hang(45_000)
  const answer = await world.written(inode, 0)
  assert.equal(answer.status, Status.NOTDONE)
  await world.scheduler.run(20_000)
  assert.equal(world.goodCopies(1), 1)
  assert.equal((await world.written(inode, 0)).status, Status.OK)
  assert.equal(world.deletions, 0)
})

test('a version that a silent server may have is not given to a chunk again', async () => {
  const world = await begin(2)
  const inode = world.makeFile('f', 2)
  await world.written(inode, 0)
  const [refusing, silent] = holders(world, 1) as [LightServer, LightServer]
  await unsettle(refusing, world)
  refusing.refuses.set(matocs.setVersion.code, Status.NOTDONE)
  silent.hang(60_000)
  assert.equal((await world.written(inode, 0)).status, Status.NOTDONE)
  refusing.refuses.clear()
  assert.equal((await world.written(inode, 0)).status, Status.OK)
  // It raises the version now, and was not there when the chunk was written.
  await world.scheduler.run(40_000)
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})

test('deletions that are not answered keep no others waiting', async () => {
  const world = await begin(3)
  world.fill(200, 2, 3)
  const [silent] = world.servers as [LightServer]
  for (const server of world.servers) {
    server.stop()
    server.start()
  }
  silent.hang(100_000)
  await world.scheduler.run(45_000)
  assert.ok(world.deletions >= 100, String(world.deletions))
  await world.untilQuiet(900)
  assert.deepEqual(world.unfinished(), [])
})

test('a copy that is told damaged while its version is raised is not good afterwards', async () => {
  const world = await begin(2)
  const inode = world.makeFile('f', 2)
  await world.written(inode, 0)
  const [slow, other] = holders(world, 1) as [LightServer, LightServer]
  await unsettle(other, world)
  slow.hang(5000)
  const answered = world.write(inode, 0)
  await world.scheduler.run(1000)
  slow.broken.add(1)
  assert.ok(slow.link)
  world.manager.copyDamaged(slow.link, 1)
  await world.scheduler.run(10_000)
  const answer = await answered
  assert.ok(answer.status === Status.OK)
  assert.deepEqual(
    answer.copies.map(({ ip }) => ip),
    [other.ip],
  )
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})

test('what one server carried out stands, though another refused it and left', async () => {
  const world = await begin(2)
  const inode = world.makeFile('f', 2)
  await world.written(inode, 0)
  const [refusing, slow] = holders(world, 1) as [LightServer, LightServer]
  await unsettle(refusing, world)
  refusing.refuses.set(matocs.setVersion.code, Status.NOTDONE)
  slow.hang(5000)
  const answered = world.write(inode, 0)
  await world.scheduler.run(1000)
  refusing.stop()
  await world.scheduler.run(500)
  refusing.refuses.clear()
  refusing.start()
  await world.scheduler.run(10_000)
  const answer = await answered
  assert.ok(answer.status === Status.OK)
  assert.deepEqual(
    answer.copies.map(({ ip }) => ip),
    [slow.ip],
  )
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})
