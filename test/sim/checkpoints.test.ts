// Checkpoints of a running master: made beside it, verified before anything old goes, harmless whenever they are broken off.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspectCheckpoint, loadCheckpoint } from '../../src/journal/checkpoint-files.ts'
import { AFTERMATH_SECONDS } from '../../src/master/chunks/aftermath.ts'
import type { MasterOptions } from '../../src/master/options.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'

const HOUR_MS = 3_600_000
const FOLDER = '/data'
const BACK = `${FOLDER}/metadata.mfs.back`

function story(
  name: string,
  run: (world: MasterAndClients, client: RawClient) => Promise<void>,
  changes: Partial<MasterOptions> = {},
): void {
  for (const seed of [1, 2, 3]) {
    test(`${name} (seed ${seed})`, async () => {
      const world = new MasterAndClients(seed, changes)
      await world.play(async () => {
        await world.start()
        await run(world, await world.mount())
      })
      assert.deepEqual(world.failures, [])
    })
  }
}

async function makeFolders(client: RawClient, prefix: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await client.mkdir(1, `${prefix}${i}`)
}

const sleep = (world: MasterAndClients, ms: number) => world.host.env('test').clock.sleep(ms)
const said = (world: MasterAndClients, what: RegExp) => world.host.messages.filter(message => what.test(message))
const versionOf = async (world: MasterAndClients, path = BACK) =>
  (await inspectCheckpoint(world.host.disk, path)).version

async function until(world: MasterAndClients, done: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await done()); i++) {
    assert.ok(i < 10_000, 'it never came')
    await sleep(world, 1)
  }
}

story('at the full hour a checkpoint is made and verified while clients are served', async (world, client) => {
  await makeFolders(client, 'before', 20)
  const untilHourMs = HOUR_MS - (world.host.env('test').clock.nowMs() % HOUR_MS)
  await sleep(world, untilHourMs - 50)
  const later = await world.mount()
  let made = 0
  await until(world, async () => {
    await later.mkdir(1, `during${made++}`)
    return said(world, /checkpoint of version \d+ .* stored and verified/).length === 1
  })
  assert.ok(made >= 3, `${made} folders made meanwhile`)
  const stored = await loadCheckpoint(world.host.disk, BACK, 0)
  assert.ok(stored.version < world.state.version)
  assert.equal(stored.nodes.count >= 21, true)
  const names = await world.host.disk.list(FOLDER)
  assert.ok(names.includes('metadata.mfs.back.1') && names.includes('changelog.1.mfs'), `${names}`)
  assert.ok(!names.includes('metadata.mfs.back.tmp'))
})

story(
  'a state in memory that the files do not lead to raises an alarm, and nothing old goes',
  async (world, client) => {
    await makeFolders(client, 'a', 5)
    await world.master.saveCheckpoint()
    const before = await versionOf(world)
    await makeFolders(client, 'b', 5)
    // What a broken memory module does.
    world.state.nodes.uid.set(3, 4)
    for (let round = 0; round < 5; round++) {
      await makeFolders(client, `c${round}-`, 2)
      await world.master.saveCheckpoint()
    }
    assert.equal(said(world, /ALARM: at version \d+ the state in memory has digest/).length, 5)
    assert.equal(await versionOf(world), before)
    const names = await world.host.disk.list(FOLDER)
    for (let age = 1; age <= 6; age++) assert.ok(names.includes(`changelog.${age}.mfs`), `changelog ${age} of ${names}`)
    assert.equal(names.filter(name => name.startsWith('rejected-checkpoint.')).length, 5)
    world.kill()
    await world.start()
    assert.equal(world.state.nodes.uid.get(3), 0)
    assert.equal(world.state.digest(), world.state.digestFromScratch())
  },
  { backLogs: 1 },
)

