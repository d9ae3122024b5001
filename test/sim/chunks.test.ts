// Chunks look after themselves, whatever happens to their servers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkAnswer } from '../../src/master/chunks/chunk-service.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { playFailures } from './chunk-failures.ts'
import { ChunkWorld, type LightServer, worldOptions } from './chunk-world.ts'

const room = 1_000_000
const LEASE_MS = 120_000

async function world(seed: number, servers: number, fill: (world: ChunkWorld) => void): Promise<ChunkWorld> {
  const made = new ChunkWorld(seed, Array(servers).fill({ room }))
  fill(made)
  made.startAll()
  await made.scheduler.run(15_000)
  return made
}

test('copies that were on a lost server are made anew, and are too many when it comes back', async () => {
  const cluster = await world(1, 6, w => w.fill(3000, 2, 2))
  const [first] = cluster.servers as [LightServer]
  first.stop()
  await cluster.untilQuiet(600)
  assert.deepEqual(cluster.unfinished(), [])
  assert.ok(cluster.copies >= 900, String(cluster.copies))
  assert.equal(cluster.deletions, 0)
  first.start()
  await cluster.untilQuiet(600)
  assert.deepEqual(cluster.unfinished(), [])
  assert.equal(cluster.deletions, cluster.copies)
})

test('a copy that somebody misses while it is being made is there when it is', async () => {
  const cluster = await world(4, 3, () => {})
  const inode = cluster.makeFile('written', 2)
  assert.equal((await cluster.written(inode, 0)).status, Status.OK)
  const [gone] = cluster.servers.filter(({ disk }) => disk.has(1)) as [LightServer]
  const target = cluster.servers.find(({ disk }) => !disk.has(1)) as LightServer
  gone.stop()
  const missed = () => {
    if (target.link && !target.disk.has(1)) cluster.manager.copyLost(target.link, 1)
    cluster.scheduler.at(2, missed)
  }
  missed()
  const before = cluster.copies
  await cluster.scheduler.run(60_000)
  assert.equal(cluster.goodCopies(1), 2)
  assert.deepEqual([cluster.copies - before, cluster.messages.filter(text => text.includes('failed'))], [1, []])
})

for (const isOriginal of [true, false]) {
  const whose = isOriginal ? 'the original' : 'ours'
  test(`what a dead client left in many chunks is settled, with ${isOriginal ? 'one question' : 'questions'} at a time to a server of ${whose}`, async () => {
    const cluster = await new ChunkWorld(5, Array(3).fill({ room, isOriginal })).begin()
    const [open, most] = [new Map<LightServer, number>(), new Map<LightServer, number>()]
    const count = (server: LightServer, by: number) => {
      const now = (open.get(server) ?? 0) + by
      open.set(server, now)
      most.set(server, Math.max(now, most.get(server) ?? 0))
    }
    const { checksumTold } = cluster.manager
    cluster.manager.checksumTold = (...args) => {
      count(cluster.servers.find(({ link }) => link === args[0]) as LightServer, -1)
      checksumTold.apply(cluster.manager, args)
    }
    for (const server of cluster.servers) {
      const { link } = server
      if (!link) continue
      const { send } = link
      const counted = (packet: Buffer) => {
        if (packet.readUInt32BE(0) === cltocs.getChunkChecksum.code) count(server, 1)
        send(packet)
      }
      Object.assign(link, { send: counted })
    }
    const rows = () => [...cluster.ledger.state.chunks.rows()]
    for (let i = 0; i < 100; i++) {
      const inode = cluster.makeFile(`left${i}`, 2)
      cluster.manager.write({ inode, index: 0, session: 1, continues: false }, () => {})
    }
    await cluster.scheduler.run(1000)
    assert.equal(rows().length, 100)
    cluster.manager.sessionEnded(1)
    await cluster.scheduler.run(LEASE_MS + 10_000)
    const { chunks } = cluster.ledger.state
    assert.deepEqual(
      rows().filter(row => chunks.lockedTo.get(row) !== 0),
      [],
    )
    for (const times of most.values()) assert.ok(isOriginal ? times === 1 : times > 10, `${times} at a time`)
    assert.equal(most.size, 3)
  })
}

test('a copy that was away while its chunk was written never counts as good again', async () => {
  const cluster = await world(2, 3, () => {})
  const inode = cluster.makeFile('written', 3)
  assert.equal((await cluster.written(inode, 0)).status, Status.OK)
  const [first] = cluster.servers as [LightServer]
  first.stop()
  assert.equal((await cluster.written(inode, 0)).status, Status.OK)
  first.start()
  await cluster.untilQuiet(600)
  assert.deepEqual(cluster.unfinished(), [])
})

