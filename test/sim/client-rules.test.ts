// Rules between clients that the original does not keep: each stands in docs/differences.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cltoma from '../../src/protocol/cltoma.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import { Status } from '../../src/protocol/status.ts'
import { parseNetwork } from '../../src/util/ipv4.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'

const ROOT = 1
const caller = { uid: 0, gids: [0] }
const { SET, TRY } = cltoma.PosixLockCommand

function story(name: string, run: (world: MasterAndClients) => Promise<void>): void {
  test(name, async () => {
    const world = new MasterAndClients(1)
    await world.play(async () => {
      await world.start()
      await run(world)
    })
  })
}

const inodeOf = (answer: object) => (answer as { inode: number }).inode
const pause = (world: MasterAndClients, ms: number) => new Promise<void>(done => void world.scheduler.at(ms, done))

/** Lets time go by with clients that stay. */
async function live(world: MasterAndClients, clients: RawClient[], seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    for (const client of clients) client.talk.send(matocl.nop.encode({ msgid: 0 }))
    await pause(world, 1000)
  }
}

function lock(client: RawClient, inode: number, command: number, owner: bigint) {
  const body = { inode, requestId: Number(owner), owner, pid: 1, command, type: 2, start: 0n, end: 10n }
  return client.ask(cltoma.fusePosixLock, body, matocl.fusePosixLock)
}

story('who would wait in a circle for record locks is refused, and the others go on', async world => {
  const [a, b, c] = [await world.mount(), await world.mount(), await world.mount()]
  const files = [
    inodeOf(await a.create(ROOT, 'x')),
    inodeOf(await a.create(ROOT, 'y')),
    inodeOf(await a.create(ROOT, 'z')),
  ]
  const [x = 0, y = 0, z = 0] = files
  for (const client of [a, b, c]) client.talk.send(cltoma.fuseSustainedInodes.encode({ inodes: files }))
  assert.equal((await lock(a, x, TRY, 1n)).status, Status.OK)
  assert.equal((await lock(b, y, TRY, 2n)).status, Status.OK)
  assert.equal((await lock(c, z, TRY, 3n)).status, Status.OK)
  const waitsForB = lock(a, y, SET, 1n)
  const waitsForC = lock(b, z, SET, 2n)
  await pause(world, 100)
  assert.equal((await lock(c, x, SET, 3n)).status, Status.EAGAIN)
  const range = { requestId: 9, owner: 3n, pid: 1, command: SET, type: 0, start: 0n, end: 10n }
  await c.ask(cltoma.fusePosixLock, { inode: z, ...range }, matocl.fusePosixLock)
  assert.equal((await waitsForC).status, Status.OK)
  await b.ask(cltoma.fusePosixLock, { inode: y, ...range, owner: 2n }, matocl.fusePosixLock)
  assert.equal((await waitsForB).status, Status.OK)
})

story('a mount of a folder reads no chunks of files outside of it, but what it has open', async world => {
  const whole = await world.mount()
  const folder = inodeOf(await whole.mkdir(ROOT, 'folder'))
  const [inside, outside] = [inodeOf(await whole.create(folder, 'in')), inodeOf(await whole.create(ROOT, 'out'))]
  const part = await world.mount({ path: '/folder' })
  const read = (inode: number) => part.ask(cltoma.fuseReadChunk, { inode, index: 0 }, matocl.fuseReadChunk)
  const write = (inode: number) => part.ask(cltoma.fuseWriteChunk, { inode, index: 0, flags: 4 }, matocl.fuseWriteChunk)
  assert.equal((await read(inside)).status, undefined)
  assert.equal((await read(outside)).status, Status.ENOENT)
  assert.equal((await write(outside)).status, Status.ENOENT)
  const open = { inode: inside, caller, flags: 1 }
  assert.equal((await part.ask(cltoma.fuseOpen, open, matocl.fuseOpen)).status, undefined)
  const move = { parentSource: folder, nameSource: 'in', parentTarget: ROOT, nameTarget: 'moved', caller }
  await whole.ask(cltoma.fuseRename, move, matocl.fuseRename)
  assert.equal((await read(inside)).status, undefined, 'an open file stays readable')
})

