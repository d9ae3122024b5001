// What the original does badly when servers flap, are maintained, lack labels or keep old copies, and what should happen.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../../src/metadata/changelog/entry.ts'
import { Status } from '../../src/protocol/status.ts'
import { ChunkWorld, type LightServer, type LightServerOptions, worldOptions } from './chunk-world.ts'

const room = 100_000
const [A, B, C, D] = [1, 2, 4, 8] as const
const STRICT = 2
const STANDARD = 1

interface Setup {
  servers: LightServerOptions[]
  fill?: (world: ChunkWorld) => void
  options?: Partial<typeof worldOptions>
}

const plain = (count: number): LightServerOptions[] => Array.from({ length: count }, () => ({ room }))
const labelled = (...labels: number[]): LightServerOptions[] => labels.map(mask => ({ room, labels: mask }))

async function begin({ servers, fill, options }: Setup): Promise<ChunkWorld> {
  const world = new ChunkWorld(1, servers, { ...worldOptions, ...options })
  fill?.(world)
  return world.begin()
}

/** Makes a class, or redefines it, that wants one copy on a server of each of these label sets, for new chunks and for old ones. */
function makeClass(world: ChunkWorld, name: string, mode: number, ...masks: number[]): number {
  const { storageClasses } = world.ledger.state
  const known = storageClasses.idOf(name)
  const classId = known ?? storageClasses.nextId()
  const all = [...masks, ...masks, ...masks].flatMap(mask => [mask, 0, 0, 0])
  const counts = { createCount: masks.length, keepCount: masks.length, archiveCount: masks.length }
  const rest = { isNew: known === undefined, mode, archiveDelayDays: 0, adminOnly: false, masks: all, classId }
  world.ledger.commit({ op: 'SCSET', ts: world.ledger.now(), name, ...counts, ...rest } as Entry)
  return classId
}

const holders = (world: ChunkWorld, chunkId: number) => world.servers.filter(({ disk }) => disk.has(chunkId))

const chunksWith = (world: ChunkWorld, good: number) =>
  [...world.ledger.state.chunks.rows()].filter(row => world.goodCopies(world.ledger.state.chunks.id(row)) === good)

test('a server that comes and goes keeps nobody from repairing what others have lost', async () => {
  const world = await begin({ servers: plain(6), fill: w => w.fill(2000, 2, 2) })
  const [flapping, lost] = world.servers as [LightServer, LightServer]
  const flap = (seconds: number) => {
    if (flapping.isConnected) flapping.stop()
    else flapping.start()
    if (seconds > 0) world.scheduler.at(2500, () => flap(seconds - 2.5))
  }
  flap(120)
  lost.stop()
  await world.scheduler.run(100_000)
  const bad = [...world.ledger.state.chunks.rows()].filter(row => {
    const chunkId = world.ledger.state.chunks.id(row)
    const elsewhere = world.servers.filter(s => s !== flapping && s !== lost && s.disk.has(chunkId)).length
    return elsewhere < 2 && !flapping.disk.has(chunkId)
  })
  assert.equal(bad.length, 0)
})

test('while a server is in maintenance, chunks that have nothing to do with it are repaired', async () => {
  const world = await begin({ servers: plain(6), fill: w => w.fill(1200, 3, 3) })
  const [maintained, lost] = world.servers as [LightServer, LightServer]
  world.manager.setMaintenance(maintained.ip, 9422, true)
  maintained.stop()
  await world.scheduler.run(120_000)
  assert.equal(world.copies, 0, 'copies on the maintained server are waited for')
  lost.stop()
  await world.scheduler.run(120_000)
  for (const row of world.ledger.state.chunks.rows()) {
    const chunkId = world.ledger.state.chunks.id(row)
    const good = world.goodCopies(chunkId)
    const least = maintained.disk.has(chunkId) ? 2 : 3
    assert.ok(good >= least, `chunk ${chunkId}: ${good} copies`)
  }
  maintained.start()
  lost.start()
  world.manager.setMaintenance(maintained.ip, 9422, false)
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})

test('the last copy of a chunk is not left alone for the length of a maintenance', async () => {
  const world = await begin({ servers: plain(4), fill: w => w.fill(400, 2, 2) })
  const [first] = world.servers as [LightServer]
  world.manager.serverStops(first.link as NonNullable<LightServer['link']>)
  first.stop()
  await world.scheduler.run(50_000)
  assert.equal(world.copies, 0, 'a short stop costs nothing')
  assert.ok(chunksWith(world, 1).length > 100)
  await world.scheduler.run(60_000)
  assert.equal(chunksWith(world, 1).length, 0)
})

