// A chunkserver of ours tells followers in advance what it has. When one of them leads, that counts as a registration; until
// then the follower has no say.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MARKS_NAME } from '../../src/chunkserver/disks/write-marks.ts'
import { Reader } from '../../src/protocol/codec.ts'
import { VERSION } from '../../src/protocol/constants.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import * as cstoma from '../../src/protocol/cstoma.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import { MASTER_PORT, Machines, META_ID, type Packet, Talk } from './chunkserver-machines.ts'

const SERVER = '10.9.9.2'
const FOLLOWER = '10.9.9.3'
const { EARLY, CHUNKS, END } = cstoma.RegisterForm

/** A follower, and what it was told. */
class Follower {
  readonly talks: Talk[] = []
  readonly forms: number[] = []
  readonly chunks = new Map<number, number>()
  metaId = META_ID
  readonly #machines: Machines

  constructor(machines: Machines) {
    this.#machines = machines
  }

  async listen(): Promise<void> {
    const { net } = this.#machines.host(FOLLOWER).env('master')
    await net.listen('*', MASTER_PORT, connection => {
      const talk: Talk = new Talk(this.#machines.scheduler, connection, ({ type, payload }) =>
        this.#onPacket(talk, type, payload),
      )
      this.talks.push(talk)
      this.forms.length = 0
      this.chunks.clear()
    })
  }

  #onPacket(talk: Talk, type: number, payload: Buffer): void {
    if (type === cstoma.chunkNew.code) this.#present(cstoma.chunkNew.decode(payload).chunks)
    if (type === cstoma.chunkLost.code) {
      for (const chunkId of cstoma.chunkLost.decode(payload).chunkIds) this.chunks.delete(chunkId)
    }
    if (type !== cstoma.register.code) return
    const { form, body } = cstoma.register.decode(payload)
    this.forms.push(form)
    const welcome = { kind: 0, version: VERSION, timeout: 10, serverId: 0, metaId: this.metaId }
    if (form === EARLY) talk.send(matocs.masterWelcome.encode(welcome))
    if (form !== CHUNKS) return
    this.#present(cstoma.registerChunks.read(new Reader(body)))
    talk.send(matocs.masterGoOn.encode({ kind: 0 }))
  }

  #present(chunks: Iterable<{ chunkId: number; version: number }>): void {
    for (const { chunkId, version } of chunks) this.chunks.set(chunkId, version)
  }

  get talk(): Talk {
    return this.talks.at(-1) as Talk
  }

  leads(epoch: string): void {
    this.talk.send(cstocl.configValue.encode({ msgid: 0, value: epoch }))
  }

  get told(): [number, number][] {
    return [...this.chunks].sort(([a], [b]) => a - b)
  }
}

/** A server with chunks 1, 2 and 3, a leader of epoch 3, and a follower that was told. */
async function world(changes: Parameters<Machines['startServer']>[1] = {}) {
  const machines = new Machines(1)
  machines.epoch = '3'
  machines.followers = FOLLOWER
  const follower = new Follower(machines)
  await follower.listen()
  await machines.startMaster()
  const server = await machines.startServer(SERVER, changes)
  for (const chunkId of [1, 2, 3])
    await order(machines, matocs.create.encode({ chunkId, version: 1 }), cstoma.create.code)
  await machines.scheduler.run(8000)
  return { machines, follower, server, scheduler: machines.scheduler }
}

async function order(machines: Machines, command: Buffer, answer: number): Promise<void> {
  machines.master(SERVER).send(command)
  await machines.master(SERVER).next([answer])
}

const all: [number, number][] = [
  [1, 1],
  [2, 1],
  [3, 1],
]

test('a follower is told all chunks, in parts, and then what becomes of them', async () => {
  const { machines, follower, scheduler } = await world({ chunksPerRegisterPacket: 2 })
  assert.deepEqual(follower.told, all)
  follower.talk.connection.destroy()
  await scheduler.run(8000)
  assert.deepEqual(follower.forms, [EARLY, CHUNKS, CHUNKS])
  assert.deepEqual(follower.told, all)
  await order(machines, matocs.remove.encode({ chunkId: 1, version: 1 }), cstoma.remove.code)
  await order(
    machines,
    matocs.setVersion.encode({ chunkId: 2, version: 5, previousVersion: 1 }),
    cstoma.setVersion.code,
  )
  await order(machines, matocs.create.encode({ chunkId: 9, version: 1 }), cstoma.create.code)
  await scheduler.run(2000)
  assert.deepEqual(follower.told, [
    [2, 5],
    [3, 1],
    [9, 1],
  ])
  assert.equal(follower.talks.length, 2)
  assert.deepEqual(machines.faults, [])
})

