// Servers that lost their power, and with it what was written shortly before: the copies that they do not vouch for count
// again only when they are as others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cltocs from '../../src/protocol/cltocs.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { ChunkWorld, type LightServer } from './chunk-world.ts'

const CHUNK = 1
const AWAY_MS = 5000
const SAW_LOSS = /lacks what was written before it left: its copy is replaced/

/** A chunk with a copy on each server, written twice. */
async function written(servers = 2) {
  const world = await new ChunkWorld(1, Array(servers).fill({ room: 1000 })).begin()
  const inode = world.makeFile('f', servers)
  for (let i = 0; i < 2; i++) assert.equal((await world.written(inode, 0)).status, Status.OK)
  const [one, two, three] = world.servers as [LightServer, LightServer, LightServer]
  return { world, inode, one, two, three }
}

/** The power of the server is cut. @param lost whether the last write is gone with it */
function stop(server: LightServer, lost: boolean): void {
  server.stop()
  server.unsure.add(CHUNK)
  if (lost) server.contents.set(CHUNK, 1)
}

async function away(world: ChunkWorld, server: LightServer, lost: boolean, ms = AWAY_MS): Promise<void> {
  stop(server, lost)
  await world.scheduler.run(ms)
  server.start()
}

const contentsOf = (world: ChunkWorld) =>
  world.servers.filter(({ disk }) => disk.has(CHUNK)).map(({ contents }) => contents.get(CHUNK))

/** Both copies are there in the end, and have what was written. */
async function assertWhole(world: ChunkWorld): Promise<void> {
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
  assert.deepEqual(contentsOf(world), [world.contents.get(CHUNK), world.contents.get(CHUNK)])
  // Servers may serve what counts.
  assert.deepEqual(
    world.servers.flatMap(({ unsure }) => [...unsure]),
    [],
  )
}

/** Servers that clients are told to read from. */
function readers(world: ChunkWorld, inode: number): number[] {
  let ips: number[] = []
  world.manager.read(inode, 0, answer => {
    if (answer.status === Status.OK) ips = answer.copies.map(({ ip }) => ip)
  })
  return ips
}

test('nobody reads a copy that lacks the last write, and it is replaced', async () => {
  const { world, inode, one, two } = await written()
  await away(world, one, true)
  const told = new Set<number>()
  for (let i = 0; i < 500; i++) {
    await world.scheduler.run(1)
    for (const ip of readers(world, inode)) told.add(ip)
    if (one.contents.get(CHUNK) === 2 || !one.disk.has(CHUNK)) break
  }
  assert.deepEqual([...told], [two.ip])
  await assertWhole(world)
  assert.match(world.messages.join('\n'), SAW_LOSS)
})

test('a copy that lacks nothing counts again at once, and no other one is made', async () => {
  const { world, inode, one } = await written()
  const before = world.copies
  await away(world, one, false, 500)
  await world.scheduler.run(200)
  assert.equal(readers(world, inode).length, 2)
  await assertWhole(world)
  assert.equal(world.copies, before)
  assert.doesNotMatch(world.messages.join('\n'), SAW_LOSS)
})

for (const [why, prepare] of Object.entries<(world: ChunkWorld, server: LightServer) => void>({
  'its server vouches for it': (_world, server) => server.unsure.clear(),
  'servers are of the original': world => {
    for (const { link } of world.servers) if (link) link.isOurs = false
    for (const { options } of world.servers) options.isOriginal = true
  },
})) {
  test(`a copy is taken as it is where ${why}`, async () => {
    const { world, one, two } = await written()
    const asked: number[] = []
    stop(one, false)
    prepare(world, one)
    await world.scheduler.run(AWAY_MS)
    one.start()
    for (const server of [one, two]) {
      const { send } = server.link as unknown as { send: (packet: Buffer) => void }
      Object.assign(server.link as object, {
        send: (packet: Buffer) => {
          asked.push(packet.readUInt32BE(0))
          send(packet)
        },
      })
    }
    await world.scheduler.run(20_000)
    assert.ok(!asked.includes(cltocs.getChunkChecksum.code))
  })
}

