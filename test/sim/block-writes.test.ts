// Single blocks written to each copy on its own: what a server answers, and what a client makes of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockSender } from '../../src/client/block-sender.ts'
import { ServerKinds } from '../../src/client/server-kinds.ts'
import { ServerPool } from '../../src/client/server-pool.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import { MFSBLOCKSINCHUNK, MFSBLOCKSIZE, VERSION, VERSION_TEXT } from '../../src/protocol/constants.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import * as cstoma from '../../src/protocol/cstoma.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { crc32 } from '../../src/util/crc32.ts'
import { parseIpv4 } from '../../src/util/ipv4.ts'
import { Machines, SERVER_PORT, Talk } from './chunkserver-machines.ts'

const [A, B] = ['10.9.9.2', '10.9.9.3'] as const
const [chunkId, version] = [5, 1]
const ANSWERS = [cstocl.writeStatus.code, cstocl.syncStatus.code]
const bytes = Buffer.from('what a small file holds')

async function oneServer(seed: number): Promise<Machines> {
  const machines = new Machines(seed)
  await machines.startMaster()
  machines.host(A).disk.keepsNewNames = seed % 2 === 1
  await machines.startServer(A)
  return machines
}

async function createChunk(machines: Machines, id = chunkId): Promise<void> {
  const master = machines.master(A)
  master.send(matocs.create.encode({ chunkId: id, version }))
  const { status } = cstoma.create.decode((await master.next([cstoma.create.code])).payload)
  assert.equal(status, Status.OK)
}

type Head = Parameters<typeof cltocs.writeBlock.encode>[0]

function blockWrite(changes: Partial<Head> = {}): Buffer {
  const data = changes.data ?? bytes
  const head = { chunkId, version, sync: 1, blockIndex: 0, offset: 0, crc: crc32(data), data }
  return cltocs.writeBlock.encode({ ...head, ...changes })
}

async function answer(talk: Talk): Promise<{ kind: 'written' | 'synced'; status: number }> {
  const { type, payload } = await talk.next(ANSWERS)
  if (type === cstocl.syncStatus.code) return { kind: 'synced', status: cstocl.syncStatus.decode(payload).status }
  return { kind: 'written', status: cstocl.writeStatus.decode(payload).status }
}

async function firstBlock(machines: Machines, host = A): Promise<Buffer | number> {
  const talk = await machines.client(host)
  talk.send(cltocs.read.encode({ protocol: 1, chunkId, version: 0, offset: 0, size: MFSBLOCKSIZE }))
  const { type, payload } = await talk.next([cstocl.readData.code, cstocl.readStatus.code])
  return type === cstocl.readData.code ? cstocl.readData.decode(payload).data : cstocl.readStatus.decode(payload).status
}

test('what was told to be synced outlives a power cut, and what was told to be written a kill', async () => {
  for (let seed = 300; seed < 320; seed++) {
    const machines = await oneServer(seed)
    const client = await machines.client(A)
    // The folders have other names already, and these are on the disk.
    for (const id of [2, 3, 4]) {
      await createChunk(machines, id)
      client.send(blockWrite({ chunkId: id }))
      await client.next([cstocl.syncStatus.code])
    }
    await createChunk(machines)
    client.send(blockWrite({ offset: 100 }))
    assert.deepEqual(await answer(client), { kind: 'written', status: Status.OK })
    const cutsPower = seed % 4 < 2
    if (cutsPower) {
      assert.deepEqual(await answer(client), { kind: 'synced', status: Status.OK })
      machines.host(A).powerCut()
    } else machines.host(A).kill()
    await machines.startServer(A)
    const back = await firstBlock(machines)
    assert.ok(back instanceof Buffer, `seed ${seed}: status ${back}`)
    assert.ok(back.subarray(100, 100 + bytes.length).equals(bytes), `seed ${seed}`)
    assert.deepEqual(machines.faults, [])
  }
})