test('a stop in order is a temporary maintenance that ends with the return, or by time', async () => {
  const world = await begin({ servers: plain(3) })
  const [first] = world.servers as [LightServer]
  const maintenance = () => world.ledger.state.knownServers.byId(first.id)?.maintenance
  const stop = () => {
    world.manager.serverStops(first.link as NonNullable<LightServer['link']>)
    first.stop()
  }
  stop()
  assert.equal(maintenance(), 2)
  first.start()
  assert.equal(maintenance(), 0)
  stop()
  await world.scheduler.run(1_802_000)
  assert.equal(maintenance(), 0)
})

test('labels that no server has cost no copy and no deletion, for ever', async () => {
  for (const mode of [0, STANDARD]) {
    const world = await begin({ servers: labelled(A, B, C) })
    const inode = world.makeFile('f', makeClass(world, `class${mode}`, mode, A, D))
    const answer = await world.written(inode, 0)
    assert.equal(answer.status, Status.OK)
    const made = world.copies
    assert.equal(made, 2)
    await world.scheduler.run(3_600_000)
    assert.deepEqual([world.copies, world.deletions], [made, 0])
  }
})

test('when a server with the wanted label comes, copies go there', async () => {
  const world = await begin({ servers: labelled(A, B, D) })
  const late = world.servers[2] as LightServer
  late.stop()
  const inode = world.makeFile('f', makeClass(world, 'late', STANDARD, A, D))
  for (let index = 0; index < 20; index++) await world.written(inode, index)
  late.start()
  await world.untilQuiet(600)
  assert.equal(late.disk.size, 20)
  assert.equal((world.servers[1] as LightServer).disk.size, 0)
  assert.deepEqual(world.unfinished(), [])
})

test('copies move at once when their class wants other servers or more copies', async () => {
  const world = await begin({ servers: labelled(A, B, C, D) })
  const inode = world.makeFile('f', makeClass(world, 'moved', STANDARD, A, B))
  for (let index = 0; index < 20; index++) await world.written(inode, index)
  await world.untilQuiet(600)
  const filled = () => world.servers.map(({ disk }) => disk.size)
  assert.deepEqual(filled(), [20, 20, 0, 0])
  makeClass(world, 'moved', STANDARD, C, D)
  await world.scheduler.run(30_000)
  assert.deepEqual(filled(), [0, 0, 20, 20])
  makeClass(world, 'moved', STANDARD, A, C, D)
  await world.scheduler.run(30_000)
  assert.deepEqual(filled(), [20, 0, 20, 20])
})

test('a strict class makes no chunk with a single copy', async () => {
  const world = await begin({ servers: labelled(A, B, C) })
  const inode = world.makeFile('f', makeClass(world, 'strict', STRICT, A, D))
  assert.equal((await world.written(inode, 0)).status, Status.NOSPACE)
  assert.equal(world.copies, 0)
})

test('a strict class that has lost a label keeps two copies inside its labels', async () => {
  const world = await begin({ servers: labelled(A, A, D, B) })
  const inode = world.makeFile('f', makeClass(world, 'strict', STRICT, A, D))
  for (let index = 0; index < 10; index++) await world.written(inode, index)
  world.servers[2]?.stop()
  await world.scheduler.run(120_000)
  assert.equal(chunksWith(world, 2).length, 10)
  assert.equal((world.servers[3] as LightServer).disk.size, 0, 'it has none of the labels')
})

test('a stale copy gives way at once where it takes the only place for a good one', async () => {
  const world = await begin({ servers: plain(3) })
  const inode = world.makeFile('f', 3)
  for (let index = 0; index < 10; index++) await world.written(inode, index)
  const [first] = world.servers as [LightServer]
  first.stop()
  for (let index = 0; index < 10; index++) await world.written(inode, index)
  first.start()
  await world.scheduler.run(15_000)
  assert.deepEqual(world.unfinished(), [])
})

test('nothing is copied when a server is connected again within its registration', async () => {
  const world = await begin({ servers: plain(4), fill: w => w.fill(1000, 3, 3) })
  const [first] = world.servers as [LightServer]
  first.stop()
  first.start()
  await world.scheduler.run(60_000)
  assert.ok(world.copies < 20, `${world.copies} copies were made in vain`)
})

