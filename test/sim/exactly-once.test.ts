// A request whose answer was lost, and that the client sends again, is carried out once and answered as it was.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnswerLink } from '../../src/master/clients/answer-table.ts'
import { type OnceRequest, RecentAnswers } from '../../src/master/clients/recent-answers.ts'
import type { Ledger } from '../../src/master/ledger.ts'
import type { Entry } from '../../src/metadata/changelog/entry.ts'
import type { Trailer } from '../../src/metadata/changelog/trailer.ts'
import { childOf } from '../../src/metadata/namespace/tree.ts'
import * as cltoma from '../../src/protocol/cltoma.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import { Status } from '../../src/protocol/status.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'

const ROOT = 1
const caller = { uid: 0, gids: [0] }

/** Every kind of loss of the connection, each followed by a client that is back in its session. */
const losses: Record<string, (world: MasterAndClients, client: RawClient) => Promise<RawClient>> = {
  async 'a cut connection'(world, client) {
    client.close()
    return back(world, client)
  },
  async 'a connection that the master still believes in'(world, client) {
    return back(world, client)
  },
  async 'a killed master'(world, client) {
    world.kill()
    await world.start()
    return back(world, client)
  },
  async 'a master that was stopped and started'(world, client) {
    await world.stop()
    await world.start()
    return back(world, client)
  },
}

async function back(world: MasterAndClients, client: RawClient): Promise<RawClient> {
  const again = await world.connect()
  again.msgid = client.msgid
  assert.equal(await again.reconnect(client.sessionId), Status.OK)
  return again
}

/** Requests of which a second execution would fail or change something, after what they need. */
const requests: Record<string, (client: RawClient) => Promise<() => Promise<unknown>>> = {
  async create(client) {
    return () => client.askAs(7, cltoma.fuseCreate, { ...named('new'), mode: 0o644, umask: 0 }, matocl.fuseCreate)
  },
  async mkdir(client) {
    const body = { ...named('new'), mode: 0o755, umask: 0, copySgid: 0 }
    return () => client.askAs(7, cltoma.fuseMkdir, body, matocl.fuseMkdir)
  },
  async mknod(client) {
    const body = { ...named('new'), type: 4, mode: 0o644, umask: 0, rdev: 0 }
    return () => client.askAs(7, cltoma.fuseMknod, body, matocl.fuseMknod)
  },
  async symlink(client) {
    return () => client.askAs(7, cltoma.fuseSymlink, { ...named('new'), target: 'there\0' }, matocl.fuseSymlink)
  },
  async link(client) {
    const inode = inodeOf(await client.create(ROOT, 'old'))
    return () => client.askAs(7, cltoma.fuseLink, { inode, ...named('new') }, matocl.fuseLink)
  },
  async unlink(client) {
    await client.create(ROOT, 'old')
    return () => client.askAs(7, cltoma.fuseUnlink, named('old'), matocl.fuseUnlink)
  },
  async rmdir(client) {
    await client.mkdir(ROOT, 'old')
    return () => client.askAs(7, cltoma.fuseRmdir, named('old'), matocl.fuseRmdir)
  },
  async rename(client) {
    await client.create(ROOT, 'old')
    const body = { parentSource: ROOT, nameSource: 'old', parentTarget: ROOT, nameTarget: 'new', caller }
    return () => client.askAs(7, cltoma.fuseRename, body, matocl.fuseRename)
  },
  async snapshot(client) {
    const inode = inodeOf(await client.mkdir(ROOT, 'old'))
    await client.create(inode, 'file')
    const body = { inode, ...named('new'), mode: 0, umask: 0 }
    return () => client.askAs(7, cltoma.fuseSnapshot, body, matocl.fuseSnapshot)
  },
  async 'exclusive setxattr'(client) {
    const inode = inodeOf(await client.create(ROOT, 'old'))
    const body = { inode, name: 'user.a', value: Buffer.from('b'), mode: 1, opened: 0, caller }
    return () => client.askAs(7, cltoma.fuseSetxattr, body, matocl.fuseSetxattr)
  },
  async 'growing goal'(client) {
    const inode = inodeOf(await client.create(ROOT, 'old'))
    return () => client.askAs(7, cltoma.fuseSetsclass, { inode, uid: 0, mode: 1, goal: 5 }, matocl.fuseSetsclass)
  },
}

const named = (name: string) => ({ parent: ROOT, name, caller })

function inodeOf(answer: { inode?: number | undefined; status?: number | undefined }): number {
  assert.ok(answer.inode !== undefined, `refused with ${answer.status}`)
  return answer.inode
}

