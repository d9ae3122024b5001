// The only copy of a chunk, whose server loses its power or is killed again and again in the middle of writes: what was
// synced can be read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkStore } from '../../src/chunkserver/disks/chunk-store.ts'
import { marksIn } from '../../src/chunkserver/disks/write-marks.ts'
import { MFSBLOCKSIZE } from '../../src/protocol/constants.ts'
import { Status } from '../../src/protocol/status.ts'
import { contents, StoreMachine as Machine, piece, write } from './store-machine.ts'

const ID = 1
const BLOCKS = 3
const SIZE = BLOCKS * MFSBLOCKSIZE
const CRASHES = 8
const BOOT_ID = '/proc/sys/kernel/random/boot_id'
const list = '/d1/.writing'
const MENDED = /at a crash: what was synced is there/

const idsIn = ({ host }: Machine) => marksIn(host.disk.peek(list)).map(({ chunkId }) => chunkId)

/** Bytes as they must be, or may be. */
class Expected {
  #synced = Buffer.alloc(SIZE)
  #blocks = 0
  #written: { from: number; data: Buffer }[] = []

  write(from: number, data: Buffer): void {
    this.#written.push({ from, data })
  }

  /** @param count so many writes, from the first */
  synced(count = this.#written.length): void {
    for (const { from, data } of this.#written.splice(0, count)) {
      data.copy(this.#synced, from)
      this.#blocks = Math.max(this.#blocks, Math.ceil((from + data.length) / MFSBLOCKSIZE))
    }
  }

  /** Takes what is there for what there is. @returns where something is that must not be */
  wrongAt(bytes: Buffer): number | undefined {
    if (bytes.length < this.#blocks * MFSBLOCKSIZE) return bytes.length
    for (let at = 0; at < bytes.length; at++) {
      if (bytes[at] === this.#synced[at]) continue
      const may = this.#written.some(({ from, data }) => at >= from && data[at - from] === bytes[at])
      // Of blocks that are longer on the disk than what is written in them the system has zeros.
      if (!may && bytes[at] !== 0) return at
      if (!may && !this.#written.some(({ from, data }) => at >= from && at < from + data.length)) return at
    }
    this.#written = []
    bytes.copy(this.#synced)
    return undefined
  }
}

/** Writes some of the chunk, in the middle of which the machine may stop. */
function begin(machine: Machine, store: ChunkStore, expected: Expected): void {
  const { scheduler } = machine
  const size = scheduler.between(1, scheduler.random() < 0.3 ? MFSBLOCKSIZE : 3000)
  const offset = scheduler.between(0, MFSBLOCKSIZE - size)
  const blockIndex = scheduler.between(0, BLOCKS - 1)
  const data = Buffer.alloc(size, 1 + scheduler.between(0, 200))
  expected.write(blockIndex * MFSBLOCKSIZE + offset, data)
  const action = async () => {
    const open = await store.open(ID, 1)
    await store.write(open, 1, [piece(blockIndex, offset, data)])
    store.done(open)
  }
  action().catch(() => undefined)
}

for (const how of ['power', 'kill', 'either'] as const) {
  test(`what was synced stays readable, whatever else was being written (${how})`, async () => {
    let mended = 0
    for (let seed = 1; seed <= 25; seed++) {
      const machine = new Machine(seed)
      const { host, scheduler } = machine
      const expected = new Expected()
      let store = await machine.start()
      await machine.run(store.create(ID, 1))
      await machine.run(store.sync(ID, 1))
      for (let crash = 0; crash < CRASHES; crash++) {
        for (let i = scheduler.between(0, 3); i > 0; i--) {
          begin(machine, store, expected)
          await scheduler.run(50)
          if (scheduler.random() < 0.5) continue
          await machine.run(store.sync(ID, 1))
          expected.synced()
        }
        begin(machine, store, expected)
        await scheduler.run(scheduler.random())
        if (how === 'kill' || (how === 'either' && scheduler.random() < 0.5)) host.kill()
        else host.powerCut()
        store = await machine.start()
        const wrong = expected.wrongAt(await contents(machine, store, ID, 1))
        assert.equal(wrong, undefined, `seed ${seed}, crash ${crash}`)
        await machine.run(store.sync(ID, 1))
      }
      assert.ok(!machine.heard.some(text => text.startsWith('damaged')))
      mended += host.messages.filter(text => MENDED.test(text)).length
    }
    assert.ok(mended > 10, `${mended}: too few crashes came between a block and its CRC`)
  })
}

test('what was synced of a new chunk stays readable, whatever was being written while it was synced', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const machine = new Machine(seed)
    const expected = new Expected()
    const store = await machine.start()
    await machine.run(store.create(ID, 1))
    begin(machine, store, expected)
    await machine.scheduler.run(50)
    begin(machine, store, expected)
    await machine.scheduler.run(machine.scheduler.random() / 10)
    await machine.run(store.sync(ID, 1))
    expected.synced(1)
    machine.host.powerCut()
    const bytes = await contents(machine, await machine.start(), ID, 1)
    assert.equal(expected.wrongAt(bytes), undefined, `seed ${seed}`)
  }
})

/** A chunk that is synced, and its file. */
async function synced(machine: Machine, id = ID): Promise<{ store: ChunkStore; path: string }> {
  const store = await machine.start()
  await machine.run(store.create(id, 1))
  await write(machine, store, id, 1, [piece(0, 0, Buffer.alloc(MFSBLOCKSIZE, 7))])
  await machine.run(store.sync(id, 1))
  const path = machine.host.disk.files('/d1').find(name => name.includes('chunk_')) as string
  return { store, path }
}

const flipData = ({ host }: Machine, path: string) => host.disk.flipBit(path, 8 * (8192 + 1000))
const change = (machine: Machine, store: ChunkStore, id = ID) =>
  write(machine, store, id, 1, [piece(0, 5, Buffer.from('changed'))])

test('damage is found in chunks that nobody was writing, also after a crash', async () => {
  const machine = new Machine(1)
  const { path } = await synced(machine)
  machine.host.powerCut()
  flipData(machine, path)
  const again = await machine.start()
  await assert.rejects(contents(machine, again, ID, 1), { status: Status.CRC })
})

test('damage is found in chunks that are new, also after a crash', async () => {
  const machine = new Machine(1)
  const store = await machine.start()
  await machine.run(store.create(ID, 1))
  await write(machine, store, ID, 1, [piece(0, 0, Buffer.alloc(MFSBLOCKSIZE, 7))])
  await ticks(machine, store, 2)
  machine.host.kill()
  flipData(machine, machine.host.disk.files('/d1').find(name => name.includes('chunk_')) as string)
  const again = await machine.start()
  await assert.rejects(contents(machine, again, ID, 1), { status: Status.CRC })
})

test('damage is found in chunks that were written long before a crash', async () => {
  const machine = new Machine(1)
  const { store, path } = await synced(machine)
  await change(machine, store)
  for (let i = 0; i < 200; i++) {
    await machine.scheduler.run(1000)
    await machine.run(store.tick())
  }
  machine.host.kill()
  flipData(machine, path)
  const again = await machine.start()
  await assert.rejects(contents(machine, again, ID, 1), { status: Status.CRC })
})

test('a server that was stopped left nothing undone, as long as the system has not started anew', async () => {
  for (const isSameBoot of [true, false]) {
    const machine = new Machine(1)
    machine.host.disk.system.set(BOOT_ID, Buffer.from('a'.repeat(36)))
    const { store, path } = await synced(machine)
    await change(machine, store)
    await machine.run(store.stop())
    if (!isSameBoot) machine.host.disk.system.set(BOOT_ID, Buffer.from('b'.repeat(36)))
    flipData(machine, path)
    const again = await machine.start()
    if (isSameBoot) await assert.rejects(contents(machine, again, ID, 1), { status: Status.CRC })
    else assert.equal((await contents(machine, again, ID, 1)).length, MFSBLOCKSIZE)
    // A life that was killed after one that was stopped is not taken for it.
    await change(machine, again).catch(() => undefined)
    machine.host.kill()
    const third = await machine.start()
    assert.equal(third.liveFolders[0]?.marks.isSuspect(ID), true)
  }
})

const unsure = (store: ChunkStore) => [...store.unsureChunks()].sort((a, b) => a - b)
const ticks = async (machine: Machine, store: ChunkStore, seconds: number) => {
  for (let i = 0; i < seconds; i++) {
    await machine.scheduler.run(1000)
    await machine.run(store.tick())
  }
}
const [NEW, QUIET, DELETED, CUT] = [2, 3, 4, 5]
const LONG_SECONDS = 200

/** Chunks of all kinds: one that is being written, a new one, one that is synced, one that is deleted, and a cut one. */
async function manyKinds(machine: Machine): Promise<ChunkStore> {
  const { store } = await synced(machine)
  for (const id of [NEW, QUIET, DELETED, CUT]) {
    await machine.run(store.create(id, 1))
    await write(machine, store, id, 1, [piece(0, 0, Buffer.alloc(100, id))])
    if (id !== NEW) await machine.run(store.sync(id, 1))
  }
  await change(machine, store)
  await machine.run(store.truncate(CUT, 50, 2, 1))
  await machine.run(store.remove(DELETED, 1))
  await ticks(machine, store, 1)
  await machine.scheduler.run(100)
  return store
}

test('after a loss of power a server vouches for no chunk that was written, cut or made shortly before', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const machine = new Machine(seed)
    await manyKinds(machine)
    machine.host.powerCut()
    const again = await machine.startAlone()
    const there = [ID, NEW, CUT].filter(id => again.entryOf(id) !== undefined)
    assert.deepEqual(unsure(again), there)
    const told = machine.heard.filter(text => text.startsWith('unsure')).flatMap(text => text.split(' ').slice(1))
    assert.deepEqual(told.map(Number).sort(), there)
    await assert.rejects(machine.run(again.open(ID, 1)), { status: Status.WRONGVERSION })
    await assert.rejects(machine.run(again.sync(ID, 0)), { status: Status.WRONGVERSION })
    // Until a master has said which are good, however long that takes.
    machine.host.kill()
    const third = await machine.startAlone()
    assert.deepEqual(unsure(third), there)
    await ticks(machine, third, LONG_SECONDS)
    third.vouch([ID])
    await machine.run(third.sync(ID, 0))
    await machine.run(third.stop())
    const fourth = await machine.startAlone()
    assert.deepEqual(unsure(fourth), there)
    fourth.vouch(there)
    assert.deepEqual(unsure(fourth), [])
    await ticks(machine, fourth, 1)
    machine.host.kill()
    assert.deepEqual(unsure(await machine.startAlone()), [])
  }
})

test('what was deleted when the power was lost is deleted again, unless it was made again', async () => {
  for (const isMadeAgain of [false, true]) {
    let cameBack = 0
    for (let seed = 1; seed <= 20; seed++) {
      const machine = new Machine(seed)
      const store = await manyKinds(machine)
      if (isMadeAgain) {
        await machine.run(store.create(DELETED, 2))
        await machine.run(store.sync(DELETED, 2))
      }
      machine.host.powerCut()
      const again = await machine.startAlone()
      const files = () => machine.host.disk.files('/d1').filter(name => name.includes('_0000000000000004_'))
      assert.deepEqual([again.entryOf(DELETED)?.version, files().length], isMadeAgain ? [2, 1] : [undefined, 0])
      if (machine.host.messages.some(text => text.includes('deleted before the power was lost'))) cameBack++
    }
    assert.equal(cameBack > 0, !isMadeAgain)
  }
})

test('a chunk that a killed server was about to delete is there, also after a loss of power', async () => {
  const machine = new Machine(1)
  const { host } = machine
  const { store } = await synced(machine)
  host.disk.watcher = (operation, path, when) => {
    if (operation === 'unlink' && path.includes('chunk_') && when === 'before') host.kill()
  }
  void store.remove(ID, 1)
  await machine.scheduler.run(50)
  host.disk.watcher = undefined
  assert.ok((await machine.start()).entryOf(ID))
  host.powerCut('everything')
  assert.ok((await machine.startAlone()).entryOf(ID))
})

test('a server that was killed or stopped vouches for all that it has', async () => {
  for (const how of ['killed', 'stopped']) {
    const machine = new Machine(1)
    const store = await manyKinds(machine)
    if (how === 'killed') machine.host.kill()
    else await machine.run(store.stop())
    assert.deepEqual(unsure(await machine.startAlone()), [], how)
  }
})

test('what was new when a server was stopped is not vouched for where the power is lost after that', async () => {
  const machine = new Machine(1)
  const { store } = await synced(machine)
  await machine.run(store.create(NEW, 1))
  await write(machine, store, NEW, 1, [piece(0, 0, Buffer.alloc(100, 1))])
  await machine.run(store.stop())
  // The system had written the name back, but not all of the file.
  const path = machine.host.disk.files('/d1').find(name => name.includes('_0000000000000002_')) as string
  const bytes = Buffer.from(machine.host.disk.peek(path))
  machine.host.powerCut('everything')
  machine.host.disk.plant(path, bytes)
  assert.deepEqual(unsure(await machine.startAlone()), [NEW])
})

test('without room for the list chunks are written all the same, and the log says so once', async () => {
  const machine = new Machine(1)
  const { store } = await synced(machine)
  await machine.run(store.create(2, 1))
  await machine.run(store.sync(2, 1))
  const { disk, messages } = machine.host
  disk.othersBytes = disk.capacityBytes - disk.usedBytes
  for (const id of [ID, 2]) assert.equal((await change(machine, store, id)).done, 1)
  assert.deepEqual(
    messages.filter(text => text.includes('.writing')).map(text => text.replace(/^\S+ /, '')),
    [
      'cs warning: /d1/.writing: ENOSPC: chunks are written without it, and a crash may leave blocks without their CRCs',
    ],
  )
  disk.othersBytes = 0
  machine.host.kill()
  assert.equal((await contents(machine, await machine.start(), ID, 1)).length, MFSBLOCKSIZE)
})

test('a list that is none is made anew, and one with nonsense is read as far as it makes sense', async () => {
  const nonsense = Buffer.alloc(128 + 20, 0xff)
  for (const bytes of [Buffer.alloc(0), Buffer.from('something else'), nonsense, cut(nonsense), zeros()]) {
    const machine = new Machine(1)
    machine.host.disk.plant(list, bytes)
    const { store } = await synced(machine)
    await change(machine, store)
    machine.host.kill()
    const again = await machine.start()
    assert.equal(again.liveFolders[0]?.marks.isSuspect(ID), true)
    await contents(machine, again, ID, 1)
    assert.equal(again.liveFolders[0]?.marks.isSuspect(ID), false)
  }
})

/** With the right beginning. */
function cut(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from('ELKMARK2'), bytes.subarray(8)])
}

