// What a follower hears from chunkservers in advance, from the first byte to the moment when it leads.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Connection } from '../../../src/env/net.ts'
import { EarlyServers } from '../../../src/master/ha/early-servers.ts'
import { redirectChunkserver } from '../../../src/master/ha/redirect.ts'
import { StandbyDoors } from '../../../src/master/ha/standby-doors.ts'
import { Writer } from '../../../src/protocol/codec.ts'
import { VERSION } from '../../../src/protocol/constants.ts'
import * as cstoma from '../../../src/protocol/cstoma.ts'
import * as matocs from '../../../src/protocol/matocs.ts'
import { Talk } from '../chunkserver-machines.ts'
import { SimHost } from '../host.ts'
import { SimNetwork } from '../net.ts'
import { Scheduler } from '../scheduler.ts'

const [MASTER, SERVER, PORT] = ['10.0.0.1', '10.0.1.1', 9420]
const CODE = 'secret'
const { EARLY, CHUNKS, END } = cstoma.RegisterForm

async function world(changes: { authCode?: string; metaId?: bigint } = {}) {
  const scheduler = new Scheduler(1)
  const network = new SimNetwork(scheduler)
  const env = new SimHost(scheduler, network, MASTER).env('master')
  const { net } = new SimHost(scheduler, network, SERVER).env('chunkserver')
  const rules = { timeoutSeconds: 10, authCode: changes.authCode, metaId: changes.metaId ?? 7n }
  const servers = new EarlyServers(env, () => rules)
  const doors = new StandbyDoors(env, () => 0)
  void doors.open('*', PORT, redirectChunkserver, servers.accept)
  const connect = async () => {
    let talk: Talk | undefined
    void net.connect(MASTER, PORT, { timeoutMs: 1000 }).then(connection => {
      talk = new Talk(scheduler, connection)
    })
    await scheduler.until(() => talk !== undefined, 2000, 'a connection')
    return talk as unknown as Talk
  }
  await scheduler.run(10)
  return { scheduler, servers, doors, talk: await connect() }
}

function begin(digest = Buffer.alloc(0)): Buffer {
  const out = new Writer()
  const space = { used: 1, total: 2, chunks: 3, removedUsed: 0, removedTotal: 0, removedChunks: 0 }
  cstoma.registerBegin.write(out, { version: VERSION, ip: 0, port: 9422, timeout: 0, serverId: 5, ...space })
  return cstoma.register.encode({ form: EARLY, body: Buffer.concat([digest, out.take()]) })
}

function chunks(...ids: number[]): Buffer {
  const out = new Writer()
  const list = ids.map(chunkId => ({ chunkId, version: 1 }))
  cstoma.registerChunks.write(out, list)
  return cstoma.register.encode({ form: CHUNKS, body: out.take() })
}

test('a follower takes lists and changes, and hands over what it knows', async () => {
  const { talk, servers, scheduler } = await world()
  talk.send(begin())
  const welcome = matocs.masterAck.decode((await talk.next([matocs.masterAck.code])).payload)
  assert.ok(welcome.kind === 'welcome' && welcome.metaId === 7n)
  talk.send(chunks(1, 2, 3))
  const { kind } = matocs.masterAck.decode((await talk.next([matocs.masterAck.code])).payload)
  assert.equal(kind, 'goOn')
  talk.send(
    cstoma.chunkLost.encode({ chunkIds: [2] }),
    cstoma.chunkNew.encode({ chunks: [{ chunkId: 3, version: 9 }] }),
  )
  talk.send(cstoma.labels.encode({ mask: 5 }))
  await scheduler.run(100)
  const [server] = servers.take()
  assert.ok(server)
  const { copies, labels, begin: told } = server.registration
  assert.deepEqual(
    [...copies.ids()].map(id => [id, copies.take(id)]),
    [
      [1, 1],
      [3, 9],
    ],
  )
  assert.deepEqual([labels, told.serverId, told.port], [5, 5, 9422])
  assert.deepEqual(servers.take(), [])
})

test('a message that has come in half when the follower leads is read by whoever goes on', async () => {
  const { talk, servers, scheduler } = await world()
  talk.send(begin())
  await talk.next([matocs.masterAck.code])
  const end = cstoma.register.encode({ form: END, body: Buffer.alloc(0) })
  talk.connection.write(end.subarray(0, 5))
  await scheduler.run(100)
  const connection = servers.take()[0]?.connection as Connection
  const heard: Buffer[] = []
  connection.handle({ data: bytes => heard.push(bytes), closed() {} })
  talk.connection.write(end.subarray(5))
  await scheduler.run(100)
  assert.deepEqual(Buffer.concat(heard), end)
})

test('with AUTH_CODE a follower hears only those who know it', async () => {
  for (const code of [CODE, 'guess']) {
    const { talk, servers, scheduler } = await world({ authCode: CODE })
    talk.send(begin())
    const challenge = matocs.masterAck.decode((await talk.next([matocs.masterAck.code])).payload)
    if (challenge.kind !== 'challenge') throw new Error(challenge.kind)
    const { random } = challenge
    const hash = createHash('md5').update(random.subarray(0, 16)).update(code, 'latin1').update(random.subarray(16))
    talk.send(begin(hash.digest()), chunks(1))
    await scheduler.run(200)
    assert.equal(talk.closed, code !== CODE)
    assert.equal(servers.take().length, code === CODE ? 1 : 0)
  }
})

test('a follower without metadata, and one that leads, hear nothing in advance', async () => {
  const { talk } = await world({ metaId: 0n })
  talk.send(begin())
  await talk.end()
  const other = await world()
  void other.doors.envOf(() => true).net.listen('*', PORT, connection => connection.end())
  await other.scheduler.run(10)
  other.talk.send(begin())
  await other.talk.end()
  assert.deepEqual(other.servers.take(), [])
})

test('a server that says nothing any more, or what no server says in advance, is let go', async () => {
  const { talk, servers } = await world()
  talk.send(begin())
  await talk.end(30_000)
  assert.deepEqual(servers.take(), [])
  const other = await world()
  other.talk.send(begin(), cstoma.errorOccurred.encode({}))
  await other.talk.end(1000)
})