test('who does not ask for it is told nothing of the disk, and the connection serves on', async () => {
  const machines = await oneServer(1)
  await createChunk(machines)
  const client = await machines.client(A)
  client.send(blockWrite({ sync: 0 }), blockWrite({ sync: 0, blockIndex: 3 }))
  assert.deepEqual(await answer(client), { kind: 'written', status: Status.OK })
  assert.deepEqual(await answer(client), { kind: 'written', status: Status.OK })
  client.send(cltocs.getChunkBlocks.encode({ chunkId, version }))
  const { payload } = await client.next([...ANSWERS, cstocl.chunkBlocks.code])
  assert.equal(cstocl.chunkBlocks.decode(payload).blockCount, 4)
})

test('what can not be written is refused with its reason, changes nothing, and the connection serves on', async () => {
  const machines = await oneServer(2)
  await createChunk(machines)
  const client = await machines.client(A)
  const refused: [Partial<Head>, number][] = [
    [{ chunkId: 6 }, Status.NOCHUNK],
    [{ version: 2 }, Status.WRONGVERSION],
    [{ crc: 1 }, Status.CRC],
    [{ blockIndex: MFSBLOCKSINCHUNK }, Status.BNUMTOOBIG],
    [{ offset: MFSBLOCKSIZE - 1 }, Status.WRONGOFFSET],
    [{ data: Buffer.alloc(MFSBLOCKSIZE + 1) }, Status.WRONGSIZE],
  ]
  for (const [wrong, status] of refused) {
    client.send(blockWrite(wrong))
    assert.deepEqual(await answer(client), { kind: 'written', status })
  }
  client.send(blockWrite())
  assert.deepEqual(await answer(client), { kind: 'written', status: Status.OK })
  assert.deepEqual(await answer(client), { kind: 'synced', status: Status.OK })
  const back = (await firstBlock(machines)) as Buffer
  assert.ok(Buffer.concat([bytes, Buffer.alloc(MFSBLOCKSIZE - bytes.length)]).equals(back))
})

test('a disk that fails at the sync is told after the writing, and the copy is reported as damaged', async () => {
  const machines = await oneServer(3)
  await createChunk(machines)
  machines.host(A).disk.fault = { syncs: 'EIO' }
  const client = await machines.client(A)
  client.send(blockWrite())
  assert.deepEqual(await answer(client), { kind: 'written', status: Status.OK })
  assert.deepEqual(await answer(client), { kind: 'synced', status: Status.IO })
  await machines.master(A).next([cstoma.chunkDamaged.code])
})

test('who lies about the size, writes amid a write, or asks for too much at a time loses the connection', async () => {
  const machines = await oneServer(4)
  await createChunk(machines)
  const liar = blockWrite()
  liar.writeUInt32BE(bytes.length - 1, 8 + 8 + 4 + 1 + 2 + 2)
  const write = cltocs.write.encode({ protocol: 1, chunkId, version, chain: [] })
  const flood = Array.from({ length: 100 }, () => blockWrite())
  for (const packets of [[liar], [write, blockWrite()], flood]) {
    const client = await machines.client(A)
    client.send(...packets)
    await client.end()
  }
  const client = await machines.client(A)
  client.send(blockWrite())
  assert.deepEqual(await answer(client), { kind: 'written', status: Status.OK })
  assert.deepEqual(machines.faults, [])
})

// --- the client's side, with servers in the hand of the test

interface Script {
  written?: number
  synced?: number
  /** What the server says it is. */
  version?: string
}

class Stage {
  readonly machines = new Machines(1)
  readonly env = this.machines.host('10.9.9.50').env('client')
  readonly pool = new ServerPool(this.env, undefined)
  readonly kinds = new ServerKinds()
  readonly sender = new BlockSender(this.pool, this.kinds)
  /** Blocks that each server got. */
  readonly got = new Map<string, number>()

