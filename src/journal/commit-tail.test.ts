import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Disk } from '../env/disk.ts'
import { realClock } from '../env/real.ts'
import { realDisk } from '../env/real-disk.ts'
import { CommitTail, inspectTail, settleTail, TAIL_NAME } from './commit-tail.ts'
import { Journal } from './journal.ts'

const tailLines = async (disk: Disk, folder: string) => (await inspectTail(disk, folder))?.lines

const lineOf = (id: number) => `${id}: 1700000000|ACCESS(${id})\n`
const bytesOf = (...ids: number[]) => Buffer.from(ids.map(lineOf).join(''))

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-tail-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const changelog = (folder: string, age = 0) => join(folder, `changelog.${age}.mfs`)

async function tailOf(folder: string, first: number | undefined): Promise<CommitTail> {
  const tail = await CommitTail.create(realDisk, folder, 1000)
  assert.ok(tail)
  tail.begin(first)
  return tail
}

/** Commits lines that follow each other from the offset on, each apart. */
async function commitEach(tail: CommitTail, offset: number, ...ids: number[]): Promise<void> {
  let at = offset
  for (const id of ids) {
    assert.ok(tail.hasRoomFor(bytesOf(id)))
    await tail.commit(bytesOf(id), at)
    at += bytesOf(id).length
  }
}

test('a record is what it always was', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 2 ** 40 + 7)
    await tail.commit(Buffer.from('8: x\n'), 2 ** 33 + 1)
    await tail.close()
    const file = readFileSync(join(folder, TAIL_NAME))
    assert.equal(file.length, 1000)
    assert.equal(
      file.subarray(0, 33).toString('hex'),
      '454c4b54ee7967cd0000000500000100000000070000000200000001383a20780a',
    )
    assert.ok(file.subarray(33).every(byte => byte === 0))
  }))

test('what is missing at the end is put back, and only that', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 1)
    await commitEach(tail, bytesOf(1, 2).length, 3, 4, 5)
    await tail.close()
    const whole = bytesOf(1, 2, 3, 4, 5).toString()
    const damaged = Buffer.from(whole)
    damaged.fill(0, bytesOf(1, 2, 3).length, bytesOf(1, 2, 3).length + 5)
    const copy = readFileSync(join(folder, TAIL_NAME))
    const stale = Buffer.concat([bytesOf(1, 2, 3), Buffer.from('\x7fELF of a file that was here\n before')])
    for (const found of [bytesOf(1, 2), bytesOf(1, 2, 3), Buffer.from(`${bytesOf(1, 2)}3: 17`), damaged, stale]) {
      writeFileSync(join(folder, TAIL_NAME), copy)
      writeFileSync(changelog(folder), found)
      assert.deepEqual(await tailLines(realDisk, folder), bytesOf(3, 4, 5))
      assert.match(
        (await settleTail(realDisk, folder)) ?? '',
        /the last changes of changelog\.0\.mfs, which a power cut took/,
      )
      assert.equal(readFileSync(changelog(folder), 'utf8'), whole)
      assert.deepEqual(await readdir(folder), ['changelog.0.mfs'])
    }
    // Lines that nobody was told of may stand behind.
    const longer = `${whole}6: 17`
    writeFileSync(join(folder, TAIL_NAME), copy)
    writeFileSync(changelog(folder), longer)
    assert.equal(await settleTail(realDisk, folder), undefined)
    assert.equal(readFileSync(changelog(folder), 'utf8'), longer)
  }))

test('a changelog of which nothing came to the disk is put back from its first line on', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 1)
    await commitEach(tail, 0, 1, 2)
    await tail.close()
    writeFileSync(changelog(folder), '')
    assert.ok(await settleTail(realDisk, folder))
    assert.equal(readFileSync(changelog(folder), 'utf8'), bytesOf(1, 2).toString())
  }))

test('lines of a changelog that was finished are not put into the next one', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 1)
    await commitEach(tail, 0, 1, 2)
    await tail.close()
    const copy = readFileSync(join(folder, TAIL_NAME))
    for (const next of [undefined, Buffer.alloc(0), Buffer.alloc(100), bytesOf(3)]) {
      writeFileSync(join(folder, TAIL_NAME), copy)
      writeFileSync(changelog(folder, 1), bytesOf(1, 2))
      rmSync(changelog(folder), { force: true })
      if (next) writeFileSync(changelog(folder), next)
      assert.equal(await settleTail(realDisk, folder), undefined)
      if (next) assert.deepEqual(readFileSync(changelog(folder)), next)
      assert.ok(!(await readdir(folder)).includes(TAIL_NAME))
    }
  }))

test('lines of another changelog are put nowhere', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 1)
    await commitEach(tail, 100, 5, 6)
    await tail.close()
    writeFileSync(changelog(folder), bytesOf(7, 8))
    assert.equal(await settleTail(realDisk, folder), undefined)
    assert.deepEqual(readFileSync(changelog(folder)), bytesOf(7, 8))
  }))