test('disks that are marked for removal are emptied of what is needed, and serve until then', async () => {
  const world = await begin({ servers: plain(4), fill: w => w.fill(800, 2, 2) })
  const [leaving] = world.servers as [LightServer]
  const before = leaving.disk.size
  world.mark(leaving, true)
  await world.untilQuiet(600)
  assert.equal(leaving.disk.size, before, 'the copies stay while the disk does')
  for (const row of world.ledger.state.chunks.rows()) {
    const chunkId = world.ledger.state.chunks.id(row)
    const elsewhere = holders(world, chunkId).filter(server => server !== leaving).length
    assert.equal(elsewhere, 2, `chunk ${chunkId}`)
  }
})

test('full and empty servers come to be filled alike, and then there is peace', async () => {
  const servers = [{ room: 2000 }, { room: 2000 }, { room: 4000 }, { room: 1000 }]
  const world = await begin({ servers: [...servers, { room: 3000 }], fill: w => w.fill(2000, 2, 2) })
  await world.untilQuiet(3600)
  const usages = world.servers.map(({ disk, options }) => disk.size / options.room)
  assert.ok(Math.max(...usages) - Math.min(...usages) < 0.02, usages.join(' '))
  assert.deepEqual(world.unfinished(), [])
})

test('an unknown chunk is kept for a week, and one that was never given out for ever', async () => {
  const world = await begin({ servers: plain(2) })
  const [server] = world.servers as [LightServer]
  world.ledger.commit({ op: 'NEXTCHUNKID', ts: world.ledger.now(), chunkId: 100 })
  server.stop()
  server.disk.set(50, 3)
  server.disk.set(5000, 1)
  server.start()
  await world.scheduler.run(60_000)
  const { chunks } = world.ledger.state
  assert.notEqual(chunks.find(50), 0)
  assert.match(world.messages.join('\n'), /chunk 32 belongs to no file/)
  assert.match(world.messages.join('\n'), /chunk 1388 belongs to no file, and was never given out/)
  assert.equal(world.deletions, 0)
  const lockedFor = (chunkId: number) => chunks.lockedTo.get(chunks.find(chunkId)) - world.ledger.now()
  assert.ok(Math.abs(lockedFor(50) - 7 * 86_400) < 100)
  assert.ok(lockedFor(5000) > 50 * 365 * 86_400)
  assert.equal(world.manager.tally.kept, 2, 'a monitor sees how many there are')
})

test('racks are kept apart when they shall be', async () => {
  const servers = [1, 2, 3, 4].map(host => ({ room, ip: 0x0a000000 + (host <= 2 ? 256 : 512) + host }))
  const world = await begin({ servers, options: { unique: 2 } })
  const { parseTopology } = await import('../../src/master/policy/topology.ts')
  world.manager.setTopology(parseTopology('10.0.1.0/24 left\n10.0.2.0/24 right\n', 'file').topology)
  const inode = world.makeFile('f', 2)
  for (let index = 0; index < 30; index++) await world.written(inode, index)
  for (let id = 1; id <= 30; id++) {
    const racks = new Set(holders(world, id).map(({ ip }) => ip >>> 8))
    assert.equal(racks.size, 2, `chunk ${id}`)
  }
})

test('a monitor sees how many copies chunks have, without a walk over all of them', async () => {
  const world = await begin({ servers: plain(4), fill: w => w.fill(300, 2, 2) })
  const cell = (goal: number, copies: number) => world.manager.tally.all[goal * 11 + copies]
  assert.deepEqual([cell(2, 2), cell(2, 1)], [300, 0])
  const [first] = world.servers as [LightServer]
  const held = first.disk.size
  world.manager.setMaintenance(first.ip, 9422, true)
  first.stop()
  await world.scheduler.run(2000)
  assert.deepEqual([cell(2, 2), cell(2, 1)], [300 - held, held])
  await world.scheduler.run(700_000)
  assert.deepEqual([cell(2, 2), cell(2, 1)], [300, 0])
  assert.equal(world.manager.removeServer(first.ip, 9422), Status.OK)
  assert.equal(world.manager.removeServer(first.ip, 9422), Status.NOTFOUND)
  const second = world.servers[1] as LightServer
  assert.equal(world.manager.removeServer(second.ip, 9422), Status.ACTIVE)
})

test('nothing is copied before the delay after a start is over', async () => {
  const options = { replicationsDelaySeconds: 40 }
  const world = await begin({ servers: plain(3), fill: w => w.fill(100, 2, 1), options })
  await world.scheduler.run(20_000)
  assert.equal(world.copies, 0)
  await world.scheduler.run(20_000)
  assert.equal(world.copies, 100)
})