story('a checkpoint that cannot be made ends nothing', async (world, client) => {
  await makeFolders(client, 'a', 5)
  const { disk } = world.host
  // The cut is made, then the disk is full for the checkpoint.
  const saved = world.master.saveCheckpoint()
  await until(world, async () => (await disk.list(FOLDER)).includes('metadata.mfs.back.tmp'))
  disk.fault = { writes: 'ENOSPC' }
  await saved
  disk.fault = {}
  assert.equal(said(world, /no checkpoint was made \(ENOSPC.*the changelogs hold everything/).length, 1)
  await makeFolders(client, 'b', 5)
  await world.master.saveCheckpoint()
  assert.equal(await versionOf(world), world.state.version)
})

story('a checkpoint is not begun while another is made', async (world, client) => {
  await makeFolders(client, 'a', 5)
  const first = world.master.saveCheckpoint()
  assert.equal(world.master.saveCheckpoint(), first)
  await first
  assert.equal(said(world, /stored and verified/).length, 1)
})

story(
  'killed or stopped at any moment of a checkpoint, the master comes back with everything',
  async (world, client) => {
    let made = 0
    let at = client
    for (const moment of [0, 0.3, 0.8, 1.2, 2, 3, 4, 6, 8, 10]) {
      for (const how of ['kill', 'stop', 'power'] as const) {
        await makeFolders(at, `${how}${moment}-`, 3)
        made += 3
        void world.master.saveCheckpoint()
        await sleep(world, moment)
        if (how === 'stop') await world.stop()
        else if (how === 'kill') world.kill()
        else world.powerCut()
        await world.start()
        assert.equal(world.state.nodes.count, made + 1, `${how} after ${moment} ms`)
        assert.equal(world.state.digest(), world.state.digestFromScratch())
        at = await world.mount()
      }
    }
  },
)

story('what was replayed after a kill is not replayed after the next one', async (world, client) => {
  await makeFolders(client, 'a', 30)
  world.kill()
  await world.start()
  await until(world, () => said(world, /stored and verified/).length === 1)
  const [started] = said(world, /loaded .* and \d+ changes/).slice(-1)
  assert.match(started as string, /and 3\d changes/)
  world.kill()
  await world.start()
  const [again] = said(world, /loaded .* and \d+ changes/).slice(-1)
  assert.match(again as string, /metadata\.mfs\.back and 0 changes/)
})

story('a clean stop leaves all in metadata.mfs, and the next start has nothing to replay', async (world, client) => {
  await makeFolders(client, 'a', 10)
  await world.stop()
  const names = await world.host.disk.list(FOLDER)
  assert.ok(names.includes('metadata.mfs') && !names.includes('metadata.mfs.back'), `${names}`)
  const stored = await versionOf(world, `${FOLDER}/metadata.mfs`)
  await world.start()
  assert.ok(world.state.version >= stored)
  assert.match(said(world, /loaded /).at(-1) as string, /metadata\.mfs and 0 changes/)
  assert.equal(said(world, /stored and verified/).length, 0)
})

story('a reload takes on when checkpoints are made and how much is kept', async (world, client) => {
  const stored = () => said(world, /stored and verified/).length
  await makeFolders(client, 'a', 5)
  await sleep(world, 2000)
  assert.equal(stored(), 0)
  world.reconfigure({ changelogBytesMax: 1, keepPrevious: 3, backLogs: 2 })
  for (let round = 1; round <= 6; round++) {
    await makeFolders(client, `b${round}-`, 2)
    await until(world, () => stored() === round)
  }
  // What happened just now stays.
  await sleep(world, 1000 * (AFTERMATH_SECONDS + 20))
  const before = stored()
  // A client that was silent for so long is not connected any more.
  await makeFolders(await world.mount(), 'c', 1)
  await until(world, () => stored() > before)
  // Old files go when the checkpoint is there.
  await sleep(world, 1000)
  const kept = async (pattern: RegExp) => (await world.host.disk.list(FOLDER)).filter(name => pattern.test(name)).sort()
  const backs = ['metadata.mfs.back', 'metadata.mfs.back.1', 'metadata.mfs.back.2', 'metadata.mfs.back.3']
  assert.deepEqual(await kept(/^metadata\.mfs\.back/), backs)
  assert.deepEqual(await kept(/^changelog\.[1-9]\d*\.mfs$/), ['changelog.1.mfs', 'changelog.2.mfs'])
})
