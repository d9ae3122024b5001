// Files that are cut while masters and clients die: a file is as it was, or cut, and nothing between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import * as cltoma from '../../../src/protocol/cltoma.ts'
import type { SimHost } from '../host.ts'
import { SimCluster } from './cluster.ts'
import { readRange, root } from './tree-model.ts'

const ROOT = 1
const [LENGTH, CUT_TO, GROWN_TO] = [100_000, 50_000, 90_000]
const CONTENTS = Buffer.alloc(LENGTH, 'x')

async function snapshot(session: ClusterSession, inode: number): Promise<void> {
  const request = { msgid: 0, inode, parent: ROOT, name: 'copy', caller: root, umask: 0, mode: 0 }
  const { body } = await session.forward(cltoma.fuseSnapshot.code, cltoma.fuseSnapshot.encode(request).subarray(12))
  assert.equal(body[0], 0)
}

type Story = (cluster: SimCluster, host: SimHost, session: ClusterSession, inode: number) => Promise<void>

/** A client with a file of LENGTH bytes, on two servers. */
async function withFile(isShared: boolean, story: Story): Promise<void> {
  // Servers that are cut off count as there for longer than answers are kept.
  const master = { chunkserverTimeoutSeconds: 60 }
  const cluster = new SimCluster(1, { servers: 2, syncChunks: false, sync: { kind: 'commit' }, master })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start of the cluster')
  const host = cluster.addClientHost()
  const play = async () => {
    const session = await cluster.connect(host.env('client'))
    const made = await session.create(ROOT, 'file', 0o644, 0, root)
    const inode = made.status === undefined ? made.inode : 0
    assert.equal(await session.data(inode).write(0, CONTENTS), 0)
    assert.equal(await session.data(inode).flush(), 0)
    if (isShared) await snapshot(session, inode)
    await story(cluster, host, session, inode)
  }
  await cluster.run(play(), 600_000, 'the story')
}

/** What another client finds in the end. */
async function found(cluster: SimCluster, inode: number): Promise<Buffer> {
  const session = await cluster.connect(cluster.addClientHost().env('other'))
  const { status } = await session.open(inode, cltoma.OpenFlag.READ | cltoma.OpenFlag.WRITE, root)
  assert.equal(status, undefined)
  const contents = await readRange(session, inode, 0, LENGTH)
  // What was cut off is not seen when the file grows again.
  const grown = await session.truncate(inode, true, root, GROWN_TO)
  assert.equal(grown.status, undefined)
  const hole = await readRange(session, inode, CUT_TO, GROWN_TO - CUT_TO)
  const isHole = hole.equals(Buffer.alloc(hole.length))
  assert.equal(isHole, contents.length === CUT_TO, `${contents.length} bytes`)
  return contents
}

for (const isShared of [false, true]) {
  const kind = isShared ? 'file with a snapshot' : 'file'
  test(`a ${kind} that a dead client wanted to be cut by a master that died is cut or as it was`, async () => {
    const lengths = new Set<number>()
    for (let afterMs = 0; afterMs < 6; afterMs += 0.3) {
      await withFile(isShared, async (cluster, host, session, inode) => {
        session.truncate(inode, true, root, CUT_TO).catch(() => undefined)
        await cluster.sleep(afterMs)
        host.kill()
        cluster.killMaster(false, 1000)
        await cluster.sleep(2000)
        const contents = await found(cluster, inode)
        lengths.add(contents.length)
        assert.ok(contents.equals(CONTENTS.subarray(0, contents.length)), `after ${afterMs} ms`)
      })
    }
    assert.deepEqual([...lengths].sort(), [LENGTH, CUT_TO].sort())
  })
}

const cutServersOff = (cluster: SimCluster) => {
  for (const { host } of cluster.servers) cluster.network.partition(host.address, cluster.masterHost.address)
}

