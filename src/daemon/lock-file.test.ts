import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { LockFile, lockFilePath, lockOwner } from './lock-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'elkfs-lock-'))
after(() => rmSync(folder, { recursive: true }))

/** Runs a line of this module in another process; record locks do not hold against their own process. */
function elsewhere(expression: string): string {
  const program = `import { LockFile, lockOwner } from ${JSON.stringify(join(import.meta.dirname, 'lock-file.ts'))}
    process.stdout.write(String(${expression}))`
  return spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], { encoding: 'utf8' }).stdout
}

test('one process has the lock, and others see which', () => {
  const path = lockFilePath(folder, 'mfsmaster')
  assert.equal(path, `${folder}/.mfsmaster.lock`)
  assert.equal(lockOwner(path), undefined, 'no file')
  const lock = new LockFile(path)
  assert.equal(elsewhere(`lockOwner(${JSON.stringify(path)})`), 'undefined', 'a file, but no lock')
  assert.ok(lock.tryTake())
  assert.equal(elsewhere(`lockOwner(${JSON.stringify(path)})`), String(process.pid))
  assert.equal(elsewhere(`new LockFile(${JSON.stringify(path)}).tryTake()`), 'false')
  // Not with readFileSync: closing the file here would let the lock go.
  assert.equal(
    spawnSync('cat', [path], { encoding: 'utf8' }).stdout,
    `${process.pid}\n`,
    'a failed attempt changes nothing',
  )
})
