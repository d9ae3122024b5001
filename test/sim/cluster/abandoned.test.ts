// Clients that die in the middle of a write: what they leave is the same on all copies, and never seen in a hole.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import * as cltoma from '../../../src/protocol/cltoma.ts'
import { OpenFlag } from '../../../src/protocol/cltoma.ts'
import type { SimHost } from '../host.ts'
import { copyContents, copyFiles } from './chunk-copies.ts'
import { SimCluster } from './cluster.ts'
import { readRange, root } from './tree-model.ts'

const ROOT = 1
const KEPT = Buffer.alloc(1000, 'kept')
const LEASE_MS = 120_000
const [LOST_AT, LOST_BYTES] = [500_000, 100_000]
const GROWN_TO = 70_000_000

const SUSTAINED_SECONDS = 600
/** Within this time a client that died is known to be gone, and what it left is settled. */
const GONE_MS = 15_000

const areAlike = (cluster: SimCluster) => {
  const [first, ...others] = copyFiles(cluster).map(copyContents)
  return others.length > 0 && others.every(other => first?.equals(other))
}

/** A file whose writer died `afterMs` after it began to write behind the end. */
async function withDeadWriter(
  afterMs: number,
  run: (cluster: SimCluster, inode: number) => Promise<void>,
): Promise<boolean> {
  const master = { sessionSustainSeconds: SUSTAINED_SECONDS }
  const cluster = new SimCluster(afterMs, { servers: 3, syncChunks: false, sync: { kind: 'commit' }, master })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start of the cluster')
  const host = cluster.addClientHost()
  const begin = async () => {
    await cluster.sleep(10_000)
    const session = await cluster.connect(host.env('writer'))
    const made = await session.create(ROOT, 'file', 0o644, 0, root)
    const inode = made.status === undefined ? made.inode : 0
    assert.equal(await session.data(inode).write(0, KEPT), 0)
    assert.equal(await session.data(inode).flush(), 0)
    assert.equal(await session.data(inode).write(LOST_AT, Buffer.alloc(LOST_BYTES, 'lost')), 0)
    void session.data(inode).flush()
    return inode
  }
  const inode = await cluster.run(begin(), 60_000, 'the writer')
  await cluster.run(cluster.sleep(afterMs), 1000, 'the write')
  host.kill()
  await cluster.run(cluster.sleep(100), 1000, 'the death')
  const wereAlike = areAlike(cluster)
  await cluster.run(run(cluster, inode), 20 * LEASE_MS, 'the story')
  return wereAlike
}

const opened = async (cluster: SimCluster, inode: number): Promise<ClusterSession> => {
  const session = await cluster.connect(cluster.addClientHost().env('other'))
  await session.open(inode, OpenFlag.READ | OpenFlag.WRITE, root)
  return session
}

/** At these the copies differ. */
const MOMENTS = [5.4, 5.5, 5.6]

// As seeds 1, 3027 and 3046 (everything and clients) saw it.
test('what a dead client left is the same on all copies in the end', async () => {
  let different = 0
  for (const afterMs of MOMENTS) {
    const wereAlike = await withDeadWriter(afterMs, async cluster => {
      await cluster.sleep(2 * LEASE_MS)
      assert.ok(areAlike(cluster), `after ${afterMs} ms`)
    })
    if (!wereAlike) different++
  }
  assert.ok(different > 0, 'at no moment the copies differed')
})

test('what a dead client left behind the end of a file is not seen when the file grows over it', async () => {
  for (const afterMs of MOMENTS) {
    await withDeadWriter(afterMs, async (cluster, inode) => {
      const session = await opened(cluster, inode)
      const cut = await session.truncate(inode, true, root, GROWN_TO)
      assert.equal(cut.status, undefined)
      assert.deepEqual(await readRange(session, inode, 0, KEPT.length), KEPT)
      assert.deepEqual(await readRange(session, inode, LOST_AT, LOST_BYTES), Buffer.alloc(LOST_BYTES))
    })
  }
})

