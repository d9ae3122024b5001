// A master that lends folders to mounts: to whom, and what waits until it has them back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cltoma from '../../src/protocol/cltoma.ts'
import { HELD_MS, LENT_NAMES_MAX } from '../../src/protocol/lending.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import { Status } from '../../src/protocol/status.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'

const ROOT = 1
const root = { uid: 0, gids: [0] }
const somebody = { uid: 1000, gids: [1000] }

const lend = (client: RawClient, inode: number, caller = root) =>
  client.ask(cltoma.fuseLendFolder, { inode, caller }, matocl.fuseLendFolder)

async function lent(client: RawClient, inode: number): Promise<string[]> {
  const answer = await lend(client, inode)
  assert.ok(answer.status === undefined)
  return answer.names
}

async function folder(client: RawClient, name: string, parent = ROOT): Promise<number> {
  const made = await client.mkdir(parent, name)
  assert.ok(made.status === undefined)
  return made.inode
}

const giveBack = (client: RawClient, inode: number) =>
  client.talk.send(cltoma.folderReturned.encode({ msgid: 0, inode }))

/** Plays a story of mounts that all see the root; a master that has led for a while already. */
async function story(play: (world: MasterAndClients, ...clients: RawClient[]) => Promise<void>): Promise<void> {
  const world = new MasterAndClients(7)
  // Where nothing else happens, time goes in small steps.
  const beat = () => world.scheduler.at(2, beat)
  beat()
  await world.play(async () => {
    await world.start()
    const addresses = ['10.9.9.100', '10.9.9.101', '10.9.9.102']
    const clients: RawClient[] = []
    for (const address of addresses) clients.push(await world.mount({ address }))
    await world.host.env('test').clock.sleep(HELD_MS)
    await play(world, ...clients)
  })
  assert.deepEqual(world.failures, [])
}

/** @returns what `action` came to, and how many milliseconds it took */
async function timed<T>(world: MasterAndClients, action: Promise<T>): Promise<[T, number]> {
  const beganMs = world.scheduler.nowMs
  return [await action, world.scheduler.nowMs - beganMs]
}

const recalls = ({ talk }: RawClient) =>
  talk.packets
    .filter(({ type }) => type === matocl.recallFolder.code)
    .map(({ payload }) => matocl.recallFolder.decode(payload).inode)

test('a mount gets all names of a folder, and hears of no change of its own', () =>
  story(async (_world, mine) => {
    const inode = await folder(mine as RawClient, 'f')
    assert.deepEqual(await lent(mine as RawClient, inode), [])
    await (mine as RawClient).create(inode, 'a')
    await (mine as RawClient).mkdir(inode, 'b\xff')
    assert.deepEqual((await lent(mine as RawClient, inode)).sort(), ['a', 'b\xff'])
    await (mine as RawClient).unlink(inode, 'a')
    assert.deepEqual(await lent(mine as RawClient, inode), ['b\xff'])
    assert.deepEqual(recalls(mine as RawClient), [])
  }))

test('nobody hears of a change by somebody else before the folder is back', () =>
  story(async (world, holder, other, third) => {
    const [mine, yours, theirs] = [holder, other, third] as [RawClient, RawClient, RawClient]
    const inode = await folder(mine, 'f')
    await lent(mine, inode)
    const told: string[] = []
    const make = yours.create(inode, 'a').then(() => told.push('maker'))
    await world.host.env('test').clock.sleep(20)
    const look = theirs.lookup(inode, 'a').then(() => told.push('looker'))
    await world.host.env('test').clock.sleep(60)
    assert.deepEqual(told, [])
    assert.deepEqual(recalls(mine), [inode])
    giveBack(mine, inode)
    await Promise.all([make, look])
    assert.deepEqual(told, ['maker', 'looker'])
    const [, ms] = await timed(world, yours.create(inode, 'b'))
    assert.ok(ms < HELD_MS / 2, 'it is not lent any more')
    assert.deepEqual(recalls(mine), [inode])
  }))

test('a mount that says nothing, or is gone, holds nobody up for long', () =>
  story(async (world, holder, other) => {
    const [mine, yours] = [holder, other] as [RawClient, RawClient]
    const inode = await folder(mine, 'f')
    await lent(mine, inode)
    const [made, ms] = await timed(world, yours.create(inode, 'a'))
    assert.equal(made.status, undefined)
    assert.ok(ms > HELD_MS / 2 && ms < HELD_MS * 1.2, `${ms} ms`)
    assert.equal((await lend(mine, inode)).status, Status.NOSPACE, 'who is slow gets no more')
    const third = await world.mount({ address: '10.9.9.104' })
    await lent(third, inode)
    third.close()
    const [, goneMs] = await timed(world, yours.create(inode, 'b'))
    assert.ok(goneMs > HELD_MS / 2 && goneMs < HELD_MS * 1.2, `${goneMs} ms`)
    assert.equal((await timed(world, yours.create(inode, 'c')))[1] < HELD_MS / 2, true)
  }))

test('a mount that comes back on a new connection has given up what it had on the old one', () =>
  story(async (world, holder, other) => {
    const [mine, yours] = [holder, other] as [RawClient, RawClient]
    const inode = await folder(mine, 'f')
    await lent(mine, inode)
    const again = await world.connect('10.9.9.100')
    again.version = mine.version
    assert.equal(await again.reconnect(mine.sessionId), Status.OK)
    const [, ms] = await timed(world, yours.create(inode, 'a'))
    assert.ok(ms < HELD_MS / 2, `${ms} ms`)
  }))