test('when a follower leads it needs to hear no list, and the former leader is obeyed no more', async () => {
  const { machines, follower, scheduler } = await world()
  const former = machines.master(SERVER)
  // What it was not told yet comes before the end of the registration.
  await order(machines, matocs.create.encode({ chunkId: 9, version: 1 }), cstoma.create.code)
  follower.leads('4')
  await scheduler.run(500)
  assert.deepEqual(follower.forms, [EARLY, CHUNKS, END])
  assert.deepEqual(follower.told, [...all, [9, 1]])
  await former.end()
  const isNamed = follower.talk.packets.some(({ type }) => type === cstoma.labels.code)
  assert.ok(isNamed && follower.talk.packets.some(({ type }) => type === cstoma.space.code))
  follower.talk.send(matocs.create.encode({ chunkId: 10, version: 1 }))
  await follower.talk.next([cstoma.create.code])
  assert.deepEqual(machines.faults, [])
})

/** A list of chunks that were being written under that boot of the system (write-marks.ts). */
function listOf(chunkIds: number[], bootId: Buffer): Buffer {
  const list = Buffer.alloc(128 + 8 * chunkIds.length)
  list.write('ELKMARK2', 'latin1')
  bootId.copy(list, 44)
  for (const [i, chunkId] of chunkIds.entries()) list.writeBigUInt64BE(BigInt(chunkId), 128 + 8 * i)
  return list
}

test('masters of ours are told which copies a loss of power may have changed, before those count', async () => {
  for (const isPowerLost of [true, false]) {
    const { machines, follower, scheduler } = await world()
    const { disk } = machines.host(SERVER)
    const [bootId = Buffer.alloc(0)] = disk.system.values()
    const list = listOf([2, 3, 99], isPowerLost ? Buffer.alloc(36) : bootId)
    machines.host(SERVER).kill()
    for (const folder of ['/d1', '/d2']) disk.plant(`${folder}/${MARKS_NAME}`, list)
    await machines.startServer(SERVER)
    await scheduler.run(8000)
    follower.leads('4')
    await scheduler.run(500)
    const { packets } = machines.master(SERVER)
    for (const [told, before] of [
      [packets, CHUNKS],
      [follower.talk.packets, END],
    ] as const) {
      const isEnd = ({ type, payload }: Packet) => type === cstoma.register.code && payload[0] === before
      const unsure = told.filter(({ type }) => type === cstoma.chunksUnsure.code)
      const ids = unsure.flatMap(({ payload }) => cstoma.chunksUnsure.decode(payload).chunkIds)
      assert.deepEqual([...ids].sort(), isPowerLost ? [2, 3] : [])
      for (const packet of unsure) assert.ok(told.indexOf(packet) < told.findIndex(isEnd))
    }
    assert.deepEqual(machines.faults, [])
  }
})

test('orders of a former leader that are on their way when a follower leads are not carried out', async () => {
  const { machines, follower, scheduler } = await world()
  follower.leads('4')
  await scheduler.until(() => follower.forms.includes(END), 2000, 'the end of the registration')
  machines.master(SERVER).send(matocs.remove.encode({ chunkId: 1, version: 1 }))
  await scheduler.run(2000)
  follower.talk.send(matocs.setVersion.encode({ chunkId: 1, version: 2, previousVersion: 1 }))
  const { payload } = await follower.talk.next([cstoma.setVersion.code])
  assert.equal(cstoma.setVersion.decode(payload).status, 0)
})

test('a new leader hears nothing final before the orders of the former one are done', async () => {
  const { machines, follower, scheduler } = await world()
  const { disk } = machines.host(SERVER)
  disk.fault = { hangs: true, below: '/d1/' }
  for (const [chunkId] of all) machines.master(SERVER).send(matocs.remove.encode({ chunkId, version: 1 }))
  await scheduler.run(200)
  follower.leads('4')
  await scheduler.run(1000)
  assert.ok(!follower.forms.includes(END))
  await scheduler.run(5000)
  assert.ok(follower.forms.includes(END))
})

test('a follower that says it leads an epoch that is over is left, and so is one that commands', async () => {
  const { machines, follower, scheduler } = await world()
  const first = follower.talk
  follower.leads('2')
  await first.end()
  assert.ok(!machines.master(SERVER).closed)
  await scheduler.until(() => follower.talk !== first, 10_000, 'another connection')
  await scheduler.run(500)
  const second = follower.talk
  second.send(matocs.remove.encode({ chunkId: 1, version: 1 }))
  await second.end()
  await scheduler.until(() => follower.talk !== second, 10_000, 'another connection')
  await scheduler.run(500)
  assert.deepEqual(follower.told, all)
  for (const nonsense of ['0', '', 'later']) {
    const talk = follower.talk
    follower.leads(nonsense)
    await talk.end()
    await scheduler.until(() => follower.talk !== talk, 10_000, 'another connection')
    await scheduler.run(500)
  }
  assert.ok(!machines.master(SERVER).closed)
  assert.deepEqual(machines.faults, [])
})

test('a chunkserver goes on without its leader when a follower has told that it leads', async () => {
  const { machines, follower, scheduler } = await world()
  machines.master(SERVER).connection.destroy()
  follower.leads('4')
  await scheduler.run(3000)
  assert.ok(follower.forms.includes(END))
  assert.ok(!follower.talk.closed)
  assert.ok(machines.master(SERVER).closed)
})

test('who is named as a follower no more is told nothing more', async () => {
  const { machines, follower } = await world()
  machines.followers = ''
  await follower.talk.end()
})