test('what a dead client left behind the end is cut off even when the log does not tell of its write any more', async () => {
  for (const afterMs of [...MOMENTS, 7]) {
    await withDeadWriter(afterMs, async (cluster, inode) => {
      const other = await cluster.connect(cluster.addClientHost().env('other'))
      for (let i = 0; i < 6; i++) {
        await other.create(ROOT, `other${i}`, 0o644, 0, root)
        await cluster.sleep(LEASE_MS / 4)
      }
      cluster.killMaster(false, 1000)
      await cluster.sleep(1500 * SUSTAINED_SECONDS)
      const session = await opened(cluster, inode)
      await session.truncate(inode, true, root, GROWN_TO)
      assert.deepEqual(await readRange(session, inode, 0, KEPT.length), KEPT)
      const hole = await readRange(session, inode, LOST_AT, LOST_BYTES)
      assert.ok(hole.equals(Buffer.alloc(LOST_BYTES)), `after ${afterMs} ms`)
    })
  }
})

/** A snapshot of the file beside it. @returns its inode */
async function snapshot(session: ClusterSession, inode: number): Promise<number> {
  const request = { msgid: 0, inode, parent: ROOT, name: 'copy', caller: root, umask: 0, mode: 0 }
  const { body } = await session.forward(cltoma.fuseSnapshot.code, cltoma.fuseSnapshot.encode(request).subarray(12))
  assert.equal(body[0], 0)
  const found = await session.lookup(ROOT, 'copy', root)
  assert.ok(found.status === undefined)
  return found.inode
}

/** Ways for a file to grow over its end. */
const growths: Record<string, (session: ClusterSession, inode: number) => Promise<unknown>> = {
  'is made longer': (session, inode) => session.truncate(inode, true, root, LOST_AT + 2 * LOST_BYTES),
  'is made longer than a chunk': (session, inode) => session.truncate(inode, true, root, GROWN_TO),
  'is written behind its end': async (session, inode) => {
    assert.equal(await session.data(inode).write(LOST_AT + LOST_BYTES, KEPT), 0)
    assert.equal(await session.data(inode).flush(), 0)
  },
  'gets another file appended': async (session, inode) => {
    const made = await session.create(ROOT, `more${inode}`, 0o644, 0, root)
    const source = made.status === undefined ? made.inode : 0
    assert.equal(await session.data(source).write(0, KEPT), 0)
    assert.equal(await session.data(source).flush(), 0)
    const request = { msgid: 0, flags: 0, inode, source, from: 0, to: 1, caller: root }
    const { body } = await session.forward(
      cltoma.fuseAppendSlice.code,
      cltoma.fuseAppendSlice.encode(request).subarray(12),
    )
    assert.equal(body[0], 0)
  },
  'is written in another chunk': async (session, inode) => {
    assert.equal(await session.data(inode).write(GROWN_TO, KEPT), 0)
    assert.equal(await session.data(inode).flush(), 0)
  },
}

for (const [what, grow] of Object.entries(growths)) {
  test(`what a dead client left in a file that was snapshotted meanwhile is not seen when either ${what}`, async () => {
    for (const afterMs of MOMENTS) {
      await withDeadWriter(afterMs, async (cluster, inode) => {
        const session = await cluster.connect(cluster.addClientHost().env('snapshots'))
        const copy = await snapshot(session, inode)
        await cluster.sleep(2 * LEASE_MS)
        for (const file of [copy, inode]) {
          await grow(await opened(cluster, file), file)
          const reader = await opened(cluster, file)
          assert.deepEqual(await readRange(reader, file, 0, KEPT.length), KEPT)
          const hole = await readRange(reader, file, LOST_AT, LOST_BYTES)
          assert.ok(hole.equals(Buffer.alloc(LOST_BYTES)), `file ${file}, after ${afterMs} ms`)
        }
      })
    }
  })
}

