// A disk without room: under the changelog and under the chunks. Applications wait, and lose nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimCluster } from './cluster.ts'
import { readRange, root } from './tree-model.ts'

const FULL = { writes: 'ENOSPC' }

async function started(seed: number) {
  const cluster = new SimCluster(seed, { servers: 3, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start')
  const session = await cluster.run(cluster.connect(cluster.addClientHost().env('client')), 60_000, 'a session')
  return { cluster, session }
}

test('a full disk under the changelog: nothing is answered until there is room, nothing answered is lost', async () => {
  const { cluster, session } = await started(1)
  const { disk, messages } = cluster.masterHost
  let made = 0
  const story = async () => {
    for (let i = 0; i < 60; i++) {
      const answer = await session.mkdir(1, `folder ${i}`, 0o755, 0, true, root)
      assert.equal(answer.status, undefined, `folder ${i}`)
      made++
    }
  }
  cluster.scheduler.at(20, () => {
    disk.fault = FULL
  })
  const done = story()
  await cluster.scheduler.run(5000)
  const whenFull = made
  assert.ok(whenFull > 0 && whenFull < 60, `${whenFull} made`)
  assert.ok(
    messages.some(text => /changelog\.0\.mfs.*ENOSPC/.test(text)),
    messages.join('\n'),
  )
  await cluster.scheduler.run(3000)
  assert.equal(made, whenFull, 'no answer without a line on the disk')
  disk.fault = {}
  await cluster.run(done, 120_000, 'the other folders')
  const listed = await cluster.run(session.readdir(1, false, root), 60_000, 'readdir')
  assert.ok(listed.status === undefined)
  assert.equal(listed.names.length, 60 + 2)
})

test('a full disk under chunks: what is written goes to other servers, what was there stays right', async () => {
  const { cluster, session } = await started(2)
  const bytes = (i: number) => Buffer.alloc(300_000, `contents of ${i} `)
  const write = async (i: number) => {
    const made = await session.create(1, `file ${i}`, 0o600, 0, root)
    assert.ok(made.status === undefined)
    assert.equal(await session.data(made.inode).write(0, bytes(i)), 0)
    assert.equal(await session.data(made.inode).flush(), 0)
    session.release(made.inode)
    return made.inode
  }
  const files: number[] = []
  const story = async (count: number) => {
    for (let i = 0; i < count; i++) files.push(await write(files.length))
  }
  await cluster.run(story(6), 60_000, 'files')
  const [first] = cluster.servers
  if (first) first.host.disk.fault = FULL
  await cluster.run(story(6), 120_000, 'files beside a full disk')
  for (const [i, inode] of files.entries()) {
    const read = await cluster.run(readRange(session, inode, 0, 300_000), 60_000, 'reading')
    assert.ok(read.equals(bytes(i)), `file ${i}`)
  }
})