/** A list that a power cut left. */
const zeros = () => Buffer.alloc(128 + 4096 * 8)

test('the list has room for any number of chunks', async () => {
  const machine = new Machine(1)
  const store = await machine.start()
  const marks = store.liveFolders[0]?.marks
  assert.ok(marks)
  const ids = Array.from({ length: 5000 }, (_, i) => 2 ** 40 + i)
  await machine.run(Promise.all(ids.map(id => marks.mark(id))))
  machine.host.powerCut('everything')
  const there = new Set(idsIn(machine))
  assert.equal(ids.filter(id => !there.has(id)).length, 0)
})

test('what a killed life had put into the list is on the disk before the next one counts on it', async () => {
  const machine = new Machine(1)
  const { host } = machine
  const marks = (await machine.start()).liveFolders[0]?.marks
  await machine.run(Promise.resolve(marks?.mark(5)))
  host.disk.watcher = (operation, path, when) => {
    if (operation === 'sync' && path === list && when === 'before') host.kill()
  }
  void marks?.mark(6)
  await machine.scheduler.run(10)
  host.disk.watcher = undefined
  assert.ok(idsIn(machine).includes(6))
  const again = (await machine.start()).liveFolders[0]?.marks
  await machine.run(Promise.resolve(again?.mark(6)))
  host.powerCut('everything')
  assert.ok(idsIn(machine).includes(6))
})