// Seed 3059 (clients) saw now this, now that.
test('who reads what a dead client was writing sees the same from then on', async () => {
  for (const afterMs of MOMENTS) {
    await withDeadWriter(afterMs, async (cluster, inode) => {
      const seen = new Set<string>()
      for (let i = 0; i < 6; i++) {
        const session = await opened(cluster, inode)
        seen.add((await readRange(session, inode, LOST_AT, LOST_BYTES)).toString())
        await session.close()
        await cluster.sleep(LEASE_MS / 4)
      }
      assert.equal(seen.size, 1, `after ${afterMs} ms`)
    })
  }
})

test('who reads what a dead client was writing waits for some seconds', async () => {
  for (const afterMs of MOMENTS) {
    await withDeadWriter(afterMs, async (cluster, inode) => {
      const session = await opened(cluster, inode)
      const beganMs = cluster.scheduler.nowMs
      await readRange(session, inode, 0, KEPT.length)
      const waitedMs = cluster.scheduler.nowMs - beganMs
      assert.ok(waitedMs > 5000 && waitedMs < GONE_MS, `after ${afterMs} ms: ${waitedMs} ms`)
    })
  }
})

/** At these the client is in the middle of a write on a server. */
const IN_A_WRITE = [6, 6.5]

test('who writes where a dead client was writing waits for some seconds, and finds no trace behind the end', async () => {
  for (const afterMs of IN_A_WRITE) {
    await withDeadWriter(afterMs, async (cluster, inode) => {
      const session = await opened(cluster, inode)
      const beganMs = cluster.scheduler.nowMs
      assert.equal(await session.data(inode).write(LOST_AT + LOST_BYTES, KEPT), 0)
      assert.equal(await session.data(inode).flush(), 0)
      const waitedMs = cluster.scheduler.nowMs - beganMs
      assert.ok(waitedMs < GONE_MS, `after ${afterMs} ms: ${waitedMs} ms`)
      assert.deepEqual(await readRange(session, inode, LOST_AT, LOST_BYTES), Buffer.alloc(LOST_BYTES))
      assert.ok(areAlike(cluster), `after ${afterMs} ms`)
    })
  }
})

