import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realDisk } from '../env/real-disk.ts'
import { pruneChangelogs, rotateChangelogs } from './changelog-files.ts'
import { ChangelogFile } from './changelog-reader.ts'

async function withLogs(logs: Record<number, string>, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-changelogs-'))
  try {
    for (const [age, text] of Object.entries(logs)) writeFileSync(join(folder, `changelog.${age}.mfs`), text)
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const line = (id: number) => `${id}: 5|IDLE()\n`
const ages = async (folder: string) =>
  (await realDisk.list(folder)).map(name => Number(name.split('.')[1])).sort((a, b) => a - b)

const FOUR = { 0: line(7), 1: line(5) + line(6), 2: line(3) + line(4), 3: line(1) + line(2) }

test('changelogs that a checkpoint holds go, but for as many as are wanted', () =>
  withLogs(FOUR, async folder => {
    await pruneChangelogs(realDisk, folder, 1, 7, 6)
    assert.deepEqual(await ages(folder), [0, 1])
  }))

test('a changelog with changes above the newest checkpoint stays, however few are wanted', () =>
  withLogs(FOUR, async folder => {
    await pruneChangelogs(realDisk, folder, 0, 4, 6)
    assert.deepEqual(await ages(folder), [0, 1, 2])
  }))

test('a changelog that cannot be read stays, and all newer ones with it', () =>
  withLogs({ ...FOUR, 3: 'no lines' }, async folder => {
    await pruneChangelogs(realDisk, folder, 0, 8, 6)
    assert.deepEqual(await ages(folder), [0, 1, 2, 3])
  }))

test('a changelog of what happened just now stays, however few are wanted', () =>
  withLogs(FOUR, async folder => {
    await pruneChangelogs(realDisk, folder, 0, 8, 5)
    assert.deepEqual(await ages(folder), [0, 1, 2, 3])
  }))

test('rotation loses nothing, gaps included', () =>
  withLogs({ 0: line(9), 2: line(5), 50: line(1) }, async folder => {
    await rotateChangelogs(realDisk, folder)
    assert.deepEqual(await ages(folder), [1, 3, 51])
  }))

test('the last change of a file is read from its end', () =>
  withLogs(
    { 0: line(7) + line(8), 1: `${line(3)}4: half`, 2: '', 3: '\n', 4: line(7).repeat(200_000) },
    async folder => {
      const last = (age: number) => new ChangelogFile(realDisk, `${folder}/changelog.${age}.mfs`).lastId()
      assert.deepEqual(await Promise.all([0, 1, 2, 3, 4].map(last)), [8, 3, undefined, undefined, 7])
    },
  ))