  async serve(host: string, script: Script): Promise<void> {
    const { net } = this.machines.host(host).env('server')
    await net.listen('*', SERVER_PORT, connection => {
      const talk = new Talk(this.machines.scheduler, connection, ({ type, payload }) => {
        if (type === cltocs.getVersion.code) {
          const { msgid = 0 } = cltocs.getVersion.decode(payload)
          const text = Buffer.from(script.version ?? VERSION_TEXT)
          talk.send(cstocl.version.encode({ msgid, version: VERSION, text }))
        }
        if (type !== cltocs.writeBlock.code) return
        this.got.set(host, (this.got.get(host) ?? 0) + 1)
        const { written, synced } = script
        if (written !== undefined) talk.send(cstocl.writeStatus.encode({ chunkId, writeId: 0, status: written }))
        if (synced !== undefined) talk.send(cstocl.syncStatus.encode({ chunkId, version, status: synced }))
      })
    })
  }

  /** What comes of a block for both servers. */
  async send(sync = true): Promise<{ problem: string | undefined; synced: boolean }> {
    const copies = [A, B].map(host => ({ ip: parseIpv4(host) ?? 0, port: SERVER_PORT, serverVersion: 0, labels: 0 }))
    const block = { chunkId, version, blockIndex: 0, offset: 0, data: bytes }
    const { written, synced } = this.sender.send(block, copies, sync)
    const problem = await this.machines.run(written)
    return { problem, synced: await this.machines.run(synced) }
  }
}

const WELL: Script = { written: Status.OK, synced: Status.OK }

const outcomes: { name: string; script: Script; sync?: boolean; problem?: RegExp; synced: boolean }[] = [
  { name: 'all is well', script: WELL, synced: true },
  { name: 'it is to be written only', script: { written: Status.OK }, sync: false, synced: false },
  {
    name: 'one refuses the bytes',
    script: { written: Status.NOSPACE },
    problem: /10\.9\.9\.3:9422: .*space/i,
    synced: false,
  },
  { name: 'one can not sync', script: { ...WELL, synced: Status.IO }, synced: false },
  { name: 'one falls silent', script: {}, problem: /10\.9\.9\.3:9422 is silent/, synced: false },
  { name: 'one falls silent before the sync', script: { written: Status.OK }, synced: false },
  { name: 'one answers out of order', script: { synced: Status.OK }, problem: /unexpected message/, synced: false },
  {
    name: 'one is of the original',
    script: { version: '3.0.117' },
    problem: /not an ElkFS chunkserver/,
    synced: false,
  },
]

for (const { name, script, sync = true, problem, synced } of outcomes) {
  test(`a client with two copies learns that ${name}`, async () => {
    const stage = new Stage()
    await stage.serve(A, sync ? WELL : { written: Status.OK })
    await stage.serve(B, script)
    const came = await stage.send(sync)
    if (problem) assert.match(came.problem ?? '', problem)
    else assert.equal(came.problem, undefined)
    assert.equal(came.synced, synced)
    assert.equal(stage.got.get(A), 1)
    assert.equal(stage.got.get(B), script.version === undefined ? 1 : undefined)
  })
}

test('blocks are for servers that were ours when they were asked last', async () => {
  const stage = new Stage()
  const copies = [A, B].map(host => ({ ip: parseIpv4(host) ?? 0, port: SERVER_PORT, serverVersion: 0, labels: 0 }))
  const kinds: Record<string, Script> = { [A]: WELL, [B]: { version: '3.0.117' } }
  for (const host of [A, B]) await stage.serve(host, kinds[host] as Script)
  assert.equal(stage.sender.isPossible(copies), false, 'nobody was asked yet')
  for (const { ip, port } of copies) {
    const server = await stage.machines.run(stage.pool.connect(ip, port))
    await stage.machines.run(stage.kinds.isOurs(server))
    server.release()
  }
  assert.deepEqual(
    [copies, copies.slice(0, 1), copies.slice(1), []].map(some => stage.sender.isPossible(some)),
    [...[false, true, false, false]],
  )
})