/** Two servers, and a client that has made a file. */
async function withWriter<T>(
  story: (cluster: SimCluster, host: SimHost, session: ClusterSession, inode: number) => Promise<T>,
): Promise<T> {
  const cluster = new SimCluster(1, { servers: 2, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start of the cluster')
  const host = cluster.addClientHost()
  const play = async () => {
    const session = await cluster.connect(host.env('writer'))
    const made = await session.create(ROOT, 'file', 0o644, 0, root)
    return story(cluster, host, session, made.status === undefined ? made.inode : 0)
  }
  return cluster.run(play(), 10 * LEASE_MS, 'the story')
}

/** @returns whether the reader had to wait for a client that was cut off so long after it began to write */
function readWhileCutOff(afterMs: number): Promise<boolean> {
  return withWriter(async (cluster, host, session, inode) => {
    assert.equal(await session.data(inode).write(0, KEPT), 0)
    assert.equal(await session.data(inode).flush(), 0)
    const more = Buffer.alloc(KEPT.length, 'more')
    assert.equal(await session.data(inode).write(KEPT.length, more), 0)
    const ended = session.data(inode).flush()
    await cluster.sleep(afterMs)
    cluster.network.partition(host.address, cluster.masterHost.address)
    // The master notices that the client is gone.
    await cluster.sleep(20_000)
    const reader = await opened(cluster, inode)
    const beganMs = cluster.scheduler.nowMs
    assert.deepEqual(await readRange(reader, inode, 0, KEPT.length), KEPT)
    const waitedMs = cluster.scheduler.nowMs - beganMs
    assert.ok(waitedMs < LEASE_MS / 2, `after ${afterMs} ms: ${waitedMs} ms`)
    cluster.network.heal()
    assert.equal(await ended, 0)
    assert.deepEqual(await readRange(session, inode, 0, 2 * KEPT.length), Buffer.concat([KEPT, more]))
    return waitedMs > 5000
  })
}

test('a client that was cut off while others read may still end its write', async () => {
  let waited = 0
  for (let afterMs = 0; afterMs < 8; afterMs++) if (await readWhileCutOff(afterMs)) waited++
  assert.ok(waited > 0, 'at no moment the client was in the middle of its write')
})

test('a client all of whose connections are cut keeps its lease when it is back at once', () =>
  withWriter(async (cluster, host, session, inode) => {
    assert.equal(await session.data(inode).write(0, KEPT), 0)
    const ended = session.data(inode).flush()
    await cluster.sleep(3)
    const other = await opened(cluster, inode)
    const late = Buffer.alloc(KEPT.length, 'late')
    assert.equal(await other.data(inode).write(KEPT.length, late), 0)
    const otherEnded = other.data(inode).flush()
    for (const { address } of cluster.hosts) cluster.network.cutBetween(host.address, address)
    assert.deepEqual([await ended, await otherEnded], [0, 0])
    assert.deepEqual(await readRange(session, inode, 0, 2 * KEPT.length), Buffer.concat([KEPT, late]))
  }))

// It closed the connection itself, but its write had not been cut short.
test('a client that left and could not come back for half of its lease may still end its write', async () => {
  for (let afterMs = 0; afterMs < 8; afterMs++) {
    await withWriter(async (cluster, host, session, inode) => {
      assert.equal(await session.data(inode).write(0, KEPT), 0)
      const ended = session.data(inode).flush()
      await cluster.sleep(afterMs)
      cluster.network.cutBetween(host.address, cluster.masterHost.address)
      cluster.network.partition(host.address, cluster.masterHost.address)
      const other = await opened(cluster, inode)
      const late = Buffer.alloc(KEPT.length, 'late')
      const otherEnded = other.data(inode).write(KEPT.length, late)
      await cluster.sleep(LEASE_MS / 2)
      cluster.network.heal()
      assert.deepEqual(
        [await ended, await otherEnded, await other.data(inode).flush()],
        [0, 0, 0],
        `after ${afterMs} ms`,
      )
      const reader = await opened(cluster, inode)
      assert.deepEqual(await readRange(reader, inode, 0, 2 * KEPT.length), Buffer.concat([KEPT, late]))
    })
  }
})

test('a client that was cut off may end its write when nobody else has gone on', () =>
  withWriter(async (cluster, _host, session, inode) => {
    assert.equal(await session.data(inode).write(0, KEPT), 0)
    await cluster.sleep(20)
    cluster.killMaster(false, 15_000)
    assert.equal(await session.data(inode).flush(), 0)
    assert.deepEqual(await readRange(session, inode, 0, KEPT.length), KEPT)
  }))

test('what a client was writing while a snapshot was made is not seen behind its end, after the next start neither', () =>
  withWriter(async (cluster, host, session, inode) => {
    assert.equal(await session.data(inode).write(0, KEPT), 0)
    assert.equal(await session.data(inode).flush(), 0)
    assert.equal(await session.data(inode).write(LOST_AT, Buffer.alloc(LOST_BYTES, 'more')), 0)
    const ended = session.data(inode).flush()
    await cluster.sleep(6)
    cluster.network.partition(host.address, cluster.masterHost.address)
    const other = await cluster.connect(cluster.addClientHost().env('snapshots'))
    const copy = await snapshot(other, inode)
    cluster.network.heal()
    assert.equal(await ended, 0)
    await other.unlink(ROOT, 'file', root)
    cluster.killMaster(false, 1000)
    await cluster.sleep(20_000)
    const last = await opened(cluster, copy)
    await last.truncate(copy, true, root, GROWN_TO)
    assert.deepEqual(await readRange(last, copy, 0, KEPT.length), KEPT)
    const hole = await readRange(last, copy, LOST_AT, LOST_BYTES)
    assert.ok(hole.equals(Buffer.alloc(LOST_BYTES)))
  }))
