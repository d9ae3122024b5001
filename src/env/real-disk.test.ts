import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdtempSync,
  open,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { openCached } from './cached-open.ts'
import { realDisk } from './real-disk.ts'
import { CallSequence, PARTS_MAX } from './system-calls.ts'

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-disk-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

const bytes = (text: string) => Buffer.from(text)

test('several system calls are made in one go on the processors that they were written for', () => {
  assert.equal(CallSequence.isPossible, process.arch === 'x64')
})

test('a new file gets its size and its bytes, one change after the other', () =>
  withFolder(async folder => {
    const path = join(folder, 'new')
    const changes = [{ size: 10 }, { position: 2, parts: [bytes('ab'), bytes(''), bytes('cd')] }, { size: 5 }]
    const file = await realDisk.create(path, changes)
    assert.equal(readFileSync(path, 'latin1'), '\0\0abc')
    await file.change([
      { position: 4, parts: [bytes('xyz')] },
      { position: 0, parts: [bytes('0')] },
    ])
    await file.close()
    assert.equal(readFileSync(path, 'latin1'), '0\0abxyz')
  }))

test('a file that is there is not created, and stays as it is', () =>
  withFolder(async folder => {
    const path = join(folder, 'there')
    await (await realDisk.create(path, [{ position: 0, parts: [bytes('old')] }])).close()
    await assert.rejects(realDisk.create(path, [{ size: 0 }]), { code: 'EEXIST' })
    assert.equal(readFileSync(path, 'latin1'), 'old')
  }))

test('the change that fails says why, and those after it are not made', () =>
  withFolder(async folder => {
    const path = join(folder, 'big')
    const file = await realDisk.create(path, [])
    const changes = [{ position: 0, parts: [bytes('a')] }, { size: 2 ** 52 }, { position: 1, parts: [bytes('b')] }]
    await assert.rejects(file.change(changes), { code: 'EFBIG' })
    await file.close()
    assert.equal(readFileSync(path, 'latin1'), 'a')
    const full = await realDisk.open('/dev/full', 'r+')
    const write = { position: 0, parts: [bytes('a')] }
    await assert.rejects(full.change([write, write]), { code: 'ENOSPC' })
    await full.close()
  }))

test('more buffers than one system call takes are written all the same', () =>
  withFolder(async folder => {
    const path = join(folder, 'parts')
    const parts = Array.from({ length: PARTS_MAX + 1 }, (_, i) => bytes(String(i % 10)))
    const file = await realDisk.create(path, [
      { size: 1 },
      { position: 1, parts },
      { position: 0, parts: [bytes('x')] },
    ])
    await file.close()
    assert.equal(readFileSync(path, 'latin1'), `x${Buffer.concat(parts)}`)
  }))

test('a file is closed once all is written that was asked for before', () =>
  withFolder(async folder => {
    const path = join(folder, 'closed')
    const file = await realDisk.create(path, [])
    const going = Array.from({ length: 20 }, (_, i) => file.write(bytes('12345'), 5 * i))
    await file.close()
    await Promise.all(going)
    assert.equal(readFileSync(path).length, 100)
  }))

test('a file that is closed is not mistaken for the next one that is opened', () =>
  withFolder(async folder => {
    const first = await realDisk.create(join(folder, 'first'), [])
    await first.close()
    const next = await realDisk.create(join(folder, 'next'), [{ position: 0, parts: [bytes('next')] }])
    assert.equal(first.readNow(Buffer.alloc(4), 0), 0)
    await assert.rejects(first.write(bytes('first'), 0))
    await assert.rejects(first.change([{ size: 0 }, { size: 0 }]))
    assert.equal(readFileSync(join(folder, 'next'), 'latin1'), 'next')
    await next.close()
  }))

test('files that are closed together are closed each for itself', () =>
  withFolder(async folder => {
    const paths = [1, 2, 3].map(i => join(folder, String(i)))
    const files = await Promise.all(paths.map(path => realDisk.create(path, [])))
    const descriptor = readdirSync('/proc/self/fd').find(fd => linkOf(fd) === paths[1])
    closeSync(Number(descriptor))
    const results = await Promise.allSettled(files.map(file => file.close()))
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    const [, failed] = results as PromiseRejectedResult[]
    assert.equal(failed?.reason.code, 'EBADF')
    assert.ok(readdirSync('/proc/self/fd').every(fd => !linkOf(fd).startsWith(folder)))
  }))

test('a file whose name is in memory is opened though all threads wait for other disks', async () => {
  const folder = mkdtempSync('/dev/shm/elkfs-disk-')
  try {
    const path = join(folder, 'known')
    writeFileSync(path, '')
    let cached: number | undefined
    for (let turn = 0; cached === undefined; turn++) {
      assert.ok(turn < 1000, 'the system tells of what is in memory')
      await nextTurn()
      cached = openCached(path)
    }
    closeSync(cached)
    // Whoever opens one of these waits for a writer.
    const pipes = Array.from({ length: Number(process.env.UV_THREADPOOL_SIZE ?? 4) }, (_, i) => join(folder, `${i}`))
    execFileSync('mkfifo', pipes)
    for (const pipe of pipes) open(pipe, 'r', () => {})
    let isOpen = false
    const opening = realDisk.open(path, 'r+').then(file => {
      isOpen = true
      return file.close()
    })
    await nextTurn()
    const wasOpen = isOpen
    for (const pipe of pipes) writeFileSync(pipe, '')
    await opening
    assert.ok(wasOpen)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a folder is synced and closed again; one that cannot be says why', () =>
  withFolder(async folder => {
    // Others of this process come and go as they like.
    const open = () => readdirSync('/proc/self/fd').filter(fd => linkOf(fd).startsWith(folder))
    for (let i = 0; i < 20; i++) await realDisk.syncFolder(folder)
    const file = join(folder, 'file')
    writeFileSync(file, 'x')
    await assert.rejects(realDisk.syncFolder(join(folder, 'missing')), {
      code: 'ENOENT',
      message: /open '.*missing'/,
    })
    await assert.rejects(realDisk.syncFolder(file), { code: 'ENOTDIR' })
    assert.deepEqual(open(), [])
  }))

test('a large file loses its name at once and its space little by little, but not what others see of it', () =>
  withFolder(async folder => {
    const [path, bytes] = [join(folder, 'large'), 20 << 20]
    const make = () => writeFileSync(path, Buffer.alloc(bytes, 1))
    const opened = () => readdirSync('/proc/self/fd').filter(fd => linkOf(fd) === `${path} (deleted)`)
    make()
    linkSync(path, `${path}.kept`)
    await realDisk.unlink(path, 'gently')
    assert.deepEqual(readdirSync(folder), ['large.kept'])
    make()
    const reader = openSync(path, 'r')
    await realDisk.unlink(path, 'gently')
    await sleep(150)
    assert.equal(fstatSync(reader).size, bytes, 'whoever reads it reads all of it')
    closeSync(reader)
    assert.equal(statSync(`${path}.kept`).size, bytes, 'it has another name')
    make()
    await realDisk.unlink(path, 'gently')
    assert.deepEqual(readdirSync(folder), ['large.kept'])
    assert.equal(opened().length, 1, 'its space is still there')
    while (opened().length > 0) await sleep(10)
    await assert.rejects(realDisk.unlink(path, 'gently'), { code: 'ENOENT' })
  }))