test('where all servers lost their power all copies are the same in the end', async () => {
  for (const oneLost of [true, false]) {
    const { world, inode, one, two } = await written()
    stop(one, oneLost)
    stop(two, !oneLost)
    const left = oneLost ? 1 : 2
    world.contents.set(CHUNK, left)
    await world.scheduler.run(AWAY_MS)
    one.start()
    await world.scheduler.run(2000)
    assert.deepEqual(readers(world, inode), [one.ip])
    two.start()
    await world.untilQuiet(600)
    assert.deepEqual([contentsOf(world), world.deletions], [[left, left], 1])
    assert.deepEqual([...one.unsure, ...two.unsure], [])
  }
})

test('a copy that is vouched for and comes last is the measure of those before it', async () => {
  const { world, inode, one, two, three } = await written(3)
  for (const server of [one, two]) stop(server, true)
  three.stop()
  await world.scheduler.run(AWAY_MS)
  for (const server of [one, two]) {
    server.start()
    await world.scheduler.run(1000)
  }
  assert.equal(readers(world, inode).length, 2)
  three.start()
  await world.scheduler.until(() => readers(world, inode).includes(three.ip), 1000, 'it')
  assert.deepEqual(readers(world, inode), [three.ip])
  await world.untilQuiet(600)
  assert.deepEqual(contentsOf(world), [2, 2, 2])
})

test('a copy that is told to the next master in advance is compared like others', async () => {
  const { world, inode, one, two } = await written()
  one.options.isEarly = true
  await away(world, one, true)
  await world.scheduler.run(1)
  assert.deepEqual(readers(world, inode), [two.ip])
  await assertWhole(world)
  assert.match(world.messages.join('\n'), SAW_LOSS)
})

test('where the copy that stayed is lost meanwhile the other one counts', async () => {
  const { world, inode, one, two } = await written()
  stop(one, true)
  await world.scheduler.run(AWAY_MS)
  two.hang(60_000)
  one.start()
  await world.scheduler.run(1000)
  assert.deepEqual(readers(world, inode), [two.ip])
  two.stop()
  assert.deepEqual(readers(world, inode), [one.ip])
})

test('a server that does not answer is asked again until it does', async () => {
  const { world, inode, one } = await written()
  stop(one, true)
  await world.scheduler.run(AWAY_MS)
  one.start()
  one.hang(35_000)
  await world.scheduler.run(34_000)
  assert.equal(readers(world, inode).length, 1)
  assert.doesNotMatch(world.messages.join('\n'), SAW_LOSS)
  await assertWhole(world)
  assert.match(world.messages.join('\n'), SAW_LOSS)
})

test('a copy that comes back in the middle of a write waits for its end', async () => {
  const { world, inode, one } = await written()
  let id = 0
  world.manager.write({ inode, index: 0, session: 1, continues: false }, answer => {
    if (answer.status === Status.OK) id = answer.chunkId
  })
  await world.scheduler.run(50)
  assert.equal(id, CHUNK)
  await away(world, one, true, 1000)
  await world.scheduler.run(3000)
  assert.equal(world.manager.goodCopies(world.ledger.state.chunks.find(CHUNK)), 1)
  let safe = false
  world.manager.unlock(CHUNK, 1)
  world.manager.whenSafe(CHUNK, () => {
    safe = true
  })
  assert.ok(!safe)
  await world.scheduler.run(10_000)
  assert.ok(safe)
  await assertWhole(world)
})

