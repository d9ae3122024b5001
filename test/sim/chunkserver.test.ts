// Whole chunkservers on simulated machines: chains, copies, bad disks, bad peers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunkserverCharts } from '../../src/chunkserver/statistics.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import { MFSBLOCKSIZE } from '../../src/protocol/constants.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import * as cstoma from '../../src/protocol/cstoma.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { crc32 } from '../../src/util/crc32.ts'
import { parseIpv4 } from '../../src/util/ipv4.ts'
import { frame, MASTER, Machines, SERVER_PORT, type Talk } from './chunkserver-machines.ts'

const [A, B, C] = ['10.9.9.2', '10.9.9.3', '10.9.9.4'] as const
const [chunkId, version] = [5, 1]
const block = (fill: number) => Buffer.alloc(MFSBLOCKSIZE, fill)
const addressOf = (host: string) => ({ ip: parseIpv4(host) ?? 0, port: SERVER_PORT })

async function cluster(seed: number, servers: readonly string[]): Promise<Machines> {
  const machines = new Machines(seed)
  await machines.startMaster()
  for (const server of servers) await machines.startServer(server)
  return machines
}

async function create(machines: Machines, host: string, id = chunkId): Promise<void> {
  const master = machines.master(host)
  master.send(matocs.create.encode({ chunkId: id, version }))
  const { status } = cstoma.create.decode((await master.next([cstoma.create.code])).payload)
  assert.equal(status, Status.OK)
}

function data(writeId: number, blockIndex: number, bytes: Buffer, offset = 0): Buffer {
  return cltocs.writeData.encode({ chunkId, writeId, blockIndex, offset, crc: crc32(bytes), data: bytes })
}

async function statusOf(talk: Talk): Promise<{ writeId: number; status: number }> {
  const { writeId, status } = cstocl.writeStatus.decode((await talk.next([cstocl.writeStatus.code])).payload)
  return { writeId, status }
}

/** Bytes of the chunk as a server gives them, or the status that ends the answer. */
async function read(machines: Machines, host: string, size: number): Promise<Buffer | number> {
  const talk = await machines.client(host)
  talk.send(cltocs.read.encode({ protocol: 1, chunkId, version: 0, offset: 0, size }))
  const parts: Buffer[] = []
  for (;;) {
    const { type, payload } = await talk.next([cstocl.readData.code, cstocl.readStatus.code])
    if (type === cstocl.readStatus.code) {
      const { status } = cstocl.readStatus.decode(payload)
      talk.connection.destroy()
      return status === Status.OK ? Buffer.concat(parts) : status
    }
    const body = cstocl.readData.decode(payload)
    assert.equal(crc32(body.data), body.crc)
    parts.push(body.data)
  }
}

const startWrite = (chain: readonly string[]) =>
  cltocs.write.encode({ protocol: 1, chunkId, version, chain: chain.map(addressOf) })

test('a chain of three acknowledges in order, and all have the data', async () => {
  const machines = await cluster(1, [A, B, C])
  for (const host of [A, B, C]) await create(machines, host)
  const client = await machines.client(A)
  for (let session = 0; session < 2; session++) {
    const writes = Array.from({ length: 20 }, (_, i) => data(i + 1, i, block(i + session)))
    client.send(startWrite([B, C]), ...writes)
    for (let id = 0; id <= 20; id++) assert.deepEqual(await statusOf(client), { writeId: id, status: Status.OK })
    client.send(cltocs.writeFinish.encode({ chunkId, version }))
  }
  const expected = Buffer.concat(Array.from({ length: 20 }, (_, i) => block(i + 1)))
  for (const host of [A, B, C]) assert.ok(expected.equals((await read(machines, host, expected.length)) as Buffer))
  assert.deepEqual(machines.faults, [])
})

test('a server killed after acknowledging still has everything it acknowledged', async () => {
  for (let seed = 100; seed < 110; seed++) {
    const machines = await cluster(seed, [A])
    await create(machines, A)
    const client = await machines.client(A)
    client.send(startWrite([]), ...Array.from({ length: 12 }, (_, i) => data(i + 1, i, block(i + 1))))
    let acknowledged = -1
    const stopAt = machines.scheduler.between(2, 12)
    while (acknowledged < stopAt) acknowledged = (await statusOf(client)).writeId
    machines.host(A).kill()
    await machines.startServer(A)
    const back = (await read(machines, A, acknowledged * MFSBLOCKSIZE)) as Buffer
    assert.ok(back instanceof Buffer, `seed ${seed}: status ${back}`)
    for (let i = 0; i < acknowledged; i++) assert.equal(back[i * MFSBLOCKSIZE], i + 1, `seed ${seed}`)
  }
})

