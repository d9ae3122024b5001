// Followers get requests whole, so that whoever is elected never begins in the middle of one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicaError } from '../../../src/ha/replica.ts'
import { DataFolder } from '../../../src/master/ha/data-folder.ts'
import { SimHost } from '../host.ts'
import { SimNetwork } from '../net.ts'
import { Scheduler } from '../scheduler.ts'

const FOLDER = '/data'
const BIG_NAME = 'n'.repeat(200)
const digest = Buffer.alloc(0)

/** A disk with a log of `count` lines, all of them one request. */
function hostWith(count: number): { scheduler: Scheduler; host: SimHost } {
  const scheduler = new Scheduler(1)
  const host = new SimHost(scheduler, new SimNetwork(scheduler), '10.1.0.1')
  const create = (id: number) => `${id}: 1|CREATE(1,${BIG_NAME}${id},1,420,0,0,0,0):${id}${id < count ? ';M' : ''}\n`
  const lines = Array.from({ length: count - 1 }, (_, i) => create(i + 2)).join('')
  host.disk.plant(`${FOLDER}/metadata.mfs`, Buffer.from('MFSM NEW'))
  host.disk.plant(`${FOLDER}/changelog.0.mfs`, Buffer.from(`1: 1|SETMETAID(7)\n${lines}`))
  return { scheduler, host }
}

const open = (host: SimHost) =>
  new DataFolder(host.env('master'), FOLDER, { sync: { kind: 'commit' } }, error => {
    throw error
  }).open()

test('lines that end within a request are refused before any of them is applied', async () => {
  const { scheduler, host } = hostWith(3)
  const replica = await scheduler.finished(open(host))
  const lines = Buffer.from('4: 1|IDLE();M\n')
  assert.throws(() => replica.append({ firstVersion: 4, count: 1, lines, digest }), ReplicaError)
  assert.equal(replica.version, 4)
  replica.append({ firstVersion: 4, count: 2, lines: Buffer.concat([lines, Buffer.from('5: 1|IDLE()\n')]), digest })
  assert.equal(replica.version, 6)
})

test('a request that is larger than a batch is read from disk in one piece', async () => {
  const count = 6000
  const { scheduler, host } = hostWith(count)
  const replica = await scheduler.finished(open(host))
  const counts: number[] = []
  const read = async () => {
    for await (const batch of replica.linesFrom(1)) counts.push(batch.count)
  }
  await scheduler.finished(read())
  assert.deepEqual(counts, [count])
})