test('a copy that came along, left and is back with the raised version is what it says', async () => {
  const cluster = await world(3, 3, () => {})
  const inode = cluster.makeFile('written', 3)
  assert.equal((await cluster.written(inode, 0)).status, Status.OK)
  const [back, silent, away] = cluster.servers as [LightServer, LightServer, LightServer]
  away.stop()
  silent.hang(60_000)
  void cluster.write(inode, 0)
  await cluster.scheduler.run(1000)
  back.stop()
  back.start()
  away.start()
  await cluster.untilQuiet(600)
  assert.deepEqual(cluster.unfinished(), [])
  const [chunkId] = [...back.disk.keys()]
  assert.equal(cluster.goodCopies(chunkId as number), 3)
})

// Seed 9000213 of the whole cluster: a file that another client had cut grew again.
test('the write of a client that has gone while it waited is not begun', async () => {
  for (const isGone of [false, true]) {
    const cluster = await world(6, 3, () => {})
    const { manager, scheduler } = cluster
    const inode = cluster.makeFile('written', 3)
    const answers: ChunkAnswer[] = []
    const write = (session: number, isStale: () => boolean) =>
      manager.write({ inode, index: 0, session, continues: false, isStale }, answer => answers.push(answer))
    write(1, () => false)
    await scheduler.run(1000)
    const [first] = answers
    assert.equal(first?.status, Status.OK)
    write(2, () => isGone)
    await scheduler.run(1000)
    assert.equal(answers.length, 1, 'the other one has the lease')
    if (first.status === Status.OK) manager.unlock(first.chunkId, 1)
    await scheduler.run(2000)
    assert.equal(answers.length, isGone ? 1 : 2)
  }
})

const seeds = [1, 2, 3, 4, 5, 6, 7, 8]
for (const seed of seeds) {
  test(`chunks find back to their goal after 60 failures of 8 servers (seed ${seed})`, async () => {
    const report = await playFailures({ seed, servers: 8, chunks: 1000, failures: 60 })
    assert.deepEqual(report.wrongs, [])
    assert.ok(report.copies > 1000)
  })
}

for (const seed of [1, 2, 3]) {
  test(`chunks find back to their goal when servers that come have told all in advance (seed ${seed})`, async () => {
    const report = await playFailures({ seed, servers: 8, chunks: 1000, failures: 60, isEarly: true })
    assert.deepEqual(report.wrongs, [])
    assert.ok(report.copies > 1000)
  })
}

test('a million chunks on 50 servers find back to their goal after failures (seed 1)', async () => {
  const report = await playFailures({ seed: 1, servers: 50, chunks: 1_000_000, failures: 8 })
  assert.deepEqual(report.wrongs, [])
  assert.ok(report.copies > 10_000)
})

test('a write ends when its chunk has all the copies that it can have, whatever else is waited for', async () => {
  const world = new ChunkWorld(2, Array(3).fill({ room }), { ...worldOptions, replicationsDelaySeconds: 3600 })
  const inode = world.makeFile('f', 2)
  await world.begin()
  const answer = await world.written(inode, 0)
  assert.ok(answer.status === Status.OK)
  const { chunkId } = answer
  const holders = world.servers.filter(server => server.disk.has(chunkId))
  assert.equal(holders.length, 2)
  const [first, second] = holders as [LightServer, LightServer]
  const copiesWhenSafe = async () => {
    let copies: number | undefined
    const again = await world.written(inode, 0)
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

test("a lease is its own session's to end, and whoever waits for it goes on when it is over by time", async () => {
  const cluster = await world(6, 3, () => {})
  const { manager, scheduler } = cluster
  const inode = cluster.makeFile('leased', 2)
  const [HOLDER, OTHER, WAITER] = [1, 2, 3]
  const answers = new Map<number, ChunkAnswer>()
  const write = (session: number) =>
    manager.write({ inode, index: 0, session, continues: false }, answer => answers.set(session, answer))
  write(HOLDER)
  await scheduler.run(1000)
  const held = answers.get(HOLDER)
  assert.ok(held?.status === Status.OK)
  const row = cluster.ledger.state.chunks.find(held.chunkId)
  const isLocked = () => cluster.ledger.state.chunks.isLocked(row, cluster.ledger.now())
  manager.unlock(held.chunkId, OTHER)
  assert.ok(isLocked(), 'it is not the lease of the other session')
  await scheduler.run(LEASE_MS - 20_000)
  write(WAITER)
  await scheduler.run(10_000)
  assert.equal(answers.get(WAITER), undefined, 'it waits for the holder')
  await scheduler.run(15_000)
  assert.equal(answers.get(WAITER)?.status, Status.OK)
  manager.unlock(held.chunkId, HOLDER)
  assert.ok(isLocked(), "the first holder is late: the lease is the next one's")
  manager.unlock(held.chunkId, WAITER)
  assert.ok(!isLocked())
})
