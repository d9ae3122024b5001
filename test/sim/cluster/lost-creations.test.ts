// A new chunk is made on its servers while the log is written. If the power goes then, the servers have a chunk that no
// master knows, and its id is given to no other one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenFlag } from '../../../src/protocol/cltoma.ts'
import { type CopyFile, copyContents, copyFiles } from './chunk-copies.ts'
import { SimCluster } from './cluster.ts'
import { readRange, root } from './tree-model.ts'

const ROOT = 1
const SEEDS = 12
/** Servers have the chunk before the line is on the disk, mostly. */
const SLOW_DISK_MS = 50
const LIMIT_MS = 120_000
const LEASE_MS = 120_000
const contents = (name: string) => Buffer.alloc(3000, `contents of ${name}, `)

const idsOnDisks = (cluster: SimCluster) => new Set(copyFiles(cluster).map(({ chunkId }) => chunkId))

async function started(seed: number): Promise<SimCluster> {
  const cluster = new SimCluster(seed, { servers: 2, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp, LIMIT_MS, 'the start of the cluster')
  return cluster
}

/** @returns whether the power went between the making of a chunk and its line in the log */
async function story(seed: number): Promise<boolean> {
  const cluster = await started(seed)
  const ready = async () => {
    await cluster.sleep(10_000)
    const session = await cluster.connect(cluster.addClientHost().env('client'))
    const inodes: number[] = []
    for (const name of ['first', 'second']) {
      const made = await session.create(ROOT, name, 0o644, 0, root)
      if (made.status !== undefined) throw new Error(`${name}: status ${made.status}`)
      inodes.push(made.inode)
    }
    return { session, inodes }
  }
  const { session, inodes } = await cluster.run(ready(), LIMIT_MS, 'two files')
  const [first = 0, second = 0] = inodes
  const write = async (inode: number, name: string) => {
    assert.equal(await session.data(inode).write(0, contents(name)), 0)
    assert.equal(await session.data(inode).flush(), 0)
  }
  cluster.masterHost.disk.maxDelayMs = SLOW_DISK_MS
  const writing = write(first, 'first')
  await cluster.until(() => idsOnDisks(cluster).size > 0, LIMIT_MS, 'a chunk')
  const made = idsOnDisks(cluster)
  cluster.killMaster(true, 1000)
  cluster.masterHost.disk.maxDelayMs = 0
  await cluster.until(() => cluster.isUp, LIMIT_MS, 'the start of the master')
  const isLost = [...made].every(id => cluster.master?.ledger.state.chunks.find(id) === 0)
  await cluster.run(Promise.all([writing, write(second, 'second')]), LIMIT_MS, 'both files')
  for (const [inode, name] of [
    [first, 'first'],
    [second, 'second'],
  ] as const) {
    const read = await cluster.run(readRange(session, inode, 0, contents(name).length), LIMIT_MS, name)
    assert.deepEqual(read, contents(name), `seed ${seed}: ${name}`)
  }
  if (isLost) {
    const state = cluster.master?.ledger.state
    for (const inode of inodes) {
      const id = state?.chunks.id(state.nodes.chunkRow(inode, 0)) ?? 0
      assert.ok(id !== 0 && !made.has(id), `seed ${seed}: chunk ${id}`)
    }
  }
  assert.deepEqual(cluster.violations, [])
  return isLost
}

test('a chunk whose line was lost with the power is in nobody’s way', async () => {
  let lost = 0
  for (let seed = 1; seed <= SEEDS; seed++) if (await story(seed)) lost++
  assert.ok(lost > 0, 'the line was always there before the chunk')
})

test('a master whose log has another owner makes no chunks', async () => {
  const cluster = await started(1)
  const ready = async () => {
    await cluster.sleep(10_000)
    const session = await cluster.connect(cluster.addClientHost().env('client'))
    const made = await session.create(ROOT, 'file', 0o644, 0, root)
    return session.data(made.status === undefined ? made.inode : 0)
  }
  const data = await cluster.run(ready(), LIMIT_MS, 'a file')
  cluster.master?.ledger.end()
  assert.equal(await cluster.run(data.write(0, contents('file')), LIMIT_MS, 'a write'), 0)
  void data.flush()
  await cluster.run(cluster.sleep(5000), LIMIT_MS, 'some time')
  assert.deepEqual(copyFiles(cluster), [])
})

test('a chunk whose servers are not back yet is not taken for one that nobody has made', async () => {
  const cluster = await started(1)
  const { servers, clientHosts } = cluster
  const begin = async () => {
    await cluster.sleep(10_000)
    const [one, other] = [
      await cluster.connect(cluster.addClientHost().env('one')),
      await cluster.connect(cluster.addClientHost().env('other')),
    ]
    const made = await one.create(ROOT, 'file', 0o644, 0, root)
    const inode = made.status === undefined ? made.inode : 0
    await one.truncate(inode, true, root, 2 * contents('file').length)
    await other.open(inode, OpenFlag.READ | OpenFlag.WRITE, root)
    assert.equal(await one.data(inode).write(0, contents('file')), 0)
    return { inode, other }
  }
  const { inode, other } = await cluster.run(begin(), LIMIT_MS, 'a write')
  const has = (copy: CopyFile) => copyContents(copy).indexOf('contents of file') === 0
  await cluster.until(() => copyFiles(cluster).filter(has).length === 2, LIMIT_MS, 'bytes on both servers')
  // Before the write is ended; its lease is over when the master is back, before the servers are.
  clientHosts[0]?.kill()
  for (const node of servers) cluster.killServer(node, false, LEASE_MS + 10_000)
  cluster.killMaster(false, LEASE_MS + 1000)
  await cluster.until(() => cluster.master !== undefined, 2 * LIMIT_MS, 'the start of the master')
  const add = async () => {
    assert.equal(await other.data(inode).write(contents('file').length, contents('more')), 0)
    assert.equal(await other.data(inode).flush(), 0)
    return readRange(other, inode, 0, contents('file').length)
  }
  assert.deepEqual(await cluster.run(add(), LIMIT_MS, 'another write'), contents('file'))
  assert.deepEqual(cluster.violations, [])
})
