import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realDisk } from '../env/real-disk.ts'
import { recentLines } from './recent-lines.ts'

/** Versions of the lines that are found of a log with lines of these times. */
async function found(times: readonly number[]): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-recent-'))
  try {
    writeFileSync(join(folder, 'changelog.0.mfs'), times.map((ts, i) => `${i + 1}: ${ts}|IDLE()\n`).join(''))
    const lines = await recentLines(realDisk, folder, times.length + 1, 100)
    return lines.map(({ version }) => version)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('lines that are too old are left out', async () => {
  const times = Array.from({ length: 30 }, (_, i) => 1000 + 10 * i)
  assert.deepEqual(await found(times), [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30])
})

test('time in which nothing was written makes no line old: the master may have stood still', async () => {
  assert.deepEqual(await found([1000, 1001, 9000, 9001]), [1, 2, 3, 4])
})
