// A disk that fails, or holds what it should not, harms no other disk of its server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusOf } from '../../src/chunkserver/disks/chunk-error.ts'
import { chunkFileName } from '../../src/chunkserver/disks/chunk-file.ts'
import type { ChunkStore } from '../../src/chunkserver/disks/chunk-store.ts'
import { parseFolderList } from '../../src/chunkserver/disks/folder-list.ts'
import { Status } from '../../src/protocol/status.ts'
import { contents, piece, StoreMachine, write } from './store-machine.ts'

const CHUNKS = 40

/** Two disks with chunks. @returns the ids of those on each */
async function filled(machine: StoreMachine, store: ChunkStore): Promise<[number[], number[]]> {
  for (let id = 1; id <= CHUNKS; id++) {
    await machine.run(store.create(id, 1))
    await write(machine, store, id, 1, [piece(0, 0, Buffer.from('data'))])
  }
  const [here, there] = ['/d1/', '/d2/'].map(path => {
    const folder = store.liveFolders.find(({ line }) => line.path === path)
    const rows = [...store.table.rows()].filter(row => store.table.folder.get(row) === folder?.index)
    return rows.map(store.table.id, store.table)
  }) as [number[], number[]]
  assert.ok(here.length >= 4 && there.length >= 4, 'both disks are used')
  return [here, there]
}

/** Does something with every chunk, as a client does. */
const uses = {
  reads: (machine: StoreMachine, store: ChunkStore, id: number) => contents(machine, store, id, 1),
  writes: (machine: StoreMachine, store: ChunkStore, id: number) =>
    write(machine, store, id, 1, [piece(0, 0, Buffer.from('more'))]),
  syncs: (machine: StoreMachine, store: ChunkStore, id: number) =>
    write(machine, store, id, 1, [piece(0, 0, Buffer.from('more'))]),
}

for (const kind of ['reads', 'writes', 'syncs'] as const) {
  test(`a disk that fails all ${kind} is given up, and the other one goes on`, async () => {
    const machine = new StoreMachine(21)
    const store = await machine.start('/d1/\n/d2/\n', { sync: true })
    const [here, there] = await filled(machine, store)
    machine.host.disk.fault = { [kind]: 'EIO', below: '/d1/' }
    for (const id of here.slice(0, 3)) {
      const result = await uses[kind](machine, store, id).catch(error => error as { status: number })
      const isRefused = result instanceof Error || ('done' in result && result.done === 0)
      assert.ok(isRefused, `chunk ${id}: nothing is acknowledged that is not on the disk`)
    }
    assert.deepEqual(
      machine.heard.filter(line => line.startsWith('lost')),
      [`lost ${here.join(' ')}`],
      'the master hears that all its chunks are lost, once',
    )
    assert.match(machine.host.messages.join('\n'), /folder \/d1\/: .*marked as damaged, its chunks count as lost/)
    for (const id of there) {
      await uses[kind](machine, store, id)
      assert.equal((await contents(machine, store, id, 1)).length, 65536)
    }
    for (let id = 100; id < 105; id++) assert.equal(await machine.run(statusOf(() => store.create(id, 1))), Status.OK)
  })
}

test('a chunk whose file cannot be closed is told damaged, and a disk with several such is given up', async () => {
  const machine = new StoreMachine(25)
  const store = await machine.start('/d1/\n/d2/\n')
  const [here, there] = await filled(machine, store)
  const heard = (what: string) => machine.heard.filter(line => line.startsWith(what))
  const letIdle = async () => {
    await machine.scheduler.run(4000)
    await machine.run(store.tick())
  }
  await letIdle()
  machine.host.disk.fault = { closes: 'EIO', below: '/d1/' }
  const [first, ...others] = here as [number, ...number[]]
  for (const id of [first, there[0] as number]) await uses.writes(machine, store, id)
  await letIdle()
  assert.deepEqual(heard('damaged'), [`damaged ${first}`])
  for (const id of others.slice(0, 2)) await uses.writes(machine, store, id)
  await letIdle()
  assert.deepEqual(heard('lost'), [`lost ${here.join(' ')}`])
  for (const id of there) assert.equal((await contents(machine, store, id, 1)).length, 65536)
})

test('a chunk file that vanished is told to the master when it is asked for', async () => {
  const machine = new StoreMachine(22)
  const before = await machine.start()
  for (const id of [1, 2]) await machine.run(before.create(id, 1))
  await write(machine, before, 1, 1, [piece(0, 0, Buffer.from('data'))])
  const store = await machine.start()
  const path = machine.host.disk.files('/d1').find(name => name.endsWith(chunkFileName(1, 1))) as string
  await machine.run(machine.host.disk.unlink(path))
  await assert.rejects(contents(machine, store, 1, 1))
  assert.deepEqual(
    machine.heard.filter(line => /lost|damaged/.test(line)),
    ['damaged 1'],
  )
  assert.equal(await machine.run(statusOf(() => store.create(3, 1))), Status.OK)
})

