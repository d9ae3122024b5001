// Damage in changelogs: found by their checksums, told from what a power cut takes back, and made up for where possible.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock } from '../env/real.ts'
import { realDisk } from '../env/real-disk.ts'
import { apply } from '../metadata/apply.ts'
import { printLine } from '../metadata/changelog/entry.ts'
import { newState } from '../metadata/state.ts'
import { readSums } from './changelog-sums.ts'
import { Journal, type SyncMode } from './journal.ts'
import { makeReady, recover } from './recovery.ts'

const NOW = 1_700_000_000
const made = { op: 'CREATE', ts: NOW, parent: 1, type: 1, mode: 420, cumask: 0, uid: 0, gid: 0, rdev: 0 } as const

interface Logged {
  folder: string
  log(age?: number): string
  /** The state at the end. */
  digest: bigint
  version: number
}

/** A folder with the changelogs of a master that made files, `perLog` of them per changelog, and ended. */
async function withLogs(
  perLog: number[],
  use: (logged: Logged) => Promise<void>,
  sync: SyncMode = { kind: 'commit' },
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-sums-'))
  try {
    writeFileSync(join(folder, 'metadata.mfs'), 'MFSM NEW')
    const state = newState(NOW)
    const stateNow = () => ({ version: state.version, digest: state.digest() })
    const fail = (error: Error) => assert.fail(error)
    const journal = new Journal(realDisk, realClock, folder, { sync, stateNow }, fail)
    for (const [log, files] of perLog.entries()) {
      if (log > 0) await journal.rotate()
      for (let i = 0; i < files; i++) {
        const entry =
          state.version === 1
            ? ({ op: 'SETMETAID', ts: NOW, metaId: 7n } as const)
            : { ...made, name: `file-${state.version}`, inode: state.nodes.nextInode() }
        const line = printLine(state.version, entry)
        apply(state, entry)
        journal.append(line)
        if (i % 50 === 0) await new Promise<void>(resolve => journal.whenDurable(resolve))
      }
    }
    await journal.close()
    const log = (age = 0) => join(folder, `changelog.${age}.mfs`)
    await use({ folder, log, digest: state.digest(), version: state.version })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const recovered = (folder: string) => recover(realDisk, folder, { now: NOW })

/** Changes one letter of a name: the line is as good as before, but for its checksum. */
function flip(path: string, what: string): number {
  const bytes = readFileSync(path)
  const at = bytes.indexOf(what)
  assert.ok(at > 0, `${what} is in ${path}`)
  bytes[at] = (bytes[at] as number) ^ 1
  writeFileSync(path, bytes)
  return at
}

test('whole changelogs lead to the state, and every record fits', () =>
  withLogs([300, 200, 3000], async ({ folder, digest, version }) => {
    const { state, notes } = await recovered(folder)
    assert.deepEqual([state.version, state.digest(), notes], [version, digest, []])
    const records = await readSums(realDisk, join(folder, 'changelog.0.sums'))
    assert.ok(records.length >= 3, `${records.length} records of ${3000} changes`)
    assert.equal(records.at(-1)?.digest, digest)
  }))

for (const [age, name] of [
  [0, 'file-550'],
  [1, 'file-400'],
] as const) {
  test(`a flipped bit in a name in changelog.${age}.mfs is found and named with its place`, () =>
    withLogs([300, 200, 300], async ({ folder, log }) => {
      const at = flip(log(age), name)
      await assert.rejects(recovered(folder), (error: Error) => {
        const [, first, last] =
          /changelog\.\d\.mfs, bytes (\d+) to (\d+), changes \d+ to \d+: the checksum is wrong/.exec(error.message) ??
          []
        assert.ok(Number(first) <= at && at <= Number(last), error.message)
        assert.match(error.message, /a metalogger keeps copies/)
        return true
      })
    }))
}

test('a copy of the damaged changes in another file makes up for it', () =>
  withLogs([300, 200, 300], async ({ folder, log, digest }) => {
    copyFileSync(log(1), join(folder, 'changelog_ml_back.0.mfs'))
    flip(log(1), 'file-400')
    const { state, notes } = await recovered(folder)
    assert.equal(state.digest(), digest)
    assert.match(notes.join(), /changelog\.1\.mfs, bytes .*: the checksum is wrong/)
  }))

test('damage in what a checkpoint holds already does no harm', () =>
  withLogs([300, 200], async ({ folder, log, digest }) => {
    const { state } = await recover(realDisk, folder, { now: NOW, until: 301 })
    const { storeCheckpoint } = await import('./checkpoint-files.ts')
    await storeCheckpoint(realDisk, folder, 'metadata.mfs.back', state)
    flip(log(1), 'file-250')
    const recoveredState = await recovered(folder)
    assert.equal(recoveredState.state.digest(), digest)
    assert.deepEqual(recoveredState.notes, [])
  }))

test('synced changes that are missing at the end of a file are missed', () =>
  withLogs([100], async ({ folder, log }) => {
    const bytes = readFileSync(log())
    writeFileSync(log(), bytes.subarray(0, bytes.lastIndexOf('\n', bytes.length - 2) + 1))
    await assert.rejects(recovered(folder), /the file ends at byte/)
    writeFileSync(log(), Buffer.concat([bytes.subarray(0, -50), Buffer.alloc(50)]))
    await assert.rejects(recovered(folder), /the checksum is wrong/)
  }))

test('a tail that was never synced is taken back, and later records are right again', () =>
  withLogs(
    [100],
    async ({ folder, log, version }) => {
      // As a power cut leaves it, before the sync that came with the end: no word of it, and zeros for the last lines.
      const sums = join(folder, 'changelog.0.sums')
      const text = readFileSync(sums, 'latin1')
      writeFileSync(sums, text.replace(/^\d+ \d+ \d+ 0 .*\n/gm, ''))
      const bytes = readFileSync(log())
      const cut = bytes.indexOf(`\n${version - 5}: `) + 8
      bytes.fill(0, cut)
      writeFileSync(log(), bytes)
      const { state, torn, notes } = await recovered(folder)
      assert.equal(state.version, version - 5)
      assert.deepEqual(notes, [])
      assert.match((await makeReady(realDisk, folder, torn)).join(), /bytes of an unfinished change/)
      const journal = new Journal(realDisk, realClock, folder, { sync: { kind: 'commit' } }, error =>
        assert.fail(error),
      )
      for (let i = state.version; i < version + 20; i++) journal.append(`${i}: ${NOW}|IDLE()`)
      await journal.close()
      assert.equal((await recovered(folder)).state.version, version + 20)
    },
    { kind: 'none' },
  ))

test('a kill between the renames of a rotation does not part checksums and changelog', () =>
  withLogs([300, 200], async ({ folder, log, digest }) => {
    renameSync(log(1), log(2))
    renameSync(log(0), log(1))
    assert.equal((await recovered(folder)).state.digest(), digest)
    flip(log(2), 'file-150')
    await assert.rejects(recovered(folder), /changelog\.2\.mfs, bytes .*: the checksum is wrong/)
  }))

test('records of another file are no word against this one', () =>
  withLogs([300], async ({ folder, log, digest }) => {
    const bytes = readFileSync(log())
    // The original's master has rotated the changelog and begun a new one.
    writeFileSync(log(1), bytes)
    writeFileSync(log(), `301: ${NOW}|IDLE()\n`)
    const { state } = await recovered(folder)
    assert.equal(state.version, 302)
    await makeReady(realDisk, folder, [])
    assert.equal(readFileSync(join(folder, 'changelog.0.sums'), 'latin1'), '')
    assert.notEqual(digest, 0n)
  }))

test('a replay that leads to another state than the master had raises an alarm, once', () =>
  withLogs([100], async ({ folder }) => {
    const sums = join(folder, 'changelog.0.sums')
    const { crc32 } = await import('../util/crc32.ts')
    const lied = readFileSync(sums, 'latin1').replace(/^(.* 1:)[0-9a-f]+ (D) [0-9a-f]+$/gm, (_, head, tail) => {
      const body = `${head}123 ${tail}`
      return `${body} ${crc32(Buffer.from(body)).toString(16)}`
    })
    writeFileSync(sums, lied)
    const { notes } = await recovered(folder)
    assert.equal(notes.filter(note => /ALARM: .*it had 123\)/.test(note)).length, 1)
  }))
