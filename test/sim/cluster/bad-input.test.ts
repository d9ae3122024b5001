// Single peers that behave badly in one way each.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import type { Connection } from '../../../src/env/net.ts'
import * as cltoma from '../../../src/protocol/cltoma.ts'
import { VERSION } from '../../../src/protocol/constants.ts'
import * as cstoma from '../../../src/protocol/cstoma.ts'
import { SimCluster } from './cluster.ts'
import { framed, written } from './garbage.ts'
import { readRange, root } from './tree-model.ts'

const MASTER_PORTS = { clients: 9421, servers: 9420 }
const CONTENTS = Buffer.alloc(100_000, 'what must be there ')

async function started(seed: number): Promise<{ cluster: SimCluster; session: ClusterSession }> {
  const cluster = new SimCluster(seed, { servers: 2, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start')
  const session = await cluster.run(cluster.connect(cluster.addClientHost().env('client')), 60_000, 'a session')
  return { cluster, session }
}

async function connected(cluster: SimCluster, port: number): Promise<Connection> {
  const { net } = cluster.addClientHost().env('bad peer')
  return cluster.run(net.connect('10.1.0.1', port, { timeoutMs: 1000 }), 60_000, 'a connection')
}

test('a client that never reads its answers is let go, and holds no more than its bound in memory', async () => {
  const { cluster, session } = await started(1)
  const story = async () => {
    for (let i = 0; i < 300; i++) {
      const made = await session.mknod(1, `file ${i} ${'x'.repeat(200)}`, 1, 0o600, 0, 0, root)
      assert.equal(made.status, undefined)
    }
  }
  await cluster.run(story(), 60_000, 'files')
  const connection = await connected(cluster, MASTER_PORTS.clients)
  let isOver = false
  connection.handle({
    data() {},
    closed: () => {
      isOver = true
    },
  })
  const { NEWSESSION } = cltoma.RegisterCode
  const body = written(out =>
    cltoma.registerKinds[NEWSESSION].write(out, { version: VERSION, info: '/mnt/x\0', path: '/\0', tail: {} }),
  )
  const blob = Buffer.from(cltoma.REGISTER_BLOB_ACL, 'latin1')
  connection.write(cltoma.fuseRegister.encode({ blob, kind: NEWSESSION, body }))
  await cluster.scheduler.run(50)
  connection.pause()
  const question = {
    msgid: 1,
    inode: 1,
    caller: root,
    flags: cltoma.ReaddirFlag.WITHATTR,
    maxEntries: 0xffffffff,
    edgeId: 0n,
  }
  let asked = 0
  // Each answer is some 70 KB.
  for (; asked < 3000; asked++) {
    connection.write(cltoma.fuseReaddir.encode(question))
    if (asked % 20 === 0) await cluster.scheduler.run(5)
  }
  await cluster.scheduler.run(5000)
  connection.resume()
  await cluster.scheduler.run(5000)
  assert.ok(isOver, 'the master keeps 3000 answers of 70 KB for a client that does not read')
  const listed = await cluster.run(session.readdir(1, false, root), 60_000, 'readdir of another client')
  assert.ok(listed.status === undefined && listed.names.length >= 300)
})

test('a chunkserver that lies about its chunks makes nobody read or lose anything wrong', async () => {
  const { cluster, session } = await started(2)
  const write = async () => {
    const made = await session.create(1, 'file', 0o600, 0, root)
    assert.ok(made.status === undefined)
    assert.equal(await session.data(made.inode).write(0, CONTENTS), 0)
    assert.equal(await session.data(made.inode).flush(), 0)
    session.release(made.inode)
    return made.inode
  }
  const file = await cluster.run(write(), 60_000, 'a file')
  const { chunks } = cluster.master?.ledger.state ?? assert.fail('no master')
  const known = [...chunks.rows()].map(row => ({ chunkId: chunks.id(row), version: chunks.version.get(row) }))
  const lies = [
    ...known,
    ...known.map(({ chunkId, version }) => ({ chunkId, version: version + 7 })),
    { chunkId: 0, version: 1 },
    { chunkId: 2 ** 52, version: 1 },
    { chunkId: 77, version: 0 },
  ]
  const connection = await connected(cluster, MASTER_PORTS.servers)
  connection.handle({ data() {}, closed() {} })
  const space = { used: 0, total: 1 << 30, chunks: 5, removedUsed: 0, removedTotal: 0, removedChunks: 0 }
  const begin = { version: VERSION, ip: 0, port: 9422, timeout: 10, serverId: 0, ...space }
  const { BEGIN, CHUNKS, END } = cstoma.RegisterForm
  const register = (form: number, body: Buffer) => connection.write(cstoma.register.encode({ form, body }))
  register(
    BEGIN,
    written(out => cstoma.registerBegin.write(out, begin)),
  )
  register(
    CHUNKS,
    written(out => cstoma.registerChunks.write(out, lies)),
  )
  register(END, Buffer.alloc(0))
  await cluster.scheduler.run(2000)
  for (let i = 0; i < 8; i++) {
    const reader = await cluster.run(cluster.connect(cluster.addClientHost().env(`reader${i}`)), 60_000, 'a session')
    const bytes = await cluster.run(readRange(reader, file, 0, CONTENTS.length), 60_000, 'reading')
    assert.ok(bytes.equals(CONTENTS))
  }
  // It goes on lying: answers to what nobody asked, and then it is gone.
  connection.write(framed(cstoma.create.code, Buffer.alloc(9)))
  connection.destroy()
  await cluster.scheduler.run(30_000)
  assert.ok((await cluster.run(readRange(session, file, 0, CONTENTS.length), 60_000, 'reading')).equals(CONTENTS))
  assert.equal(cluster.violations.length, 0)
})