story('trash that is over is gone within seconds, not within the hour of 4096 buckets', async world => {
  const client = await world.mount()
  const inode = inodeOf(await client.create(ROOT, 'f'))
  const hour = { inode, uid: 0, seconds: 3600, mode: 0 }
  await client.ask(cltoma.fuseSettrashtime, hour, matocl.fuseSettrashtime)
  await client.unlink(ROOT, 'f')
  client.talk.send(cltoma.fuseSustainedInodes.encode({ inodes: [] }))
  await live(world, [client], 3590)
  assert.ok(world.state.nodes.exists(inode), 'not before its time')
  await live(world, [client], 20)
  assert.ok(!world.state.nodes.exists(inode))
})

story('a quota counts the blocks that are written, and an unset grace period is the configured one', async world => {
  const client = await world.mount()
  const folder = inodeOf(await client.mkdir(ROOT, 'q'))
  const limits = { softInodes: 1, softLength: 0, softSize: 0, softRealsize: 0 }
  const hard = { hardInodes: 0, hardLength: 0, hardSize: 60_000_000, hardRealsize: 0 }
  const quota = { inode: folder, flags: 0x41, gracePeriodSeconds: 0, limits: { ...limits, ...hard } }
  await client.ask(cltoma.fuseQuotacontrol, quota, matocl.fuseQuotacontrol)
  const file = inodeOf(await client.create(folder, 'f'))
  const write = { inode: file, index: 0, flags: 4 }
  // There are no servers, but the quota does not stand in the way of a small file (a chunk is larger than the limit).
  assert.equal((await client.ask(cltoma.fuseWriteChunk, write, matocl.fuseWriteChunk)).status, Status.NOCHUNKSERVERS)
  await client.create(folder, 'g')
  await live(world, [client], 5)
  assert.equal((await client.create(folder, 'h')).status, undefined, 'the grace period of a week has just begun')
})

story('a write that the quota refuses at its end leaves no lock behind', async world => {
  const client = await world.mount()
  const folder = inodeOf(await client.mkdir(ROOT, 'q'))
  const limits = { softInodes: 0, softLength: 0, softSize: 0, softRealsize: 0 }
  const hard = { hardInodes: 0, hardLength: 1000, hardSize: 0, hardRealsize: 0 }
  const quota = { inode: folder, flags: 0x20, gracePeriodSeconds: 0, limits: { ...limits, ...hard } }
  await client.ask(cltoma.fuseQuotacontrol, quota, matocl.fuseQuotacontrol)
  const inode = inodeOf(await client.create(folder, 'f'))
  const { ledger } = world.master
  const ts = ledger.now()
  ledger.commit({ op: 'WRITE', ts, inode, index: 0, raiseVersion: true, touch: false, chunkId: 1 })
  const isLocked = () => world.state.chunks.isLocked(world.state.chunks.find(1), ledger.now())
  assert.ok(isLocked())
  const end = { chunkId: 1, inode, index: 0, length: 1001, flags: 0 }
  const { status } = await client.ask(cltoma.fuseWriteChunkEnd, end, matocl.fuseWriteChunkEnd)
  assert.equal(status, Status.QUOTA)
  assert.ok(!isLocked())
  assert.equal(world.state.nodes.length.get(inode), 0)
})

story('nobody can end the session of somebody else', async world => {
  const [one, other] = [await world.mount(), await world.mount()]
  await one.unmount(other.sessionId)
  await pause(world, 1000)
  assert.ok(world.state.sessions.get(other.sessionId))
  assert.equal((await other.lookup(ROOT, 'x')).status, Status.ENOENT)
})

