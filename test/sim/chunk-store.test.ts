// The chunk store on a simulated disk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusOf } from '../../src/chunkserver/disks/chunk-error.ts'
import { MARKS_NAME } from '../../src/chunkserver/disks/write-marks.ts'
import { MFSBLOCKSIZE } from '../../src/protocol/constants.ts'
import { Status } from '../../src/protocol/status.ts'
import { contents, StoreMachine as Machine, piece, write } from './store-machine.ts'

test('what was written comes back, also after a restart', async () => {
  const machine = new Machine(1)
  const store = await machine.start()
  await machine.run(store.create(5, 1))
  const expected = Buffer.alloc(5 * MFSBLOCKSIZE)
  const change = (blockIndex: number, offset: number, data: Buffer) => {
    data.copy(expected, blockIndex * MFSBLOCKSIZE + offset)
    return piece(blockIndex, offset, data)
  }
  const whole = Buffer.alloc(MFSBLOCKSIZE, 7)
  const pieces = [
    change(0, 0, whole),
    change(1, 0, Buffer.alloc(MFSBLOCKSIZE, 8)),
    change(1, 100, Buffer.from('inside the second block')),
    change(4, 65530, Buffer.from('ending')),
    change(4, 0, Buffer.from('starts')),
    change(2, 0, Buffer.alloc(MFSBLOCKSIZE)),
  ]
  assert.equal((await write(machine, store, 5, 1, pieces)).done, 6)
  assert.equal((await write(machine, store, 5, 1, [change(0, 3, Buffer.from('later'))])).done, 1)
  assert.ok(expected.equals(await contents(machine, store, 5, 1)))
  machine.host.kill()
  const again = await machine.start()
  assert.ok(expected.equals(await contents(machine, again, 5, 1)))
  assert.deepEqual(machine.heard, ['new 5v1'])
})

test('versions, copies, cuts and deletions', async () => {
  const machine = new Machine(2)
  const store = await machine.start('/d1/\n/d2/\n')
  const run = (action: Promise<void>) => machine.run(statusOf(() => action))
  assert.equal(await run(store.create(1, 1)), Status.OK)
  assert.equal(await run(store.create(1, 1)), Status.CHUNKEXIST)
  const data = Buffer.alloc(150_000, 'abc')
  const pieces = [0, 1, 2].map(i => piece(i, 0, data.subarray(i * MFSBLOCKSIZE, (i + 1) * MFSBLOCKSIZE)))
  await write(machine, store, 1, 1, pieces)
  assert.equal(await run(store.setVersion(1, 2, 1)), Status.OK)
  assert.equal(await run(store.setVersion(1, 2, 1)), Status.WRONGVERSION)
  assert.equal(await run(store.duplicate({ chunkId: 2, version: 1, sourceChunkId: 1, sourceVersion: 2 })), Status.OK)
  const cut = { chunkId: 3, version: 1, sourceChunkId: 1, sourceVersion: 2, length: 70_000 }
  assert.equal(await run(store.duplicate(cut)), Status.OK)
  assert.equal(await run(store.duplicate({ ...cut, chunkId: 4, length: 300_000 })), Status.OK)
  assert.equal(await run(store.truncate(2, 140_000, 2, 1)), Status.OK)
  assert.equal(await run(store.truncate(2, 70 << 20, 3, 2)), Status.EINVAL)
  const expect = async (id: number, version: number, length: number, blocks: number) => {
    const expected = Buffer.alloc(blocks * MFSBLOCKSIZE)
    data.copy(expected, 0, 0, length)
    assert.ok(expected.equals(await contents(machine, store, id, version)), `chunk ${id}`)
  }
  await expect(1, 2, 150_000, 3)
  await expect(2, 2, 140_000, 3)
  await expect(3, 1, 70_000, 2)
  await expect(4, 1, 150_000, 5)
  assert.equal(await run(store.remove(1, 1)), Status.WRONGVERSION)
  assert.equal(await run(store.remove(1, 0)), Status.OK)
  assert.equal(await run(store.remove(1, 0)), Status.NOCHUNK)
  const again = await machine.start('/d1/\n/d2/\n')
  assert.equal([...again.entries()].length, 3)
  await machine.run(again.test(4, 1))
})

test('a flipped bit is found, reported and not covered up', async () => {
  const machine = new Machine(3)
  const store = await machine.start()
  await machine.run(store.create(9, 1))
  await write(machine, store, 9, 1, [piece(0, 0, Buffer.alloc(MFSBLOCKSIZE, 1))])
  const path = `/d1/00/chunk_${'9'.padStart(16, '0')}_00000001.mfs`
  machine.host.disk.flipBit(path, (8192 + 1000) * 8)
  await assert.rejects(contents(machine, store, 9, 1), { status: Status.CRC })
  const patch = await write(machine, store, 9, 1, [piece(0, 5, Buffer.from('x'))])
  assert.equal(patch.done, 0)
  assert.equal(patch.error?.status, Status.CRC)
  assert.deepEqual(machine.heard, ['error', 'damaged 9', 'error', 'damaged 9'])
  assert.equal(await machine.run(statusOf(() => store.truncate(9, 10, 2, 1))), Status.CRC)
})