test('with syncing, what was acknowledged outlives a power cut', async () => {
  for (let seed = 200; seed < 210; seed++) {
    const machines = new Machines(seed)
    await machines.startMaster()
    await machines.startServer(A, { sync: true })
    await create(machines, A)
    const client = await machines.client(A)
    client.send(startWrite([]), data(1, 0, block(1)), data(2, 1, block(2)))
    for (let i = 0; i < 3; i++) await statusOf(client)
    machines.host(A).powerCut()
    await machines.startServer(A, { sync: true })
    const back = await read(machines, A, 2 * MFSBLOCKSIZE)
    assert.ok(Buffer.concat([block(1), block(2)]).equals(back as Buffer), `seed ${seed}`)
  }
})

test('a chunk is copied from another server, block by block and checked', async () => {
  const machines = await cluster(2, [A, B])
  await create(machines, A)
  const client = await machines.client(A)
  client.send(startWrite([]), ...Array.from({ length: 40 }, (_, i) => data(i + 1, i, block(i))))
  for (let id = 0; id <= 40; id++) await statusOf(client)
  client.send(cltocs.writeFinish.encode({ chunkId, version }))
  const master = machines.master(B)
  const replicate = async (id: number) => {
    master.send(matocs.replicate.encode({ chunkId: id, version, ...addressOf(A) }))
    return cstoma.replicate.decode((await master.next([cstoma.replicate.code])).payload).status
  }
  assert.equal(await replicate(chunkId), Status.OK)
  assert.equal(await replicate(chunkId), Status.CHUNKEXIST)
  assert.equal(await replicate(99), Status.NOCHUNK)
  const size = 40 * MFSBLOCKSIZE
  assert.ok(((await read(machines, A, size)) as Buffer).equals((await read(machines, B, size)) as Buffer))
  machines.host(A).kill()
  assert.equal(await replicate(99), Status.CANTCONNECT)
})

test('a flipped bit is reported to the master and served from nowhere', async () => {
  const machines = await cluster(3, [A])
  await create(machines, A)
  const client = await machines.client(A)
  client.send(startWrite([]), data(1, 0, block(1)))
  await statusOf(client)
  await statusOf(client)
  const names = ['/d1', '/d2'].map(folder => `${folder}/00/chunk_0000000000000005_00000001.mfs`)
  for (const name of names) {
    try {
      machines.host(A).disk.flipBit(name, (8192 + 77) * 8)
    } catch {
      // On the other folder.
    }
  }
  assert.equal(await read(machines, A, 10), Status.CRC)
  const { payload } = await machines.master(A).next([cstoma.chunkDamaged.code])
  assert.deepEqual(cstoma.chunkDamaged.decode(payload).chunkIds, [chunkId])
})

test('a chain with a dead, a missing or a failing server ends, and says why where it can', async () => {
  const machines = await cluster(4, [A, B])
  await create(machines, A)
  const missing = await machines.client(A)
  missing.send(startWrite([B]))
  assert.equal((await statusOf(missing)).status, Status.NOCHUNK)
  await missing.end()
  await create(machines, B)
  const dead = await machines.client(A)
  dead.send(startWrite(['10.9.9.77']))
  assert.deepEqual(await statusOf(dead), { writeId: 0, status: Status.CANTCONNECT })
  const full = await machines.client(A)
  full.send(startWrite([B]))
  assert.deepEqual(await statusOf(full), { writeId: 0, status: Status.OK })
  machines.host(B).disk.fault = { writes: 'EIO' }
  full.send(data(1, 0, block(1)))
  assert.deepEqual(await statusOf(full), { writeId: 1, status: Status.IO })
  await full.end()
  await machines.master(B).next([cstoma.errorOccurred.code])
  const { payload } = await machines.master(B).next([cstoma.chunkDamaged.code])
  assert.deepEqual(cstoma.chunkDamaged.decode(payload).chunkIds, [chunkId])
})