for (const [loss, lose] of Object.entries(losses)) {
  test(`after ${loss} a repeated request is answered as the first one was, and nothing is done twice`, async () => {
    for (const [name, prepare] of Object.entries(requests)) {
      const world = new MasterAndClients(1)
      await world.play(async () => {
        await world.start()
        const client = await world.mount()
        const request = await prepare(client)
        const first = await request()
        const { version } = world.state
        const again = await lose(world, client)
        Object.assign(client, { talk: again.talk })
        const before = world.state.version
        assert.ok(before - version <= 4, 'only the session was at work')
        assert.deepEqual(await request(), first, name)
        assert.equal(world.state.version, before, `${name} was not carried out again`)
      })
    }
  })
}

test('a request that was refused, or never carried out, is carried out when it comes again', async () => {
  const world = new MasterAndClients(2)
  await world.play(async () => {
    await world.start()
    const client = await world.mount()
    const make = () => client.askAs(7, cltoma.fuseCreate, { ...named('x'), mode: 0o644, umask: 0 }, matocl.fuseCreate)
    await client.create(ROOT, 'x')
    assert.equal((await make()).status, Status.EEXIST)
    await client.unlink(ROOT, 'x')
    Object.assign(client, { talk: (await back(world, client)).talk })
    assert.equal((await make()).status, undefined)
  })
})

test('the same request with the same msgid on one connection is a new one', async () => {
  const world = new MasterAndClients(3)
  await world.play(async () => {
    await world.start()
    const client = await world.mount()
    const make = () =>
      client.askAs(7, cltoma.fuseMkdir, { ...named('d'), mode: 0o755, umask: 0, copySgid: 0 }, matocl.fuseMkdir)
    assert.equal((await make()).status, undefined)
    assert.equal((await make()).status, Status.EEXIST)
  })
})

for (const loss of ['a cut connection', 'a killed master']) {
  test(`after ${loss} a lock file is not believed to be taken when its owner took and released it before`, async () => {
    const world = new MasterAndClients(4)
    await world.play(async () => {
      await world.start()
      const client = await world.mount()
      const take = (msgid: number) =>
        client.askAs(msgid, cltoma.fuseCreate, { ...named('lock'), mode: 0o644, umask: 0 }, matocl.fuseCreate)
      const free = (msgid: number) => client.askAs(msgid, cltoma.fuseUnlink, named('lock'), matocl.fuseUnlink)
      const first = inodeOf(await take(1))
      await free(2)
      const again = await (losses[loss] as (typeof losses)[string])(world, client)
      Object.assign(client, { talk: again.talk })
      const other = await world.mount()
      await other.create(ROOT, 'filler')
      const second = inodeOf(await take(1))
      assert.notEqual(second, first)
      assert.equal(inodeOf(await client.lookup(ROOT, 'lock')), second)
    })
  })
}

test('an answer that the client surely had is not given again', async () => {
  const world = new MasterAndClients(5)
  await world.play(async () => {
    await world.start()
    const client = await world.mount()
    await client.create(ROOT, 'a')
    await rename(client)
    const other = await world.mount({ address: '10.9.9.101' })
    await keepAlive(world, [client, other], 20_000)
    const fresh = inodeOf(await other.create(ROOT, 'a'))
    // Long after the answer the connection is cut, or the master killed.
    for (const loss of ['a cut connection', 'a killed master']) {
      const again = await (losses[loss] as (typeof losses)[string])(world, client)
      Object.assign(client, { talk: again.talk })
    }
    assert.equal(inodeOf(await rename(client)), fresh, 'the new file was renamed')
  })
})

async function keepAlive(world: MasterAndClients, clients: RawClient[], ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    for (const client of clients) client.talk.send(matocl.nop.encode({ msgid: 0 }))
    await new Promise<void>(resolve => world.scheduler.at(1000, resolve))
  }
}

for (const loss of ['a cut connection', 'a killed master']) {
  test(`after ${loss} the end of a write is answered as before, though another client has cut the file since`, async () => {
    const world = new MasterAndClients(6)
    await world.play(async () => {
      await world.start()
      const [client, other] = [await world.mount(), await world.mount({ address: '10.9.9.101' })]
      const inode = inodeOf(await client.create(ROOT, 'file'))
      const { ledger } = world.master
      const ts = ledger.now()
      ledger.commit({ op: 'WRITE', ts, inode, index: 0, raiseVersion: true, touch: false, chunkId: 1 })
      const end = () =>
        client.askAs(
          7,
          cltoma.fuseWriteChunkEnd,
          { chunkId: 1, inode, index: 0, length: 1000, flags: 0 },
          matocl.fuseWriteChunkEnd,
        )
      const first = await end()
      assert.equal(first.status, Status.OK)
      const cut = { inode, flags: cltoma.TruncateFlag.OPENED, caller, length: 0 }
      await other.ask(cltoma.fuseTruncate, cut, matocl.fuseTruncate)
      assert.equal(world.state.nodes.length.get(inode), 0)
      const again = await (losses[loss] as (typeof losses)[string])(world, client)
      Object.assign(client, { talk: again.talk })
      assert.deepEqual(await end(), first)
      assert.equal(world.state.nodes.length.get(inode), 0, 'the file is as the other client left it')
    })
  })
}

