// Daemons that a leader of an earlier epoch may still reach do not listen to it, after their own power cuts too.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EpochFence } from '../../src/daemon/epoch-fence.ts'
import type { Connection } from '../../src/env/net.ts'
import { Metalogger } from '../../src/metalogger/metalogger.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import { FrameReader } from '../../src/protocol/frame.ts'
import * as mltoma from '../../src/protocol/mltoma.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

const MASTER = '10.0.0.1'
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

const worldOf = () => {
  const scheduler = new Scheduler(1)
  const network = new SimNetwork(scheduler)
  const master = new SimpleMaster()
  void master.listen(new SimHost(scheduler, network, MASTER), 9419)
  return { scheduler, master, host: new SimHost(scheduler, network, '10.0.1.1') }
}

test('a metalogger does not follow a master of an epoch that is over, after a power cut neither', async () => {
  const { scheduler, master, host } = worldOf()
  const start = async () => {
    const env = host.env('metalogger')
    await env.disk.makeFolder(FOLDER)
    await Metalogger.start(env, {
      ...{ dataFolder: FOLDER, masterHost: MASTER, masterPort: 9419, bindHost: undefined },
      ...{ reconnectSeconds: 1, timeoutSeconds: 10, downloadEveryHours: 24, backLogs: 5, keepPrevious: 3 },
    })
  }
  const isFollowed = async (epoch: string) => {
    master.turn(epoch)
    await scheduler.run(4000)
    return master.heard.includes(mltoma.register.code)
  }
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