test('a scrub finds a flipped bit, a cut file and a missing one, and tells of every chunk when it was tested', async () => {
  const machines = await cluster(9, [])
  const server = await machines.startServer(A, { testSpeed: 10, testIntervalSeconds: 3600, folders: '/d1\n' })
  for (const id of [1, 2, 3, 4]) {
    await create(machines, A, id)
    const client = await machines.client(A)
    client.send(cltocs.write.encode({ protocol: 1, chunkId: id, version: 1, chain: [] }))
    const [head, bytes] = [{ chunkId: id, writeId: 1, blockIndex: 0, offset: 0, crc: crc32(block(id)) }, block(id)]
    client.send(Buffer.concat([cltocs.writeData.encodeHead(head, bytes.length), bytes]))
    await statusOf(client)
    assert.equal((await statusOf(client)).status, Status.OK)
    client.send(cltocs.writeFinish.encode({ chunkId: id, version: 1 }))
  }
  const testedAt = async (chunkId: number) => {
    const client = await machines.client(A)
    client.send(cltocs.getChunkTested.encode({ chunkId, version: 1 }))
    return cstocl.chunkTested.decode((await client.next([cstocl.chunkTested.code])).payload).testedAt
  }
  // All are tested within their period, and then left alone.
  await machines.scheduler.run(2000)
  const before = await testedAt(1)
  assert.ok(before > 0)
  await machines.scheduler.run(5000)
  assert.equal(await testedAt(1), before)
  const { disk } = machines.host(A)
  const path = (id: number) => `/d1/00/chunk_${id.toString(16).padStart(16, '0').toUpperCase()}_00000001.mfs`
  disk.flipBit(path(2), (8192 + 500) * 8)
  disk.plant(path(3), disk.peek(path(3)).subarray(0, 9000))
  await machines.run(disk.unlink(path(4)))
  server.scrub()
  const damaged = new Set<number>()
  while (damaged.size < 3) {
    const { payload } = await machines.master(A).next([cstoma.chunkDamaged.code], 60_000)
    for (const id of cstoma.chunkDamaged.decode(payload).chunkIds) damaged.add(id)
  }
  assert.deepEqual([...damaged].sort(), [2, 3, 4])
  await machines.scheduler.until(() => scrubbed(machines).length > 0, 60_000, 'the end of the scrub')
  assert.match(scrubbed(machines)[0] ?? '', /4 tested, 3 damaged/)
  assert.ok((await testedAt(1)) > before)
})

const scrubbed = (machines: Machines) => machines.host(A).messages.filter(text => text.includes('all chunks tested'))

test('disks of one server become even by themselves', async () => {
  const machines = await cluster(10, [])
  const more = { folders: '</d1\n/d2\n', rebalanceUtilization: 100 }
  const server = await machines.startServer(A, { folders: '/d1\n' })
  for (const id of [1, 2, 3]) await create(machines, A, id)
  await machines.run(server.reload({ ...(await optionsOf(machines)), ...more }))
  const files = (folder: string) =>
    machines
      .host(A)
      .disk.files(folder)
      .filter(path => path.endsWith('.mfs'))

  await machines.scheduler.until(() => files('/d1').length === 0, 60_000, 'the emptied disk')
  assert.equal(files('/d2').length, 3)
  assert.ok((await read(machines, A, 0)) instanceof Buffer)
})

test('a full disk says so, and keeps what it had', async () => {
  const machines = await cluster(5, [A])
  await create(machines, A)
  const client = await machines.client(A)
  client.send(startWrite([]), data(1, 0, block(1)))
  await statusOf(client)
  await statusOf(client)
  machines.host(A).disk.fault = { writes: 'ENOSPC' }
  client.send(data(2, 1, block(2)))
  assert.equal((await statusOf(client)).status, Status.NOSPACE)
  client.send(startWrite([]), data(3, 0, block(3)))
  assert.equal((await statusOf(client)).status, Status.OK)
  assert.deepEqual(await statusOf(client), { writeId: 3, status: Status.NOSPACE })
  machines.host(A).disk.fault = {}
  const back = (await read(machines, A, 2 * MFSBLOCKSIZE)) as Buffer
  assert.ok(back.equals(Buffer.concat([block(1), block(0)])))
})

test('silence, nonsense and left-overs close a connection, and no other', async () => {
  const machines = await cluster(6, [A])
  await create(machines, A)
  const silent = await machines.client(A)
  const writer = await machines.client(A)
  writer.send(startWrite([]))
  const nonsense = await machines.client(A)
  nonsense.send(frame(999, Buffer.alloc(3)))
  await nonsense.end()
  const huge = await machines.client(A)
  huge.send(Buffer.from('000000d47fffffff', 'hex'))
  await huge.end()
  const leftover = await machines.client(A)
  leftover.send(data(1, 0, block(1)))
  await leftover.end()
  const cut = await machines.client(A)
  cut.send(frame(cltocs.write.code, Buffer.alloc(15)))
  await cut.end()
  await silent.end(10_000)
  await writer.end(10_000)
  assert.deepEqual(machines.faults, [])
  assert.ok((await read(machines, A, 10)) instanceof Buffer)
})

test('a master of another instance is refused', async () => {
  const machines = await cluster(7, [A])
  await machines.scheduler.run(1000)
  machines.host(A).kill()
  machines.metaId = 1n
  await machines.startServer(A)
  assert.match(machines.faults.join(), /wrong master/)
})