const renameRequest = { parentSource: ROOT, nameSource: 'a', parentTarget: ROOT, nameTarget: 'b', caller }
const rename = (client: RawClient) => client.askAs(7, cltoma.fuseRename, renameRequest, matocl.fuseRename)

for (const loss of Object.keys(losses)) {
  test(`after ${loss} a client that was away while others were at work finds its answer`, async () => {
    const world = new MasterAndClients(7)
    await world.play(async () => {
      await world.start()
      const [client, other] = [await world.mount(), await world.mount({ address: '10.9.9.101' })]
      await client.create(ROOT, 'a')
      const first = await rename(client)
      client.close()
      await keepAlive(world, [other], 15_000)
      await other.create(ROOT, 'something else')
      const again = await (losses[loss] as (typeof losses)[string])(world, client)
      Object.assign(client, { talk: again.talk })
      assert.deepEqual(await rename(client), first)
    })
  })
}

test('what another request of the session changes makes no answer received', async () => {
  const world = new MasterAndClients(9)
  await world.play(async () => {
    await world.start()
    const client = await world.mount()
    await client.create(ROOT, 'a')
    const written = inodeOf(await client.create(ROOT, 'written'))
    const { ledger } = world.master
    // A write begins, and its lease is no answer that the log keeps. The line of the rename is the next one.
    const write = { op: 'WRITE', inode: written, index: 0, raiseVersion: true, touch: false, chunkId: 1 } as const
    ledger.commit({ ...write, ts: ledger.now() })
    const first = await rename(client)
    world.kill()
    await world.start()
    Object.assign(client, { talk: (await back(world, client)).talk })
    const end = { chunkId: 1, inode: written, index: 0, length: 1000, flags: 0 }
    assert.equal((await client.askAs(5, cltoma.fuseWriteChunkEnd, end, matocl.fuseWriteChunkEnd)).status, Status.OK)
    assert.deepEqual(await rename(client), first)
  })
})

test('a client that gave up while the master stood still finds its answer', async () => {
  const world = new MasterAndClients(8)
  await world.play(async () => {
    await world.start()
    const client = await world.mount()
    await client.create(ROOT, 'a')
    client.talk.send(cltoma.fuseRename.encode({ ...renameRequest, msgid: 7 }))
    await world.scheduler.until(() => nameIsThere(world, 'b'), 1000, 'the rename')
    world.freezer.freeze()
    client.talk.send(matocl.nop.encode({ msgid: 0 }))
    await world.scheduler.run(10_000)
    client.close()
    await world.scheduler.run(10_000)
    world.freezer.thaw()
    const again = await back(world, client)
    Object.assign(client, { talk: again.talk })
    assert.equal((await rename(client)).status, undefined)
  })
})

const nameIsThere = (world: MasterAndClients, name: string) => childOf(world.state, ROOT, name) !== 0

test('an answer that waits for its log, or was given again, is not taken for received', async () => {
  const lines: Trailer[] = []
  const waiting: (() => void)[] = []
  const ledger = {
    attach: (trailer: Trailer) => void lines.push(trailer),
    commit: (_entry: Entry, trailer: Trailer) => void lines.push(trailer),
    whenCommitted: (action: () => void) => void waiting.push(action),
    now: () => 1,
  } as unknown as Ledger
  const answers = new RecentAnswers(ledger)
  const connection = () => ({
    sessionId: 1,
    version: 0,
    isTool: false,
    saidMs: 0,
    seconds: 0,
    heardSeconds: 0,
    send: () => {},
  })
  const request = cltoma.fuseRename.encode({ ...renameRequest, msgid: 7 }).subarray(8)
  const ask = (link: AnswerLink) => answers.received(link, cltoma.fuseRename.code, request)
  const passes = (link: ReturnType<typeof connection>, seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      link.heardSeconds = ++link.seconds
      answers.tick(() => link)
    }
  }
  const [first, second, third] = [connection(), connection(), connection()]
  const once = ask(first) as OnceRequest
  once.committed({ op: 'IDLE', ts: 1 })
  once.answer(Buffer.alloc(20))
  passes(first, 30)
  assert.equal(ask(second), undefined, 'it waits for its log')
  for (const action of waiting.splice(0)) action()
  passes(second, 10)
  assert.equal(ask(third), undefined, 'it may be lost again')
  for (const action of waiting.splice(0)) action()
  passes(third, 13)
  assert.deepEqual(lines.at(-1), { received: [{ sessionId: 1, msgid: 7 }] })
  assert.notEqual(ask(connection()), undefined, 'the client has gone on after it')
})
