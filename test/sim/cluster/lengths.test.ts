// How long a file is, as a client sees it while its own writes are on their way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenFlag } from '../../../src/protocol/cltoma.ts'
import { SimCluster } from './cluster.ts'
import { readRange, root } from './tree-model.ts'

const ROOT = 1

/** Somebody else's file of 100,000 bytes, and a client that has never seen it. */
async function withFile(run: (cluster: SimCluster, inode: number) => Promise<void>): Promise<void> {
  const cluster = new SimCluster(1, { servers: 2, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start of the cluster')
  await cluster.run(play(), 60_000, 'the story')
  async function play() {
    const writer = await cluster.connect(cluster.addClientHost().env('writer'))
    const made = await writer.create(ROOT, 'file', 0o644, 0, root)
    assert.equal(made.status, undefined)
    const inode = made.status === undefined ? made.inode : 0
    assert.equal(await writer.data(inode).write(0, Buffer.alloc(100_000, 'x')), 0)
    assert.equal(await writer.data(inode).flush(), 0)
    await run(cluster, inode)
  }
}

// Seeds 2005 (master) and 3008 (everything) saw no bytes.
test('who has only written to a file reads what lies behind his bytes', () =>
  withFile(async (cluster, inode) => {
    // At some of these moments the client has been told of the chunk, and its write is not over.
    for (let afterMs = 1; afterMs < 20; afterMs++) {
      const session = await cluster.connect(cluster.addClientHost().env('client'))
      await session.open(inode, OpenFlag.READ | OpenFlag.WRITE, root)
      assert.equal(await session.data(inode).write(0, Buffer.alloc(10, 'y')), 0)
      await cluster.sleep(afterMs)
      assert.equal((await readRange(session, inode, 90_000, 10)).toString(), 'x'.repeat(10), `after ${afterMs} ms`)
      await session.close()
    }
  }))

// Seed 7001 (everything, 80 operations): both answers came in one piece after the connection was lost.
test('a file is never shown shorter than its own writer has made it', () =>
  withFile(async (cluster, inode) => {
    const session = await cluster.connect(cluster.addClientHost().env('client'))
    await session.open(inode, OpenFlag.READ | OpenFlag.WRITE, root)
    let length = 100_000
    for (let afterMs = 9; afterMs < 14; afterMs++) {
      length += 100
      assert.equal(await session.data(inode).write(length - 100, Buffer.alloc(100, 'y')), 0)
      const flushed = session.data(inode).flush()
      await cluster.sleep(afterMs / 2)
      cluster.killMaster(false, 200)
      const told = await session.getattr(inode, true, root)
      assert.ok(told.status === undefined && told.attributes.length === length, `after ${afterMs / 2} ms`)
      assert.equal(await flushed, 0)
    }
  }))

// Seeds 10000554 and 10000634 (everything): names of a listing are looked at one by one.
test('a listing that is looked at later shows a file as long as its own writer had made it', () =>
  withFile(async (cluster, inode) => {
    const session = await cluster.connect(cluster.addClientHost().env('client'))
    await session.open(inode, OpenFlag.READ | OpenFlag.WRITE, root)
    assert.equal(await session.data(inode).write(100_000, Buffer.alloc(100, 'y')), 0)
    const listed = await session.readdir(ROOT, true, root)
    assert.equal(await session.data(inode).flush(), 0)
    assert.ok(listed.status === undefined)
    const found = [...listed.names].find(({ name }) => name === 'file')
    assert.equal(found?.attributes?.length, 100_100)
  }))

// Seed 12000006 (disks): the chunk was in the changelog and on no server, and counted as lost.
test('a hole is a hole until the first write into it is carried out, whenever the master dies', () =>
  withFile(async cluster => {
    const session = await cluster.connect(cluster.addClientHost().env('client'))
    for (let halfMs = 0; halfMs < 20; halfMs++) {
      const made = await session.create(ROOT, `hole${halfMs}`, 0o644, 0, root)
      const inode = made.status === undefined ? made.inode : 0
      assert.equal((await session.truncate(inode, true, root, 100_000)).status, undefined)
      assert.equal(await session.data(inode).write(50_000, Buffer.alloc(10, 'y')), 0)
      await cluster.sleep(halfMs / 2)
      cluster.killMaster(false, 200)
      assert.equal(await session.data(inode).flush(), 0, `after ${halfMs / 2} ms`)
      assert.equal(
        (await readRange(session, inode, 49_995, 20)).toString('hex'),
        `${'00'.repeat(5)}${'79'.repeat(10)}${'00'.repeat(5)}`,
      )
      session.release(inode)
    }
  }))