test('data that was wrong when it came is refused, and no fault of the disk', async () => {
  const machine = new Machine(4)
  const store = await machine.start()
  await machine.run(store.create(9, 1))
  const good = piece(0, 0, Buffer.alloc(10, 1))
  const result = await write(machine, store, 9, 1, [good, { ...good, crc: 1 }])
  assert.deepEqual([result.done, result.error?.status], [1, Status.CRC])
  assert.deepEqual(machine.heard, [])
})

test('a full disk refuses, and what was there stays right', async () => {
  const machine = new Machine(5)
  const store = await machine.start()
  await machine.run(store.create(1, 1))
  await write(machine, store, 1, 1, [piece(0, 0, Buffer.alloc(MFSBLOCKSIZE, 1))])
  machine.host.disk.fault = { writes: 'ENOSPC' }
  const result = await write(machine, store, 1, 1, [piece(0, 0, Buffer.alloc(MFSBLOCKSIZE, 2))])
  assert.equal(result.error?.status, Status.NOSPACE)
  assert.equal(await machine.run(statusOf(() => store.create(2, 1))), Status.NOSPACE)
  machine.host.disk.fault = {}
  assert.deepEqual(machine.heard, [])
  assert.equal((await contents(machine, store, 1, 1))[0], 1)
})

test('a disk with too many errors is given up with all its chunks', async () => {
  const machine = new Machine(6)
  const store = await machine.start()
  for (const id of [1, 2]) await machine.run(store.create(id, 1))
  await write(machine, store, 1, 1, [piece(0, 0, Buffer.alloc(10, 1))])
  machine.host.disk.fault = { reads: 'EIO' }
  for (let i = 0; i < 3; i++) await assert.rejects(contents(machine, store, 1, 1), { status: Status.IO })
  assert.deepEqual(
    machine.heard.filter(line => line.startsWith('lost')),
    ['lost 1 2'],
  )
  await assert.rejects(machine.run(store.open(2, 1)), { status: Status.NOCHUNK })
  assert.equal(await machine.run(statusOf(() => store.create(3, 1))), Status.NOSPACE)
})

test('a disk that hangs is given up alone, and asked again at a reload', async () => {
  const machine = new Machine(7)
  const store = await machine.start('/d1/\n/d2/\n', { hangSeconds: 5 })
  for (let id = 1; id <= 60; id++) {
    await machine.run(store.create(id, 1))
    await write(machine, store, id, 1, [piece(0, 0, Buffer.from('data'))])
  }
  const [here, there] = ['/d1/', '/d2/'].map(path => {
    const folder = store.liveFolders.find(({ line }) => line.path === path)
    return [...store.table.rows()]
      .filter(row => store.table.folder.get(row) === folder?.index)
      .map(store.table.id, store.table)
  }) as [number[], number[]]
  assert.ok(here.length > 0 && there.length > 0)
  machine.host.disk.fault = { hangs: true, below: '/d1/' }
  // More than there may be questions to a disk at a time.
  assert.ok(here.length > 16)
  const stuck = here.map(id => statusOf(() => store.test(id, 1).then(() => {})))
  const watch = () => store.watch()
  for (let second = 0; second < 8; second++) {
    assert.equal(await machine.run(statusOf(() => store.test(there[0] as number, 1).then(() => {}))), Status.OK)
    await machine.scheduler.run(1000)
    watch()
  }
  const statuses = await machine.run(Promise.all(stuck))
  assert.ok(
    statuses.every(status => status === Status.IO || status === Status.NOCHUNK),
    String(statuses),
  )
  assert.deepEqual(
    machine.heard.filter(line => line.startsWith('lost')),
    [`lost ${here.join(' ')}`],
  )
  assert.equal(await machine.run(statusOf(() => store.create(100, 1))), Status.OK)
  machine.host.disk.fault = {}
  const folder = store.liveFolders.find(({ line }) => line.path === '/d1/')
  assert.ok(folder)
  await machine.run(store.changeFolder(folder, folder.line) ?? Promise.reject())
  assert.equal(await machine.run(statusOf(() => store.test(here[0] as number, 1).then(() => {}))), Status.OK)
})

