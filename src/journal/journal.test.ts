import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Disk, DiskFile, FileChange } from '../env/disk.ts'
import { realClock } from '../env/real.ts'
import { realDisk } from '../env/real-disk.ts'
import { Journal, type JournalError, type SyncMode } from './journal.ts'

interface Bench {
  folder: string
  journal: Journal
  syncs: number
  failures: JournalError[]
  failNext: { write?: boolean; sync?: boolean }
}

const rest = (file: DiskFile) => ({
  read: (target: Buffer, position: number) => file.read(target, position),
  writev: (sources: readonly Buffer[], position: number) => file.writev(sources, position),
  readNow: (target: Buffer, position: number) => file.readNow(target, position),
  writeSync: (source: Buffer, position: number) => file.writeSync(source, position),
  change: (changes: readonly FileChange[]) => file.change(changes),
  truncate: (size: number) => file.truncate(size),
  stat: () => file.stat(),
  close: () => file.close(),
})

/** A journal on a real folder whose disk counts syncs and can be told to fail. */
async function withJournal(sync: SyncMode, run: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-journal-'))
  const failNext: Bench['failNext'] = {}
  const failures: JournalError[] = []
  const bench = { folder, syncs: 0, failures, failNext } as Bench
  const watch = (file: DiskFile): DiskFile => {
    const write = (source: Buffer, position: number) => {
      if (failNext.write) return Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }))
      return file.write(source, position)
    }
    const sync = () => {
      bench.syncs++
      if (failNext.sync) return Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }))
      return file.sync()
    }
    return { ...rest(file), write, writeLittle: write, sync, syncLittle: sync }
  }
  const disk: Disk = { ...realDisk, open: async (path, mode) => watch(await realDisk.open(path, mode)) }
  bench.journal = new Journal(disk, realClock, folder, { sync }, error => failures.push(error))
  try {
    await run(bench)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const durable = (journal: Journal) => new Promise<void>(resolve => journal.whenDurable(resolve))
const contents = (folder: string, age: number) => readFileSync(join(folder, `changelog.${age}.mfs`), 'latin1')

test('an action runs only after its line is written and synced', () =>
  withJournal({ kind: 'commit' }, async ({ folder, journal }) => {
    journal.append('1: first')
    let ran = false
    journal.whenDurable(() => {
      ran = true
    })
    assert.equal(ran, false)
    await durable(journal)
    assert.ok(ran)
    assert.equal(contents(folder, 0), '1: first\n')
    await journal.close()
  }))

test('lines of one turn share one sync', () =>
  withJournal({ kind: 'commit' }, async bench => {
    bench.journal.append('1: line')
    await durable(bench.journal)
    bench.syncs = 0
    for (let i = 2; i < 100; i++) bench.journal.append(`${i}: line`)
    await durable(bench.journal)
    assert.equal(bench.syncs, 1)
    await bench.journal.close()
  }))

test('with nothing pending an action runs at once', () =>
  withJournal({ kind: 'commit' }, async ({ journal }) => {
    let ran = false
    journal.whenDurable(() => {
      ran = true
    })
    assert.ok(ran)
  }))

test('without sync per commit an action still waits for the write', () =>
  withJournal({ kind: 'none' }, async bench => {
    bench.journal.append('1: first')
    await durable(bench.journal)
    assert.equal(bench.syncs, 0)
    assert.equal(contents(bench.folder, 0), '1: first\n')
    await bench.journal.close()
  }))

test('rotation puts earlier lines into changelog.1.mfs and later ones into a new file', () =>
  withJournal({ kind: 'commit' }, async ({ folder, journal }) => {
    for (let round = 1; round <= 4; round++) {
      journal.append(`${round}: line`)
      const rotated = journal.rotate()
      await rotated
    }
    journal.append('5: line')
    await durable(journal)
    assert.equal(contents(folder, 0), '5: line\n')
    assert.equal(contents(folder, 1), '4: line\n')
    assert.equal(contents(folder, 2), '3: line\n')
    assert.equal(contents(folder, 4), '1: line\n')
    await journal.close()
  }))

test('lines appended while a rotation is on its way come after the cut', () =>
  withJournal({ kind: 'commit' }, async ({ folder, journal }) => {
    journal.append('1: before')
    const rotated = journal.rotate()
    journal.append('2: after')
    await rotated
    await durable(journal)
    assert.equal(contents(folder, 1), '1: before\n')
    assert.equal(contents(folder, 0), '2: after\n')
    await journal.close()
  }))

test('an action registered while a batch is on its way does not wait for later lines', () =>
  withJournal({ kind: 'commit' }, async ({ journal }) => {
    const order: string[] = []
    journal.append('1: first')
    await new Promise<void>(resolve => realClock.soon(resolve))
    journal.whenDurable(() => order.push('after first'))
    journal.append('2: second')
    journal.whenDurable(() => order.push('after second'))
    await durable(journal)
    assert.deepEqual(order, ['after first', 'after second'])
    await journal.close()
  }))

test('an action registered by an action runs too', () =>
  withJournal({ kind: 'commit' }, async ({ journal }) => {
    journal.append('1: line')
    await new Promise<void>(resolve => journal.whenDurable(() => journal.whenDurable(resolve)))
    await journal.close()
  }))

for (const fault of ['write', 'sync'] as const) {
  test(`a failed ${fault} stops all answers and is reported once`, () =>
    withJournal({ kind: 'commit' }, async ({ journal, failNext, failures }) => {
      failNext[fault] = true
      let ran = false
      journal.append('1: lost')
      journal.whenDurable(() => {
        ran = true
      })
      await assert.rejects(journal.rotate(), /changelog\.0\.mfs/)
      failNext[fault] = false
      journal.append('2: never')
      journal.whenDurable(() => {
        ran = true
      })
      await realClock.sleep(20)
      assert.equal(ran, false)
      assert.equal(failures.length, 1)
    }))
}