test('a test of a chunk finds that its file vanished, also while it is kept open', async () => {
  const machine = new StoreMachine(24)
  const store = await machine.start()
  await machine.run(store.create(1, 1))
  await write(machine, store, 1, 1, [piece(0, 0, Buffer.from('data'))])
  const path = machine.host.disk.files('/d1').find(name => name.endsWith(chunkFileName(1, 1))) as string
  await machine.run(machine.host.disk.unlink(path))
  assert.equal(await machine.run(statusOf(async () => void (await store.test(1, 1)))), Status.IO)
  assert.ok(machine.heard.includes('damaged 1'), machine.heard.join(', '))
})

test('what is no chunk file of ours stays where it is, and of two files of a chunk the newer counts', async () => {
  const machine = new StoreMachine(23)
  const disk = machine.host.disk
  const first = await machine.start('/d1/\n')
  await machine.run(first.create(5, 1))
  await write(machine, first, 5, 1, [piece(0, 0, Buffer.from('old'))])
  await machine.run(first.create(6, 2))
  const place = (id: number, version: number) =>
    disk.files('/d1').find(path => path.endsWith(chunkFileName(id, version))) as string
  const old = disk.peek(place(5, 1))
  const newer = Buffer.from(old)
  newer.writeUInt32BE(3, 16)
  const folder = place(5, 1).slice(0, place(5, 1).lastIndexOf('/'))
  const other = folder.replace('/d1/', '/d2/')
  await disk.makeFolder('/d2')
  await disk.makeFolder(other)
  disk.plant(`${other}/${chunkFileName(5, 3)}`, newer)
  const strangers = [`${other}/notes.txt`, `${other}/${chunkFileName(7, 1).toLowerCase()}`]
  for (const path of strangers) disk.plant(path, Buffer.from('not ours'))
  // The header says another version than the name.
  disk.plant(`${other}/${chunkFileName(8, 4)}`, old)
  machine.heard.length = 0
  const store = await machine.start('/d1/\n/d2/\n')
  const appeared = machine.heard.filter(line => line.startsWith('new')).join(' ')
  assert.match(appeared, /5v3/)
  assert.match(appeared, /6v2/)
  await assert.rejects(contents(machine, store, 5, 1), 'the older one is never served')
  await assert.rejects(contents(machine, store, 8, 4), 'nor one that is of another chunk or version')
  assert.ok(machine.heard.includes('damaged 8'), machine.heard.join(', '))
  for (const path of strangers) assert.equal(disk.peek(path).toString(), 'not ours')
})

test('a folder that belongs to another instance is refused and left as it is', async () => {
  const machine = new StoreMachine(24)
  const store = await machine.start('/d1/\n')
  await machine.run(store.create(1, 1))
  const [line] = parseFolderList('/other/\n')
  assert.ok(line)
  await machine.host.disk.makeFolder('/other')
  const theirs = await machine.run(store.addFolder(line, 0x1111n))
  await machine.run(theirs.scanned)
  const folder = store.liveFolders.find(each => each.line.path === '/other/')
  assert.ok(folder)
  await machine.run(store.removeFolder(folder))
  const before = machine.host.disk.files('/other')
  await assert.rejects(machine.run(store.addFolder(line, 0x2222n)), /'\/other\/' holds chunks of another instance/)
  assert.deepEqual(machine.host.disk.files('/other'), before)
  assert.equal(await machine.run(statusOf(() => store.create(2, 1))), Status.OK)
})

// Seed 10000202 of the whole cluster: a power cut had taken the id, and the server did not start any more.
test('a full folder without the id of its instance is taken, and gets it when there is room', async () => {
  const machine = new StoreMachine(25)
  const store = await machine.start('/d1/\n')
  await machine.host.disk.makeFolder('/full')
  const [line] = parseFolderList('/full/\n')
  assert.ok(line)
  const hasId = () => machine.host.disk.files('/full').includes('/full/.metaid')
  for (const isFull of [true, false]) {
    machine.host.disk.fault = isFull ? { writes: 'ENOSPC', below: '/full/' } : {}
    const taken = await machine.run(store.addFolder(line, 0x1111n))
    await machine.run(taken.scanned)
    assert.equal(hasId(), !isFull)
    const folder = store.liveFolders.find(each => each.line.path === '/full/')
    assert.ok(folder)
    await machine.run(store.removeFolder(folder))
  }
})
