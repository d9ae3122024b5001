// Daemons that a leader of an earlier epoch may still reach do not listen to it, after their own power cuts too.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EpochFence } from '../../src/daemon/epoch-fence.ts'
import type { Connection } from '../../src/env/net.ts'
import { Metalogger } from '../../src/metalogger/metalogger.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import * as cstoma from '../../src/protocol/cstoma.ts'
import { FrameReader } from '../../src/protocol/frame.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import * as mltoma from '../../src/protocol/mltoma.ts'
import { parseIpv4 } from '../../src/util/ipv4.ts'
import { MASTER, Machines, type Talk } from './chunkserver-machines.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

const SIMPLE_MASTER = '10.0.0.1'
const FOLDER = '/data'

/** Says which epoch it is in, and hears what it is sent. */
class SimpleMaster {
  epoch = ''
  heard: number[] = []
  #connections: Connection[] = []

  async listen(host: SimHost, port: number): Promise<void> {
    await host.env('master').net.listen('*', port, connection => {
      this.#connections.push(connection)
      const frames = new FrameReader(1 << 20, (type, payload) => this.#onPacket(connection, type, payload))
      connection.handle({ data: bytes => frames.push(bytes), closed() {} })
    })
  }

  #onPacket(connection: Connection, type: number, payload: Buffer): void {
    this.heard.push(type)
    if (type !== cltocs.getConfig.code) return
    const { msgid } = cltocs.getConfig.decode(payload)
    connection.write(cstocl.configValue.encode({ msgid, value: this.epoch }))
  }

