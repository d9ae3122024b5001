// A follower that is elected knows what the log tells besides the state without reading it again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DataFolder } from '../../../src/master/ha/data-folder.ts'
import { LastLines } from '../../../src/master/last-lines.ts'
import { printTrailer, type Trailer } from '../../../src/metadata/changelog/trailer.ts'
import { SimHost } from '../host.ts'
import { SimNetwork } from '../net.ts'
import { Scheduler } from '../scheduler.ts'

const FOLDER = '/data'
const [SESSION, OTHER_SESSION, INODE, CHUNK] = [1, 2, 2, 1]

const answerOf = (sessionId: number, msgid: number): Trailer => ({
  answer: { sessionId, msgid, type: 401, digest: 7, body: Buffer.from(`answer ${msgid}`).toString('base64') },
})

function textOf(bodies: readonly string[], first: number): Buffer {
  return Buffer.from(bodies.map((body, i) => `${first + i}: ${body}\n`).join(''), 'latin1')
}

/** All that can be asked of it. */
function facts(lastLines: LastLines) {
  const sessions = [...lastLines.answers.sessions].map(([id, { byMsgid }]) => [id, [...byMsgid.values()]] as const)
  return {
    answers: new Map(sessions.filter(([, recents]) => recents.length > 0)),
    unfinished: lastLines.answers.takeUnfinished(),
    promised: lastLines.reservations.endOf(INODE, 0),
    leases: lastLines.aftermath.end(() => 2),
    raised: lastLines.aftermath.raised(CHUNK, 2),
  }
}

test('what a follower has kept of the lines is what a start reads from its files', async () => {
  const scheduler = new Scheduler(1)
  const host = new SimHost(scheduler, new SimNetwork(scheduler), '10.1.0.1')
  const create = (name: string, inode: number, trailer: Trailer) =>
    `10|CREATE(1,${name},1,420,0,0,0,0):${inode}${printTrailer(trailer)}`
  const early = [create('a', INODE, answerOf(SESSION, 5)), create('b', 3, answerOf(SESSION, 6))]
  host.disk.plant(`${FOLDER}/metadata.mfs`, Buffer.from('MFSM NEW'))
  host.disk.plant(`${FOLDER}/changelog.0.mfs`, Buffer.concat([textOf(['1|SETMETAID(7)'], 1), textOf(early, 2)]))
  const env = host.env('master')
  const store = new DataFolder(env, FOLDER, { sync: { kind: 'commit' } }, error => {
    throw error
  })
  const replica = await scheduler.finished(store.open())
  const late = [
    create('c', 4, answerOf(OTHER_SESSION, 5)),
    `11|IDLE()${printTrailer({ received: [{ sessionId: SESSION, msgid: 6 }] })}`,
    `11|WRITE(${INODE},0,1,1):${CHUNK}${printTrailer({ leaseOwner: SESSION, raisedOn: [3, 4], raisedFrom: 1 })}`,
    `12|IDLE()${printTrailer({ reserved: { inode: INODE, end: 5000 } })}`,
    create('d', 5, answerOf(SESSION, 9)),
  ]
  const first = replica.version
  replica.append({ firstVersion: first, count: late.length, lines: textOf(late, first), digest: Buffer.alloc(0) })
  await scheduler.until(() => replica.durable === replica.version, 1000, 'the lines are on the disk')
  const kept = replica.takeLastLines()
  assert.ok(kept)
  const read = await scheduler.finished(LastLines.read(host.disk, FOLDER, replica.version))
  const known = facts(kept)
  assert.deepEqual(known, facts(read))
  assert.deepEqual([...known.answers.keys()].sort(), [SESSION, OTHER_SESSION])
  assert.deepEqual(
    known.answers.get(SESSION)?.map(({ msgid }) => msgid),
    [5, 9],
  )
  assert.equal(known.promised, 5000)
  assert.deepEqual(
    known.leases.map(({ lease }) => lease.session),
    [SESSION],
  )
  assert.deepEqual(known.raised, { on: [3, 4], from: 1 })
})

test('who has led does not take old lines for the last ones: they are read anew', async () => {
  const scheduler = new Scheduler(1)
  const host = new SimHost(scheduler, new SimNetwork(scheduler), '10.1.0.1')
  host.disk.plant(`${FOLDER}/metadata.mfs`, Buffer.from('MFSM NEW'))
  host.disk.plant(`${FOLDER}/changelog.0.mfs`, textOf(['1|SETMETAID(7)'], 1))
  const store = new DataFolder(host.env('master'), FOLDER, { sync: { kind: 'commit' } }, error => {
    throw error
  })
  const replica = await scheduler.finished(store.open())
  assert.ok(replica.takeLastLines())
  assert.equal(replica.takeLastLines(), undefined)
})