test('a file that servers were told to cut is cut, however long they have not answered when the master dies', async () => {
  const lengths = new Set<number>()
  for (let afterMs = 0; afterMs < 6; afterMs += 0.3) {
    await withFile(false, async (cluster, host, session, inode) => {
      const other = await cluster.connect(cluster.addClientHost().env('busy'))
      session.truncate(inode, true, root, CUT_TO).catch(() => undefined)
      await cluster.sleep(afterMs)
      cutServersOff(cluster)
      host.kill()
      for (let i = 0; i < 6; i++) {
        await other.mkdir(ROOT, `folder${i}`, 0o755, 0, false, root)
        await cluster.sleep(3000)
      }
      cluster.killMaster(false, 1000)
      cluster.network.heal()
      await cluster.sleep(2000)
      const contents = await found(cluster, inode)
      lengths.add(contents.length)
      assert.ok(contents.equals(CONTENTS.subarray(0, contents.length)), `after ${afterMs} ms`)
    })
  }
  assert.ok(lengths.has(CUT_TO))
})

test('a file whose servers leave while they cut it is cut or as it was, whatever its client is told', async () => {
  const lengths = new Set<number>()
  for (let afterMs = 0; afterMs < 6; afterMs += 0.3) {
    await withFile(false, async (cluster, host, session, inode) => {
      session.truncate(inode, true, root, CUT_TO).catch(() => undefined)
      await cluster.sleep(afterMs)
      for (const node of cluster.servers) cluster.killServer(node, false, 60_000)
      await cluster.sleep(30_000)
      host.kill()
      await cluster.sleep(60_000)
      const contents = await found(cluster, inode)
      lengths.add(contents.length)
      assert.ok(contents.equals(CONTENTS.subarray(0, contents.length)), `after ${afterMs} ms`)
    })
  }
  assert.deepEqual([...lengths].sort(), [LENGTH, CUT_TO].sort())
})

// Seed 10000179 (everything): it cut off what the client's successor had written.
test('the cut of a client that died while it waited for a writer is not made afterwards', async () => {
  await withFile(false, async (cluster, host, session, inode) => {
    const waiting = cluster.addClientHost()
    const other = await cluster.connect(waiting.env('waiting'))
    assert.equal(await session.data(inode).write(LENGTH, CONTENTS), 0)
    const flushed = session.data(inode).flush()
    await cluster.sleep(3)
    cluster.network.partition(host.address, cluster.masterHost.address)
    const cut = { isAnswered: false }
    const answered = () => {
      cut.isAnswered = true
    }
    other.truncate(inode, true, root, CUT_TO).then(answered, answered)
    await cluster.sleep(5000)
    assert.equal(cut.isAnswered, false, 'it waits')
    waiting.kill()
    await cluster.sleep(1000)
    cluster.network.heal()
    assert.equal(await flushed, 0)
    await cluster.sleep(5000)
    const reader = await cluster.connect(cluster.addClientHost().env('reader'))
    const found = await reader.getattr(inode, true, root)
    assert.equal(found.status === undefined && found.attributes.length, 2 * LENGTH)
  })
})

// Seed 10002040 (everything)
test('a file that the next master has cut does not grow over its end before the servers have cut the chunk', async () => {
  for (let afterMs = 1; afterMs < 4; afterMs += 0.5) {
    await withFile(false, async (cluster, host, session, inode) => {
      session.truncate(inode, true, root, CUT_TO).catch(() => undefined)
      await cluster.sleep(afterMs)
      host.kill()
      cluster.killMaster(false, 1000)
      for (const node of cluster.servers) cluster.killServer(node, false, 8000)
      await cluster.sleep(2000)
      const other = await cluster.connect(cluster.addClientHost().env('other'))
      const opened = await other.open(inode, cltoma.OpenFlag.READ | cltoma.OpenFlag.WRITE, root)
      const wasCut = opened.status === undefined && opened.attributes.length === CUT_TO
      assert.equal((await other.truncate(inode, true, root, 70_000_000)).status, undefined)
      const end = await readRange(other, inode, CUT_TO, LENGTH - CUT_TO)
      assert.ok(end.equals(wasCut ? Buffer.alloc(LENGTH - CUT_TO) : CONTENTS.subarray(CUT_TO)), `after ${afterMs} ms`)
    })
  }
})
