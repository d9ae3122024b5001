// A metalogger of ours beside a master of ours, on machines that crash.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recover } from '../../src/journal/recovery.ts'
import { Metalogger } from '../../src/metalogger/metalogger.ts'
import { VERSION } from '../../src/protocol/constants.ts'
import * as mltoma from '../../src/protocol/mltoma.ts'
import type { SimHost } from './host.ts'
import { MASTER, MasterAndClients } from './master-and-clients.ts'

const HOST = '10.9.9.50'
const FOLDER = '/ml'
const NOW = 1_700_000_000

class World {
  readonly machines: MasterAndClients
  readonly host: SimHost
  metalogger: Metalogger | undefined

  constructor(seed: number) {
    this.machines = new MasterAndClients(seed)
    this.host = this.machines.machine(HOST)
  }

  async startMetalogger(): Promise<void> {
    const env = this.host.env('mfsmetalogger')
    await env.disk.makeFolder(FOLDER)
    this.metalogger = await Metalogger.start(env, {
      ...{ dataFolder: FOLDER, masterHost: MASTER, masterPort: 9419, bindHost: undefined },
      ...{ reconnectSeconds: 1, timeoutSeconds: 10, downloadEveryHours: 24, backLogs: 5, keepPrevious: 3 },
    })
  }

  /** Changes of the master: files of inode numbers that follow each other. */
  change(count: number): void {
    const { ledger } = this.machines.master
    for (let i = 0; i < count; i++) {
      const inode = ledger.state.nodes.nextInode()
      const node = { type: 1, mode: 0o644, cumask: 0, uid: 0, gid: 0, rdev: 0 }
      ledger.commit({ op: 'CREATE', ts: ledger.now(), parent: 1, name: `f${inode}`, ...node, inode })
    }
  }

  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await condition()); tries++) {
      assert.ok(tries < 600, `${what}: not after a minute`)
      await this.sleep(100)
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.machines.scheduler.at(ms, resolve))
  }

  caughtUp(): boolean {
    return this.metalogger?.lastId === this.machines.state.version - 1
  }

  /** What the folder of the metalogger alone leads to. */
  async restored() {
    const { disk } = this.host.env('restore')
    return (await recover(disk, FOLDER, { now: NOW })).state
  }

  /** Whether the folder leads to what the master has. */
  async isWhole(): Promise<boolean> {
    const state = await this.restored().catch(() => undefined)
    return state?.digest() === this.machines.state.digest()
  }

  logged(pattern: RegExp): boolean {
    return this.host.messages.some(message => pattern.test(message))
  }
}

const inWorld = (seed: number, story: (world: World) => Promise<void>) => {
  const world = new World(seed)
  return world.machines.play(async () => {
    await world.machines.start()
    await world.startMetalogger()
    await world.until('the first download', () => world.logged(/fetched/))
    await story(world)
    assert.deepEqual(world.machines.failures, [])
  })
}

test('a metalogger holds what its master has committed, through rotations', () =>
  inWorld(1, async world => {
    world.change(50)
    await world.until('following', () => world.caughtUp())
    await world.machines.master.saveCheckpoint()
    world.change(50)
    await world.until('following after the rotation', () => world.caughtUp())
    assert.equal((await world.restored()).digest(), world.machines.state.digest())
    const names = await world.host.env('look').disk.list(FOLDER)
    assert.ok(names.includes('changelog_ml.1.mfs') && names.includes('changelog_ml.0.mfs'), names.join())
  }))

test('after its own power cut it goes on with what it missed, without a new checkpoint', () =>
  inWorld(2, async world => {
    world.change(20)
    await world.until('following', () => world.caughtUp())
    world.host.powerCut()
    world.change(20)
    await world.startMetalogger()
    await world.until('caught up', () => world.caughtUp())
    assert.equal((await world.restored()).digest(), world.machines.state.digest())
    assert.ok(world.logged(/following the master at .* from change \d+ on/))
    assert.equal(world.host.messages.filter(message => message.includes('fetched')).length, 1)
  }))

test('a metalogger that has no change yet gets what lies before those that come first', () =>
  inWorld(9, async world => {
    world.host.kill()
    world.change(20)
    let isBusy = true
    const work = async () => {
      for (; isBusy; await world.sleep(0.2)) world.change(1)
    }
    const worked = work()
    await world.startMetalogger()
    await world.until('following', () => world.metalogger?.following ?? false)
    await world.sleep(1000)
    isBusy = false
    await worked
    await world.until('its files', () => world.isWhole())
  }))

for (const seed of [4, 5]) {
  test(`it never holds a change that its master lost in a power cut (seed ${seed})`, () =>
    inWorld(seed, async world => {
      for (let round = 0; round < 4; round++) {
        world.change(1 + world.machines.scheduler.between(0, 30))
        await world.sleep(world.machines.scheduler.between(0, 40) / 4)
        world.change(3)
        world.machines.powerCut()
        await world.machines.start()
        await world.until('following', () => world.metalogger?.following ?? false)
        world.change(2)
        await world.until('its files', () => world.isWhole())
      }
      assert.equal(world.logged(/ALARM/), false)
    }))
}

test('a master that went back in time is refused, and nothing is changed', () =>
  inWorld(7, async world => {
    world.change(20)
    await world.machines.master.saveCheckpoint()
    world.change(20)
    await world.until('following', () => world.caughtUp())
    const before = (await world.restored()).digest()
    await world.machines.stop()
    // Somebody brings back an empty file system under the same address.
    const { disk } = world.machines.host.env('somebody')
    for (const name of await disk.list('/data')) await disk.unlink(`/data/${name}`)
    await world.machines.start()
    await world.until('the alarm', () => {
      world.change(1)
      return world.logged(/ALARM: the master/)
    })
    assert.equal((await world.restored()).digest(), before)
  }))

test('a metalogger that takes nothing is let go, and the others stay', () =>
  inWorld(8, async world => {
    const { net } = world.machines.machine('10.9.9.51').env('slow')
    const slow = await net.connect(MASTER, 9419, { timeoutMs: 1000 })
    let closed = false
    slow.handle({
      data() {},
      closed() {
        closed = true
      },
    })
    slow.pause()
    slow.write(mltoma.register.encode({ form: 1, version: VERSION, timeout: 60 }))
    await world.sleep(1000)
    const { ledger } = world.machines.master
    for (let i = 0; i < 800; i++) {
      const value = 'x'.repeat(65536)
      ledger.commit({ op: 'SETXATTR', ts: ledger.now(), inode: 1, name: 'user.a', value, mode: 0 })
      if (i % 50 === 0) await world.sleep(20)
    }
    await world.until('the others', () => world.caughtUp())
    slow.resume()
    await world.until('the slow one', () => closed)
    assert.ok(world.machines.host.messages.some(message => /does not take what it is sent/.test(message)))
  }))