  /** Lets everybody go: they come again. */
  turn(epoch: string): void {
    this.epoch = epoch
    this.heard = []
    for (const connection of this.#connections.splice(0)) connection.destroy()
  }
}

const metaloggerOptions = {
  ...{ dataFolder: FOLDER, masterHost: SIMPLE_MASTER, masterPort: 9419, bindHost: undefined },
  ...{ reconnectSeconds: 1, timeoutSeconds: 10, downloadEveryHours: 24, backLogs: 5, keepPrevious: 3 },
}

const worldOf = () => {
  const scheduler = new Scheduler(1)
  const network = new SimNetwork(scheduler)
  const master = new SimpleMaster()
  void master.listen(new SimHost(scheduler, network, SIMPLE_MASTER), 9419)
  return { scheduler, master, host: new SimHost(scheduler, network, '10.0.1.1') }
}

const metaloggerWorld = () => {
  const { scheduler, master, host } = worldOf()
  const start = async () => {
    const env = host.env('metalogger')
    await env.disk.makeFolder(FOLDER)
    await Metalogger.start(env, metaloggerOptions)
  }
  const isFollowed = async (epoch: string) => {
    master.turn(epoch)
    await scheduler.run(4000)
    return master.heard.includes(mltoma.register.code)
  }
  return { host, start, isFollowed }
}

test('a metalogger does not follow a master of an epoch that is over, after a power cut neither', async () => {
  const { host, start, isFollowed } = metaloggerWorld()
  void start()
  assert.ok(await isFollowed('3'))
  assert.ok(!(await isFollowed('2')))
  assert.ok(await isFollowed('3'))
  // A master that is the only one names no epoch.
  assert.ok(await isFollowed('0'))
  assert.ok(await isFollowed(''))
  host.powerCut('everything')
  void start()
  assert.ok(!(await isFollowed('2')))
  assert.ok(await isFollowed('4'))
})

for (const nonsense of ['99999999999999999999', '1e400', '-1', '4.5', 'later']) {
  test(`a metalogger leaves a master of epoch ${nonsense}, and follows others afterwards, after a restart too`, async () => {
    const { host, start, isFollowed } = metaloggerWorld()
    let failure: unknown
    const started = () => start().catch(error => (failure = error))
    void started()
    assert.ok(!(await isFollowed(nonsense)))
    host.powerCut('everything')
    void started()
    assert.ok(await isFollowed('3'))
    assert.equal(failure, undefined)
  })

  test(`a chunkserver leaves a master of epoch ${nonsense}, and obeys others afterwards, after a restart too`, async () => {
    const machines = await serverOf('3')
    const odd = await newMaster(machines, nonsense)
    await odd.end()
    assert.deepEqual(formsIn(odd), [cstoma.RegisterForm.BEGIN])
    machines.host(SERVER).powerCut('everything')
    machines.epoch = '4'
    void machines.startServer(SERVER).catch(() => {})
    await machines.scheduler.run(5000)
    assert.ok(formsIn(machines.master(SERVER)).includes(END))
    assert.deepEqual(machines.faults, [])
  })
}

test('an epoch is admitted only when it is on the disk', async () => {
  const { scheduler, host } = worldOf()
  const { disk } = host.env('daemon')
  const admitted: boolean[] = []
  void (async () => {
    await disk.makeFolder(FOLDER)
    const fence = await EpochFence.open(disk, FOLDER)
    admitted.push(await fence.admits(7))
    host.powerCut('everything')
  })()
  await scheduler.run(1000)
  const { disk: later } = host.env('daemon')
  void (async () => {
    const fence = await EpochFence.open(later, FOLDER)
    admitted.push(await fence.admits(6), await fence.admits(7))
  })()
  await scheduler.run(1000)
  assert.deepEqual(admitted, [true, false, true])
})

const SERVER = '10.9.9.2'
const chunk = { chunkId: 5, version: 1 }

/** A chunkserver that has registered with the leader of an epoch, and has a chunk. */
async function serverOf(epoch: string): Promise<Machines> {
  const machines = new Machines(1)
  machines.epoch = epoch
  await machines.startMaster()
  await machines.startServer(SERVER)
  machines.master(SERVER).send(matocs.create.encode(chunk))
  await machines.master(SERVER).next([cstoma.create.code])
  return machines
}

/** The leader ends, and another one is there when the server comes again. */
async function newMaster(machines: Machines, epoch: string): Promise<Talk> {
  machines.epoch = epoch
  const before = machines.master(SERVER)
  before.connection.destroy()
  await machines.scheduler.until(() => machines.master(SERVER) !== before, 20_000, 'another connection')
  return machines.master(SERVER)
}

const { END } = cstoma.RegisterForm
const formsIn = ({ packets }: Talk) =>
  packets.filter(({ type }) => type === cstoma.register.code).map(({ payload }) => cstoma.register.decode(payload).form)

test('a chunkserver lists nothing to a master of an epoch that is over, and obeys none of its commands', async () => {
  const machines = await serverOf('3')
  const stale = await newMaster(machines, '2')
  stale.send(matocs.remove.encode(chunk))
  await stale.end()
  assert.deepEqual(formsIn(stale), [cstoma.RegisterForm.BEGIN])
  machines.host(SERVER).powerCut('everything')
  machines.epoch = '2'
  void machines.startServer(SERVER).catch(() => {})
  await machines.scheduler.run(5000)
  assert.deepEqual(formsIn(machines.master(SERVER)), [cstoma.RegisterForm.BEGIN])
  const next = await newMaster(machines, '4')
  await machines.scheduler.until(() => formsIn(next).includes(END), 20_000, 'the registration')
  assert.deepEqual(machines.faults, [])
})

test('a chunkserver registers with a master that is the only one, and carries out what came early', async () => {
  const machines = await serverOf('3')
  const alone = await newMaster(machines, '')
  alone.send(matocs.create.encode({ chunkId: 6, version: 1 }))
  await alone.next([cstoma.create.code])
  assert.deepEqual(machines.faults, [])
})

test('a chunkserver tells a new leader what is here when it has done what the old one ordered', async () => {
  const machines = await serverOf('1')
  const server = machines.host(SERVER)
  server.disk.fault = { hangs: true, below: '/d1/' }
  machines.master(SERVER).send(matocs.remove.encode(chunk))
  await machines.scheduler.run(200)
  const next = await newMaster(machines, '2')
  await machines.scheduler.run(1000)
  assert.ok(!formsIn(next).includes(END))
  // A disk that hangs for ever does not keep it from registering.
  await machines.scheduler.run(5000)
  assert.ok(formsIn(next).includes(END))
})

test('bytes behind the word that another master leads are not obeyed', async () => {
  const machines = await serverOf('1')
  const before = machines.master(SERVER)
  const elsewhere = matocs.masterAck.encode({ kind: 'leaderIs', ip: parseIpv4(MASTER) ?? 0 })
  before.send(Buffer.concat([elsewhere, matocs.remove.encode(chunk)]))
  await before.end()
  await machines.scheduler.until(() => machines.master(SERVER) !== before, 20_000, 'another connection')
  const next = machines.master(SERVER)
  await machines.scheduler.until(() => formsIn(next).includes(END), 20_000, 'the registration')
  assert.ok(formsIn(next).includes(cstoma.RegisterForm.CHUNKS))
})