test('very many copies come back, some of them in the middle of writes, and all of them count in the end', async () => {
  const world = await new ChunkWorld(1, Array(2).fill({ room: 10_000 })).begin()
  const inodes = Array.from({ length: 60 }, (_, i) => world.makeFile(`f${i}`, 2))
  for (const inode of inodes) {
    await Promise.all([world.scheduler.run(50), ...Array.from({ length: 50 }, (_, index) => world.write(inode, index))])
  }
  const locked: number[] = []
  for (const inode of inodes) {
    for (let index = 0; index < 50; index += 3) {
      world.manager.write({ inode, index, session: 1, continues: false }, answer => {
        if (answer.status === Status.OK) locked.push(answer.chunkId)
      })
    }
  }
  await world.scheduler.run(1000)
  assert.equal(locked.length, 60 * 17)
  const [one] = world.servers as [LightServer]
  const before = world.copies
  one.stop()
  for (const chunkId of one.disk.keys()) one.unsure.add(chunkId)
  await world.scheduler.run(500)
  one.start()
  await world.scheduler.run(5000)
  const good = () => [...world.ledger.state.chunks.rows()].filter(row => world.manager.goodCopies(row) === 2).length
  assert.equal(good(), 60 * 50 - locked.length)
  for (const chunkId of locked) world.manager.unlock(chunkId, 1)
  await world.scheduler.run(5000)
  assert.deepEqual([good(), world.copies - before], [60 * 50, 0])
})

test('who writes next waits until it is known which copies are good', async () => {
  const { world, inode, one } = await written()
  one.refuses.set(matocs.setVersion.code, Status.IO)
  stop(one, false)
  await world.scheduler.run(AWAY_MS)
  one.start()
  await world.scheduler.until(
    () => world.manager.presentCopies(world.ledger.state.chunks.find(CHUNK)) === 2,
    5000,
    'it',
  )
  one.refuses.clear()
  const answer = await world.written(inode, 0)
  assert.ok(answer.status === Status.OK)
  assert.equal(answer.copies.length, 2)
  await assertWhole(world)
})

const [SERVERS, FILES, CUTS] = [4, 12, 25]
/** Linux writes back after 30 s. */
const WRITTEN_BACK_MS = 35_000

/** One power cut after the other while files are written. @returns how many copies lacked something */
async function cuts(seed: number): Promise<number> {
  const world = await new ChunkWorld(seed, Array(SERVERS).fill({ room: 1000 })).begin()
  const { scheduler, servers } = world
  const writtenMs = new Map<number, number>()
  const inodes = Array.from({ length: FILES }, (_, i) => world.makeFile(`f${i}`, 2))
  const write = async (inode: number) => {
    const answer = await world.write(inode, 0)
    assert.equal(answer.status, Status.OK)
    if (answer.status === Status.OK) writtenMs.set(answer.chunkId, scheduler.nowMs)
  }
  const read = () => {
    for (const inode of inodes) {
      world.manager.read(inode, 0, answer => {
        if (answer.status !== Status.OK) return assert.fail(`seed ${seed}: status ${answer.status}`)
        for (const { ip } of answer.copies) {
          const { contents } = servers.find(server => server.ip === ip) as LightServer
          assert.equal(contents.get(answer.chunkId), world.contents.get(answer.chunkId), `seed ${seed}`)
        }
      })
    }
  }
  const live = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 50) {
      if (scheduler.between(0, 20) === 0) void write(inodes[scheduler.between(0, FILES - 1)] as number)
      await scheduler.run(50)
      read()
    }
  }
  let lost = 0
  for (let i = 0; i < CUTS; i++) {
    await live(scheduler.between(500, 20_000))
    const server = servers[scheduler.between(0, SERVERS - 1)] as LightServer
    server.stop()
    server.unsure.clear()
    for (const [chunkId, content] of server.contents) {
      server.unsure.add(chunkId)
      const isYoung = scheduler.nowMs - (writtenMs.get(chunkId) ?? 0) < WRITTEN_BACK_MS
      if (!isYoung || content < 2 || scheduler.between(0, 2) === 0) continue
      server.contents.set(chunkId, content - 1)
      lost++
    }
    await live(scheduler.between(500, 20_000))
    server.start()
    // So that the next one does not take the only copy.
    await world.untilQuiet(600, 2)
  }
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [], `seed ${seed}`)
  return lost
}

test('nothing that was lost with the power of one server after the other is ever read, and all copies are whole', async () => {
  let lost = 0
  for (let seed = 1; seed <= 6; seed++) lost += await cuts(seed)
  assert.ok(lost > 50, `${lost}`)
})