test('a new master waits for what the one before it may have lent', () =>
  story(async (world, holder) => {
    const inode = await folder(holder as RawClient, 'f')
    world.kill()
    await world.start()
    const beganMs = world.scheduler.nowMs
    const again = await world.mount({ address: '10.9.9.101' })
    await again.lookup(inode, 'a')
    assert.ok(world.scheduler.nowMs - beganMs < HELD_MS / 2, 'who looks does not wait')
    await again.create(inode, 'a')
    assert.ok(world.scheduler.nowMs - beganMs >= HELD_MS * 0.9)
    assert.ok((await timed(world, again.create(inode, 'b')))[1] < HELD_MS / 2, 'not longer')
  }))

test('changes of rights, of settings, and of trees call folders back, too', () =>
  story(async (world, holder, other) => {
    const [mine, yours] = [holder, other] as [RawClient, RawClient]
    const inode = await folder(mine, 'f')
    const settle = async (what: string, change: Promise<unknown>) => {
      await world.host.env('test').clock.sleep(20)
      giveBack(mine, inode)
      assert.ok((await timed(world, change))[1] < HELD_MS / 2, what)
      assert.deepEqual(recalls(mine), [inode], what)
      mine.talk.packets.length = 0
    }
    const attributes = { setmask: cltoma.SetMask.MODE, mode: 0, uid: 0, gid: 0, atime: 0, mtime: 0, winattr: 0 }
    const set = { ...attributes, sugidClearMode: 0, atimeMore: 0, mtimeMore: 0 }
    await lent(mine, inode)
    await mine.ask(cltoma.fuseSetattr, { inode, opened: 0, caller: root, set }, matocl.fuseSetattr)
    assert.deepEqual(recalls(mine), [], 'who changed them knows it')
    await settle('chmod', yours.ask(cltoma.fuseSetattr, { inode, opened: 0, caller: root, set }, matocl.fuseSetattr))
    await lent(mine, inode)
    const eattr = { inode, uid: 0, eattr: 2, mode: 0 }
    await settle('eattr', mine.ask(cltoma.fuseSeteattr, eattr, matocl.fuseSeteattr))
    await lent(mine, inode)
    const copy = { inode, parent: ROOT, name: 'copy', caller: root, mode: 0, umask: 0 }
    await settle('snapshot', mine.ask(cltoma.fuseSnapshot, copy, matocl.fuseSnapshot))
  }))

test('a folder that was removed is called back, for its number will be used again', () =>
  story(async (world, holder) => {
    const mine = holder as RawClient
    const inode = await folder(mine, 'f')
    await lent(mine, inode)
    await mine.ask(cltoma.fuseRmdir, { parent: ROOT, name: 'f', caller: root }, matocl.fuseRmdir)
    for (let i = 0; i < 6; i++) {
      await world.host.env('test').clock.sleep(2000)
      mine.talk.send(matocl.nop.encode({ msgid: 0 }))
    }
    assert.deepEqual(recalls(mine), [inode])
  }))

test('the root of a mount is called back by the number that it has there', () =>
  story(async (world, maker) => {
    const inode = await folder(maker as RawClient, 'f')
    const below = await world.mount({ address: '10.9.9.103', path: '/f' })
    await lent(below, ROOT)
    const making = (maker as RawClient).create(inode, 'a')
    await world.host.env('test').clock.sleep(20)
    assert.deepEqual(recalls(below), [ROOT])
    giveBack(below, ROOT)
    assert.ok((await timed(world, making))[1] < HELD_MS / 2)
  }))

test('a folder is lent to those who may list it, whose kernels judge their rights', async () => {
  const world = new MasterAndClients(8)
  world.exports = '10.9.9.0/24 / rw,alldirs,maproot=0:0\n10.9.8.0/24 / rw,alldirs,mapall=5:5\n'
  await world.play(async () => {
    await world.start()
    const mine = await world.mount()
    const inode = await folder(mine, 'f')
    const file = await mine.create(ROOT, 'file')
    assert.ok(file.status === undefined)
    assert.equal((await lend(mine, inode, somebody)).status, undefined)
    const mapped = await world.mount({ address: '10.9.8.1' })
    assert.equal((await lend(mapped, inode)).status, Status.EPERM)
    const attributes = { setmask: cltoma.SetMask.MODE, mode: 0o711, uid: 0, gid: 0, atime: 0, mtime: 0, winattr: 0 }
    const set = { ...attributes, sugidClearMode: 0, atimeMore: 0, mtimeMore: 0 }
    await mine.ask(cltoma.fuseSetattr, { inode, opened: 0, caller: root, set }, matocl.fuseSetattr)
    assert.equal((await lend(mine, inode, somebody)).status, Status.EACCES)
    assert.equal((await lend(mine, file.inode)).status, Status.ENOTDIR)
    assert.equal((await lend(mine, 999)).status, Status.ENOENT)
    const body = { parent: inode, mode: 0o755, umask: 0, caller: root, copySgid: 0 }
    for (let i = 0; i <= LENT_NAMES_MAX; i++) {
      mine.talk.send(cltoma.fuseMkdir.encode({ ...body, msgid: 1_000_000 + i, name: `d${i}` }))
    }
    assert.equal((await lend(mine, inode)).status, Status.NOSPACE)
  })
})