test('a chunk moves to another disk while a session has it open, and only if it is right', async () => {
  const machine = new Machine(8)
  const store = await machine.start('/d1/\n/d2/\n')
  await machine.run(store.create(5, 1))
  const data = Buffer.alloc(3 * MFSBLOCKSIZE, 'some text that is moved')
  const pieces = [0, 1, 2].map(i => piece(i, 0, data.subarray(i * MFSBLOCKSIZE, (i + 1) * MFSBLOCKSIZE)))
  await write(machine, store, 5, 1, pieces)
  const open = await machine.run(store.open(5, 1))
  const source = store.liveFolders.find(({ chunkCount }) => chunkCount === 1)
  const target = store.liveFolders.find(({ chunkCount }) => chunkCount === 0)
  assert.ok(source && target)
  await machine.run(store.move(5, target))
  assert.deepEqual([source.chunkCount, target.chunkCount], [0, 1])
  assert.equal((await machine.run(store.write(open, 1, [piece(1, 0, Buffer.from('SOME'))]))).done, 1)
  store.done(open)
  data.write('SOME', MFSBLOCKSIZE)
  assert.ok(data.equals(await contents(machine, store, 5, 1)))
  const name = `00/chunk_${'5'.padStart(16, '0')}_00000001.mfs`
  const left = [`${source.root}/.lock`, `${source.root}/${MARKS_NAME}`]
  assert.deepEqual(machine.host.disk.files(source.root), left)
  machine.host.disk.flipBit(`${target.root}/${name}`, (8192 + 1000) * 8)
  await assert.rejects(machine.run(store.move(5, source)), { status: Status.CRC })
  assert.deepEqual(machine.host.disk.files(source.root), left, 'nothing is left of a failed move')
  assert.deepEqual([source.chunkCount, target.chunkCount], [0, 1])
})

test('a chunk that was moved to another disk does not come back on the former one with the power', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const machine = new Machine(seed)
    const store = await machine.start('/d1/\n/d2/\n')
    await machine.run(store.create(5, 1))
    await write(machine, store, 5, 1, [piece(0, 0, Buffer.from('before'))])
    await machine.run(store.sync(5, 1))
    const target = store.liveFolders.find(({ chunkCount }) => chunkCount === 0)
    assert.ok(target)
    await machine.run(store.move(5, target))
    await write(machine, store, 5, 1, [piece(0, 0, Buffer.from('after '))])
    await machine.run(store.sync(5, 1))
    machine.host.powerCut()
    const again = await machine.start('/d1/\n/d2/\n')
    assert.equal((await contents(machine, again, 5, 1)).toString('latin1', 0, 6), 'after ', `seed ${seed}`)
  }
})

test('synced writes survive a power cut', async () => {
  for (let seed = 10; seed < 30; seed++) {
    const machine = new Machine(seed)
    const store = await machine.start('/d1/\n', { sync: true })
    await machine.run(store.create(1, 1))
    const data = Buffer.alloc(MFSBLOCKSIZE, seed)
    await write(machine, store, 1, 1, [piece(0, 0, data), piece(1, 10, data.subarray(0, 100))])
    await machine.run(store.setVersion(1, 2, 1))
    machine.host.powerCut()
    const again = await machine.start()
    const bytes = await contents(machine, again, 1, 2)
    assert.ok(bytes.subarray(0, MFSBLOCKSIZE).equals(data), `seed ${seed}`)
  }
})

test('of two files of one version the one that was used once is used by every later start', async () => {
  const machine = new Machine(5)
  const store = await machine.start('/d1/\n')
  await machine.run(store.create(5, 1))
  await write(machine, store, 5, 1, [piece(0, 0, Buffer.alloc(MFSBLOCKSIZE, 1))])
  await machine.run(store.stop())
  // What a kill leaves behind between the end of a copy on another disk and the deletion of the first file.
  const { disk } = machine.host
  const [file = ''] = disk.files('/d1').filter(path => path.endsWith('.mfs'))
  const copy = file.replace('/d1/', '/d2/')
  const bytes = await machine.run(disk.readFile(file))
  await disk.makeFolder('/d2')
  await disk.makeFolder(copy.slice(0, copy.lastIndexOf('/')))
  disk.plant(copy, bytes)
  const second = await machine.start('/d1/\n/d2/\n')
  await write(machine, second, 5, 1, [piece(0, 0, Buffer.alloc(MFSBLOCKSIZE, 2))])
  machine.host.kill()
  const third = await machine.start('/d2/\n/d1/\n')
  assert.ok((await contents(machine, third, 5, 1)).equals(Buffer.alloc(MFSBLOCKSIZE, 2)))
  const inSecond = () => disk.files('/d2').filter(path => path.includes('chunk_'))
  assert.deepEqual(inSecond(), [`${copy}.duplicate`])
  machine.scheduler.at(3_600_001, () => {})
  await machine.scheduler.until(() => machine.scheduler.nowMs > 3_600_000, 4_000_000, 'the end of its time')
  await machine.run(third.tick())
  assert.deepEqual(inSecond(), [])
})