test('commands of monitors come from the addresses that MONITOR_COMMANDS_FROM names, and from no others', async () => {
  const trusted = parseNetwork('10.9.8.0/24') as [number, number]
  const world = new MasterAndClients(1, { monitorCommandsFrom: [trusted] })
  await world.play(async () => {
    await world.start()
    const command = cltoma.csservCommand.encode({ command: 0, ip: 1, port: 2 })
    const answerTo = async (address: string) => {
      const monitor = await world.connect(address)
      monitor.talk.send(command)
      const { payload } = await monitor.talk.next([matocl.csservCommand.code])
      return matocl.csservCommand.decode(payload).status
    }
    assert.equal(await answerTo('10.9.9.100'), Status.EPERM)
    assert.equal(await answerTo('10.9.8.7'), Status.NOTFOUND)
    const looks = await world.connect('10.9.9.100')
    looks.talk.send(cltoma.info.encode({}))
    await looks.talk.next([matocl.info.code])
  })
})

story(
  'a mount that is away for an hour after the master was killed finds its session and open files again',
  async world => {
    const client = await world.mount()
    const inode = inodeOf(await client.create(ROOT, 'f'))
    world.kill()
    await world.start()
    await pause(world, 3_600_000)
    const again = await world.connect()
    assert.equal(await again.reconnect(client.sessionId), Status.OK)
    assert.deepEqual([...world.state.openFiles.inodesOf(client.sessionId)], [inode])
  },
)

story(
  'a place at the end of a file is promised once, whoever asks again and whatever becomes of the master',
  async world => {
    const [one, other] = [await world.mount(), await world.mount({ address: '10.9.9.101' })]
    const inode = inodeOf(await one.create(ROOT, 'log'))
    const { OPENED, UPDATE, RESERVE } = cltoma.TruncateFlag
    const question = { inode, flags: OPENED | UPDATE | RESERVE, caller, length: 100 }
    const place = async (client: RawClient, msgid: number) => {
      const answer = await client.askAs(msgid, cltoma.fuseTruncate, question, matocl.fuseTruncate)
      return (answer as { previousLength?: number }).previousLength
    }
    assert.equal(await place(one, 50), 0)
    assert.equal(await place(other, 50), 100)
    world.kill()
    await world.start()
    const back = await world.connect()
    await back.reconnect(one.sessionId)
    assert.equal(await place(back, 50), 0, 'the answer may have been lost')
    assert.equal(await place(back, 51), 200)
    const cut = { ...question, flags: OPENED, length: 0 }
    await back.askAs(52, cltoma.fuseTruncate, cut, matocl.fuseTruncate)
    assert.equal(await place(back, 53), 0, 'who cuts the file begins anew')
  },
)

story('a file ends where lengths are still counted exactly, and whoever wants more is told so', async world => {
  const client = await world.mount()
  const inode = inodeOf(await client.create(ROOT, 'far'))
  const { OPENED, UPDATE, RESERVE } = cltoma.TruncateFlag
  const ask = async (flags: number, length: number) => {
    const answer = await client.ask(cltoma.fuseTruncate, { inode, flags, caller, length }, matocl.fuseTruncate)
    return (answer as { status?: number }).status ?? Status.OK
  }
  const last = 2 ** 53 - 1
  assert.equal(await ask(OPENED, last), Status.OK)
  for (const tooLong of [2 ** 53, 2 ** 57, 2 ** 63]) {
    for (const flags of [OPENED, OPENED | UPDATE, OPENED | UPDATE | RESERVE]) {
      assert.equal(await ask(flags, tooLong), Status.INDEXTOOBIG, `${tooLong} ${flags}`)
    }
    const end = { chunkId: 1, inode, index: 0, length: tooLong, flags: 0 }
    const { status } = await client.ask(cltoma.fuseWriteChunkEnd, end, matocl.fuseWriteChunkEnd)
    assert.equal(status, Status.INDEXTOOBIG)
  }
  assert.equal(await ask(OPENED | UPDATE | RESERVE, 1), Status.INDEXTOOBIG, 'no room behind the last byte')
  const beyond = { inode, index: 2 ** 27, flags: cltoma.ChunkOpFlag.CANUSERESERVESPACE }
  const { status } = await client.ask(cltoma.fuseWriteChunk, beyond, matocl.fuseWriteChunk)
  assert.equal(status, Status.INDEXTOOBIG)
  assert.equal(world.state.nodes.length.get(inode), last)
})