test('where another master has gone on nothing is put back, and the tail stays', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 1)
    await commitEach(tail, bytesOf(1).length, 2, 3)
    await tail.close()
    const copy = readFileSync(join(folder, TAIL_NAME))
    const other = Buffer.concat([bytesOf(1), Buffer.from('2: 1700000009|ACCESS(9)\n')])
    writeFileSync(changelog(folder), other)
    assert.match((await settleTail(realDisk, folder)) ?? '', /another master has gone on here/)
    assert.deepEqual(readFileSync(changelog(folder)), other)
    assert.deepEqual(readFileSync(join(folder, `${TAIL_NAME}.unused`)), copy)
    assert.equal(await settleTail(realDisk, folder), undefined)
  }))

test('a changelog that ends before the tail begins is left alone', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 1)
    await commitEach(tail, bytesOf(1, 2).length, 3)
    await tail.close()
    writeFileSync(changelog(folder), bytesOf(1))
    assert.match((await settleTail(realDisk, folder)) ?? '', /is kept as changelog\.tail\.unused/)
    assert.deepEqual(readFileSync(changelog(folder)), bytesOf(1))
  }))

test('what lies behind the newest record is older and does not count', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, 1)
    await commitEach(tail, 0, 1, 2, 3)
    tail.restart()
    await commitEach(tail, bytesOf(1, 2, 3).length, 4)
    writeFileSync(changelog(folder), bytesOf(1, 2, 3))
    assert.deepEqual(await tailLines(realDisk, folder), bytesOf(4))
    await tail.close()
  }))

test('where it cannot be told whose lines they are none are taken', () =>
  inFolder(async folder => {
    const tail = await tailOf(folder, undefined)
    assert.ok(!tail.hasRoomFor(bytesOf(1)))
    await tail.close()
  }))

test('of a damaged tail whole records up to the damage are left', () =>
  inFolder(async folder => {
    const ids = [1, 2, 3, 4, 5, 6, 7, 8]
    const tail = await tailOf(folder, 1)
    await commitEach(tail, 0, ...ids)
    await tail.close()
    writeFileSync(changelog(folder), '')
    const good = readFileSync(join(folder, TAIL_NAME))
    const prefixes = new Set(
      ids.map((_, i) => bytesOf(...ids.slice(0, i)).toString()).concat(bytesOf(...ids).toString()),
    )
    const used = ids.length * (28 + lineOf(1).length)
    for (let at = 0; at < used; at++) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] as number) ^ (1 << (at % 8))
      for (const contents of [
        bad,
        good.subarray(0, at),
        Buffer.concat([good.subarray(0, at), Buffer.alloc(200, 0xff)]),
      ]) {
        writeFileSync(join(folder, TAIL_NAME), contents)
        const lines = (await tailLines(realDisk, folder))?.toString() ?? ''
        assert.ok(prefixes.has(lines), `byte ${at}: ${lines}`)
        assert.ok(lines.length < bytesOf(...ids).length, `byte ${at}`)
      }
    }
  }))

test('a journal that is closed leaves no tail, one that ends otherwise does', () =>
  inFolder(async folder => {
    const open = () => new Journal(realDisk, realClock, folder, { sync: { kind: 'commit' } }, () => {})
    const commit = (journal: Journal, id: number) =>
      new Promise<void>(resolve => {
        journal.append(lineOf(id).trimEnd())
        journal.whenDurable(resolve)
      })
    const journal = open()
    await commit(journal, 1)
    assert.deepEqual(await tailLines(realDisk, folder), bytesOf(1))
    await journal.rotate()
    await journal.close()
    assert.ok(!(await readdir(folder)).includes(TAIL_NAME))
    const killed = open()
    await commit(killed, 2)
    // The first commit of another life goes on behind what is there.
    assert.equal(await settleTail(realDisk, folder), undefined)
    const next = open()
    await commit(next, 3)
    assert.deepEqual(await tailLines(realDisk, folder), bytesOf(3))
    assert.deepEqual(readFileSync(changelog(folder)), bytesOf(2, 3))
    await next.close()
    // Its tail is gone.
    await assert.rejects(killed.close(), { code: 'ENOENT' })
  }))

test('without room for a tail the changelog itself is synced', () =>
  inFolder(async folder => {
    const full: Disk = {
      ...realDisk,
      open: async (path, mode) => {
        const file = await realDisk.open(path, mode)
        if (!path.endsWith(TAIL_NAME)) return file
        file.write = () => Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }))
        return file
      },
    }
    const journal = new Journal(full, realClock, folder, { sync: { kind: 'commit' } }, assert.ifError)
    journal.append(lineOf(1).trimEnd())
    await new Promise<void>(resolve => journal.whenDurable(resolve))
    assert.deepEqual(await readdir(folder), ['changelog.0.mfs'])
    await journal.close()
  }))
