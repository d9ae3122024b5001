// A bad peer loses its own connection, and nothing else happens: every message with every kind of nonsense in it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import * as cltocs from '../../../src/protocol/cltocs.ts'
import * as cltoma from '../../../src/protocol/cltoma.ts'
import { OpenFlag } from '../../../src/protocol/cltoma.ts'
import { VERSION } from '../../../src/protocol/constants.ts'
import * as cstoma from '../../../src/protocol/cstoma.ts'
import { MASTER, SimCluster } from './cluster.ts'
import { messagesOf, Nonsense, written } from './garbage.ts'
import { checkReplay } from './replay-check.ts'
import { readRange, root } from './tree-model.ts'

const CONNECTIONS = 60
const PACKETS = 40
const CONTENTS = Buffer.from('what was there before')

interface Peace {
  cluster: SimCluster
  session: ClusterSession
  file: number
}

/** A cluster with a file in it. */
async function peace(seed: number): Promise<Peace> {
  const cluster = new SimCluster(seed, { servers: 2, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start')
  const session = await cluster.run(cluster.connect(cluster.addClientHost().env('client')), 60_000, 'a session')
  const story = async () => {
    const folder = await session.mkdir(1, 'folder', 0o700, 0, false, root)
    assert.ok(folder.status === undefined)
    const made = await session.create(folder.inode, 'file', 0o600, 0, root)
    assert.ok(made.status === undefined)
    assert.equal(await session.data(made.inode).write(0, CONTENTS), 0)
    assert.equal(await session.data(made.inode).flush(), 0)
    return made.inode
  }
  return { cluster, session, file: await cluster.run(story(), 60_000, 'a file') }
}

/** Everybody else is served as before, and the log holds all that was done. */
async function isUntouched({ cluster, session, file }: Peace): Promise<void> {
  const bytes = await cluster.run(readRange(session, file, 0, 1000), 60_000, 'reading')
  assert.deepEqual(bytes, CONTENTS)
  const made = await cluster.run(session.mkdir(1, 'afterwards', 0o700, 0, false, root), 60_000, 'mkdir')
  assert.equal(made.status, undefined)
  assert.equal(cluster.violations.length, 0)
}

async function attack(
  { cluster }: Peace,
  messages: ConstructorParameters<typeof Nonsense>[1],
  host: string,
  port: number,
  greeting: readonly Buffer[],
  connections = CONNECTIONS,
): Promise<Nonsense> {
  const nonsense = new Nonsense(cluster, messages)
  const { net } = cluster.addClientHost().env('bad peer')
  for (let i = 0; i < connections; i++) {
    const speech = nonsense.speak(net, host, port, greeting, PACKETS)
    await cluster.run(speech, 60_000, 'a bad peer')
  }
  return nonsense
}

test('a client that talks nonsense to the master loses its connection', async () => {
  for (const seed of [1, 2, 3]) {
    const there = await peace(seed)
    const greeting = cltoma.fuseRegister.encode({
      blob: Buffer.from(cltoma.REGISTER_BLOB_ACL, 'latin1'),
      kind: cltoma.RegisterCode.NEWSESSION,
      body: written(out =>
        cltoma.registerKinds[cltoma.RegisterCode.NEWSESSION].write(out, {
          ...{ version: VERSION, info: '/mnt/x\0', path: '/folder\0', tail: {} },
        }),
      ),
    })
    const { refused, sent } = await attack(there, messagesOf(cltoma), MASTER, 9421, [greeting])
    assert.ok(refused > 10 && sent > 500, `seed ${seed}: ${refused} of ${sent}`)
    // What it may do to its own files it has done; those of others stand in another folder's file.
    assert.equal(there.cluster.violations.length, 0)
    const made = await there.cluster.run(there.session.mkdir(1, 'after', 0o700, 0, false, root), 60_000, 'mkdir')
    assert.equal(made.status, undefined)
    await checkReplay(there.cluster)
  }
})

test('a chunkserver that talks nonsense to the master loses its connection', async () => {
  for (const seed of [4, 5]) {
    const there = await peace(seed)
    const space = { used: 0, total: 1 << 30, chunks: 0, removedUsed: 0, removedTotal: 0, removedChunks: 0 }
    const begin = { version: VERSION, ip: 0, port: 9422, timeout: 10, serverId: 0, ...space }
    const { BEGIN, END } = cstoma.RegisterForm
    const greeting = [
      cstoma.register.encode({ form: BEGIN, body: written(out => cstoma.registerBegin.write(out, begin)) }),
      cstoma.register.encode({ form: END, body: Buffer.alloc(0) }),
    ]
    const { refused, sent } = await attack(there, messagesOf(cstoma), MASTER, 9420, greeting, 2 * CONNECTIONS)
    assert.ok(refused > 10 && sent > 300, `seed ${seed}: ${refused} of ${sent}`)
    await isUntouched(there)
    await checkReplay(there.cluster)
  }
})

test('a client that talks nonsense to a chunkserver loses its connection', async () => {
  for (const seed of [6, 7]) {
    const there = await peace(seed)
    const [node] = there.cluster.servers
    assert.ok(node)
    const { refused, sent } = await attack(there, messagesOf(cltocs), node.host.address, 9422, [])
    assert.ok(refused > 10 && sent > 200, `seed ${seed}: ${refused} of ${sent}`)
    const opened = await there.cluster.run(there.session.open(there.file, OpenFlag.READ, root), 60_000, 'opening')
    assert.equal(opened.status, undefined)
    const made = await there.cluster.run(there.session.mkdir(1, 'after', 0o700, 0, false, root), 60_000, 'mkdir')
    assert.equal(made.status, undefined)
    assert.equal(there.cluster.violations.length, 0)
  }
})
