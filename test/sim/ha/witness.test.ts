// What a witness keeps, and what becomes of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicaError } from '../../../src/ha/replica.ts'
import { CHECKPOINT_BACK, writeCheckpointFile } from '../../../src/journal/checkpoint-files.ts'
import { recover } from '../../../src/journal/recovery.ts'
import { retireWitness, WitnessFolder } from '../../../src/metalogger/witness-folder.ts'
import { SimHost } from '../host.ts'
import { SimNetwork } from '../net.ts'
import { Scheduler } from '../scheduler.ts'
import { EtcdModel } from './etcd-model.ts'
import { DATA, SimMaster } from './master.ts'
import { SimWitness } from './witness.ts'

const FOLDER = '/witness'
const META_ID = 7n
/** Of the checkpoint that is planted. */
const VERSION = 2
const EPOCHS = [{ epoch: 3, firstVersion: 1, leader: 'm1/1' }]
const ROTATE_EVERY_MS = 20_000
const digest = Buffer.alloc(0)

const keep = { backLogs: 5, keepPrevious: 1 }

class Disk {
  readonly scheduler = new Scheduler(1)
  readonly host = new SimHost(this.scheduler, new SimNetwork(this.scheduler), '10.1.0.1')

  /** A checkpoint under that name, and lines after it. */
  async plant(checkpoint: string, lines: string): Promise<void> {
    const { disk } = this.host.env('plant')
    this.host.disk.plant('/other/metadata.mfs', Buffer.from('MFSM NEW'))
    this.host.disk.plant('/other/changelog.0.mfs', Buffer.from(`1: 1|SETMETAID(${META_ID})\n`))
    this.host.disk.plant(`${FOLDER}/changelog_ml.0.mfs`, Buffer.from(lines))
    const { state } = await recover(disk, '/other', { now: 1 })
    await writeCheckpointFile(disk, `${FOLDER}/${checkpoint}`, state)
    await disk.syncFolder(FOLDER)
  }

  open() {
    return new WitnessFolder(this.host.env('witness'), FOLDER, keep, error => {
      throw error
    }).open()
  }

  finished<T>(work: () => Promise<T>): Promise<T> {
    return this.scheduler.finished(work())
  }
}

const lineOf = (id: number, trailer = '') => `${id}: 1|IDLE()${trailer}\n`

test('a witness cuts off a request that is not whole, and goes on from there', () => {
  const disk = new Disk()
  return disk.finished(async () => {
    await disk.plant('metadata_ml.mfs.back', `${lineOf(2)}${lineOf(3, ';M')}${lineOf(4, ';M')}`)
    const log = await disk.open()
    assert.deepEqual([log.version, log.durable, log.metaId], [3, 3, META_ID])
    const lines = Buffer.from(`${lineOf(3, ';M')}${lineOf(4)}`)
    assert.throws(() => log.append({ firstVersion: 4, count: 1, lines: Buffer.from(lineOf(4)), digest }), ReplicaError)
    assert.throws(() => log.append({ firstVersion: 3, count: 3, lines, digest }), ReplicaError)
    log.append({ firstVersion: 3, count: 2, lines, digest })
    await log.flushed()
    const texts: string[] = []
    for await (const batch of log.linesFrom(2)) texts.push(batch.lines.toString())
    assert.equal(texts.join(''), `${lineOf(2)}${lines}`)
  })
})

test('a witness that was killed between two names of checkpoints has the older one', () => {
  const disk = new Disk()
  return disk.finished(async () => {
    await disk.plant('metadata_ml.mfs.back.1', lineOf(2))
    const log = await disk.open()
    assert.equal(log.version, VERSION + 1)
  })
})

test('lines that do not lead on from the checkpoint are no log', () => {
  const disk = new Disk()
  return disk.finished(async () => {
    await disk.plant('metadata_ml.mfs.back', lineOf(4))
    const log = await disk.open()
    assert.equal(log.version, 0)
  })
})

test('a witness cuts lines off, but not those in its checkpoint', () => {
  const disk = new Disk()
  return disk.finished(async () => {
    await disk.plant('metadata_ml.mfs.back', `${lineOf(2)}${lineOf(3)}`)
    const folder = new WitnessFolder(disk.host.env('witness'), FOLDER, keep, () => {})
    assert.equal(await folder.cut(VERSION - 1), false)
    assert.equal(await folder.cut(3), true)
    assert.equal((await folder.open()).version, 3)
    assert.equal(await folder.cut(VERSION), true)
    assert.equal((await folder.open()).version, VERSION)
  })
})

test('what was a witness is put aside by a metalogger that is none, once', () => {
  const disk = new Disk()
  return disk.finished(async () => {
    await disk.plant('metadata_ml.mfs.back', lineOf(2))
    const env = disk.host.env('metalogger')
    await retireWitness(env, FOLDER)
    assert.ok((await env.disk.list(FOLDER)).includes('changelog_ml.0.mfs'), 'it never was one')
    await (await disk.open()).setEpochs(EPOCHS, 3)
    await retireWitness(env, FOLDER)
    const left = (await env.disk.list(FOLDER)).filter(name => !name.startsWith('epochs'))
    assert.match(left.join(), /^diverged-[^,]*$/)
    assert.deepEqual((await env.disk.list(`${FOLDER}/${left[0]}`)).sort(), [
      'changelog_ml.0.mfs',
      'metadata_ml.mfs.back',
    ])
    await retireWitness(env, FOLDER)
    assert.equal((await env.disk.list(FOLDER)).length, 2)
  })
})

test('a witness begins a changelog now and then and fetches a checkpoint beside the lines, in sync all the time', async () => {
  const scheduler = new Scheduler(1)
  const network = new SimNetwork(scheduler)
  const etcd = new EtcdModel(scheduler)
  const way = { isCut: () => false, troubleOneIn: 0, answerLateMs: 0 }
  const options = { broken: {}, minInSync: 2, clocksLie: false, isQuiet: false }
  const master = new SimMaster(scheduler, network, '10.0.0.1', etcd, way, 'm1', options)
  const witness = new SimWitness(scheduler, network, '10.0.3.1', ['10.0.0.1'], {}, ROTATE_EVERY_MS)
  const start = async () => {
    await master.format()
    await master.start()
    await witness.start()
  }
  await scheduler.finished(start())
  const witnesses = () => master.member?.leadership?.witnesses ?? []
  await scheduler.until(() => witnesses().length === 1, 20_000, 'a witness')
  const before = witness.host.messages.length
  await scheduler.run(ROTATE_EVERY_MS / 2)
  await scheduler.finished(master.checkpoint())
  await scheduler.run(ROTATE_EVERY_MS * 0.7)
  const messages = witness.host.messages.slice(before)
  assert.ok(
    messages.some(message => /checkpoint of version \d+: 100 %/.test(message)),
    messages.join('\n'),
  )
  assert.deepEqual(
    messages.filter(message => message.includes('following') || message.includes('not taken')),
    [],
  )
  const { disk } = witness.host.env('look')
  const names = await scheduler.finished(disk.list(FOLDER))
  for (const name of ['changelog_ml.0.mfs', 'changelog_ml.1.mfs', 'metadata_ml.mfs.back', 'metadata_ml.mfs.back.1']) {
    assert.ok(names.includes(name), `${name} is not among ${names}`)
  }
  assert.ok((await scheduler.finished(master.host.env('look').disk.list(DATA))).includes(CHECKPOINT_BACK))
  await scheduler.until(() => witness.witness?.durable === master.member?.replica.version, 10_000, 'the last line')
  assert.equal(await scheduler.finished(witness.restored()), master.state?.digest())
})