test('folders come, go and are marked while it serves; the master hears of it', async () => {
  const machines = new Machines(8)
  await machines.startMaster()
  const server = await machines.startServer(A)
  for (const id of [1, 2, 3, 4]) await create(machines, A, id)
  const options = { ...(await optionsOf(machines)), folders: '/d1\n' }
  await machines.run(server.reload(options))
  const master = machines.master(A)
  const lost = cstoma.chunkLost.decode((await master.next([cstoma.chunkLost.code])).payload).chunkIds
  assert.equal(lost.length, 2)
  await machines.run(server.reload({ ...options, folders: '*/d1\n/d2\n', labels: 5 }))
  const marked = cstoma.chunkNew.decode((await master.next([cstoma.chunkNew.code])).payload).chunks
  assert.ok(marked.every(chunk => chunk.version === (1 | cstoma.MARKED_FOR_REMOVAL) >>> 0))
  const back = cstoma.chunkNew.decode((await master.next([cstoma.chunkNew.code])).payload).chunks
  assert.deepEqual(back.map(chunk => chunk.chunkId).sort(), lost.sort())
  await machines.run(server.stop())
  await master.end()
  const { form } = cstoma.register.decode(
    master.packets.findLast(({ type }) => type === 100)?.payload ?? Buffer.alloc(0),
  )
  assert.equal(form, cstoma.RegisterForm.DISCONNECT)
})

async function optionsOf(machines: Machines) {
  const { chunkserverOptions } = await import('../../src/chunkserver/options.ts')
  const { chunkserverConfigFile } = await import('../../src/config/mfschunkserver.ts')
  const { defaultConfig } = await import('../../src/config/parse.ts')
  assert.ok(machines.host(MASTER))
  const defaults = chunkserverOptions(defaultConfig(chunkserverConfigFile), '/d1\n/d2\n')
  return { ...defaults, dataFolder: '/data', listenHost: A, masterHost: MASTER, labels: 3, leaveBytes: 0 }
}

/** What a server counted since its start, by name. */
async function counted(machines: Machines, host: string): Promise<Record<string, number>> {
  const talk = await machines.client(host)
  talk.send(cltocs.monotonicData.encode({}))
  const { counters } = cstocl.monotonicData.decode((await talk.next([cstocl.monotonicData.code])).payload)
  return Object.fromEntries(chunkserverCharts.series.map(({ name }, i) => [name, counters[i] ?? 0]))
}

test('each server of a chain counts what it was sent, wrote and was read from', async () => {
  const machines = await cluster(1, [A, B])
  for (const host of [A, B]) await create(machines, host)
  const talk = await machines.client(A)
  talk.send(startWrite([B]), data(1, 0, block(1)), data(2, 1, block(2).subarray(0, 100)))
  for (let i = 0; i < 3; i++) assert.equal((await statusOf(talk)).status, Status.OK)
  talk.send(cltocs.writeFinish.encode({ chunkId, version }))
  await read(machines, A, 2 * MFSBLOCKSIZE)
  const nextMinuteMs = machines.scheduler.nowMs + 60_000
  await machines.scheduler.until(() => machines.scheduler.nowMs > nextMinuteMs, 120_000, 'the next minute')
  const [first, last] = [await counted(machines, A), await counted(machines, B)]
  const written = { create: 1, databytesw: MFSBLOCKSIZE + 100, datallopw: 2, hlopw: 1, change: 0 }
  const chosen = (counts: Record<string, number>, like: object) =>
    Object.fromEntries(Object.keys(like).map(name => [name, counts[name]]))
  const wasRead = { hlopr: 1, datallopr: 2, databytesr: 2 * MFSBLOCKSIZE }
  assert.deepEqual(chosen(first, { ...written, ...wasRead }), { ...written, ...wasRead })
  assert.deepEqual(chosen(last, { ...written, hlopr: 0 }), { ...written, hlopr: 0 })
  for (const { csservin = 0 } of [first, last]) assert.ok(csservin > MFSBLOCKSIZE)
  assert.ok((first.csservout ?? 0) > 2 * MFSBLOCKSIZE)
})

test('a master of ours hears of a write that its client cut short, one of the original does not', async () => {
  for (const [epoch, isTold] of [
    ['', false],
    ['0', true],
  ] as const) {
    const machines = new Machines(1)
    machines.epoch = epoch
    await machines.startMaster()
    await machines.startServer(A)
    await create(machines, A)
    for (const endsInOrder of [true, false]) {
      const talk = await machines.client(A)
      talk.send(startWrite([]))
      assert.equal((await statusOf(talk)).status, Status.OK)
      if (endsInOrder) talk.send(cltocs.writeFinish.encode({ chunkId, version }))
      talk.connection.end()
      await talk.end()
    }
    const untilMs = machines.scheduler.nowMs + 1000
    await machines.scheduler.until(() => machines.scheduler.nowMs > untilMs, 2000, 'a second')
    const told = machines.master(A).packets.filter(({ type }) => type === cstoma.writeCutShort.code)
    const reports = told.map(({ payload }) => cstoma.writeCutShort.decode(payload))
    assert.deepEqual(reports, isTold ? [{ chunkId, ip: addressOf('10.9.9.100').ip }] : [])
  }
})