test('no server copies more at a time than the limits allow', async () => {
  const options = {
    writeReplicationLimits: [3, 1, 1, 1] as const,
    readReplicationLimits: [2, 1, 1, 1] as const,
    replicationsDelaySeconds: 20,
  }
  const world = await begin({ servers: plain(4), fill: w => w.fill(400, 2, 1), options })
  let [incoming, outgoing] = [0, 0]
  for (let step = 0; step < 2000; step++) {
    await world.scheduler.run(5)
    for (const { link } of world.servers) {
      incoming = Math.max(incoming, link?.incoming ?? 0)
      outgoing = Math.max(outgoing, link?.outgoing ?? 0)
    }
  }
  assert.deepEqual([incoming, outgoing], [3, 2])
  await world.untilQuiet(600)
  assert.deepEqual(world.unfinished(), [])
})

test('a client is told the nearest good copies first, and none that is not good', async () => {
  const servers = [1, 2, 3, 4].map(host => ({ room, ip: 0x0a000000 + 256 * host + 1 }))
  const world = await begin({ servers })
  const { parseTopology } = await import('../../src/master/policy/topology.ts')
  const file = '10.0.1.0/24 a|x\n10.0.2.0/24 a|y\n10.0.3.0/24 b|x\n10.0.4.0/24 b|y\n'
  world.manager.setTopology(parseTopology(file, 'file').topology)
  const inode = world.makeFile('f', 4)
  await world.written(inode, 0)
  const told = (near: number) => {
    let ips: number[] = []
    world.manager.read(
      inode,
      0,
      answer => {
        if (answer.status === Status.OK) ips = answer.copies.map(({ ip }) => (ip >>> 8) & 255)
      },
      near,
    )
    return ips
  }
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(told(0x0a000201).slice(0, 2), [2, 1], 'itself, then the other of its row')
    assert.equal(told(0x0a000463)[0], 4, 'one of its rack')
  }
  const nearest = world.servers[1] as LightServer
  nearest.broken.add(1)
  if (nearest.link) world.manager.copyDamaged(nearest.link, 1)
  assert.deepEqual(told(0x0a000201)[0], 1)
  assert.equal(told(0x0a000201).includes(2), false)
})

const early = (count: number): LightServerOptions[] => Array.from({ length: count }, () => ({ room, isEarly: true }))

test('what servers have told in advance counts at once, long before all of it is entered', async () => {
  const world = new ChunkWorld(1, early(2), worldOptions)
  world.fill(20_000, 2, 2)
  world.startAll()
  const { chunks } = world.ledger.state
  const { manager } = world
  const rows = [...chunks.rows()]
  // Nothing has had the time to be done little by little.
  for (const row of rows) assert.equal(manager.goodCopies(row), 2)
  assert.ok(manager.isConnected(1) && [...manager.servers()].every(({ registered }) => registered))
  await world.scheduler.run(20_000)
  assert.equal([...manager.servers()][0]?.copies, 20_000)
})

test('a chunk whose other versions are told in advance gets none of its good copies deleted', async () => {
  const world = new ChunkWorld(1, early(3), worldOptions)
  world.fill(300, 2, 2)
  // One copy of each chunk is of an older version: another one missed the last write.
  const { chunks } = world.ledger.state
  const stale = world.servers[0] as LightServer
  for (const chunkId of stale.disk.keys()) {
    world.ledger.commit({ op: 'SETVERSION', ts: world.ledger.now(), chunkId, version: 2 })
    for (const server of world.servers) if (server !== stale && server.disk.has(chunkId)) server.disk.set(chunkId, 2)
  }
  world.startAll()
  await world.untilQuiet(3600)
  assert.deepEqual([...world.wrongs, ...world.unfinished()], [])
  for (const row of chunks.rows()) assert.equal(world.goodCopies(chunks.id(row)), 2)
})

test('unknown chunks that were told in advance are kept, and a server that leaves in the middle is told of anew', async () => {
  const world = new ChunkWorld(1, early(2), worldOptions)
  world.fill(20_000, 2, 2)
  const [server] = world.servers as [LightServer]
  server.disk.set(50_000, 3)
  world.startAll()
  await world.scheduler.run(1)
  server.stop()
  await world.scheduler.run(5000)
  server.start()
  await world.scheduler.run(20_000)
  const { chunks } = world.ledger.state
  assert.notEqual(chunks.find(50_000), 0)
  assert.equal(world.deletions, 0)
  for (const row of chunks.rows()) if (chunks.id(row) !== 50_000) assert.equal(world.manager.goodCopies(row), 2)
})
