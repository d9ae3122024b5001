import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

test('every thread of the process gets the nice value', () => {
  // A process of its own: without the superuser's rights it could not go back.
  const program = `
    import { readdirSync } from 'node:fs'
    import { getPriority } from 'node:os'
    import { setPriorityOfThreads } from ${JSON.stringify(join(import.meta.dirname, 'priority.ts'))}
    setPriorityOfThreads(7)
    console.log(JSON.stringify(readdirSync('/proc/self/task').map(thread => getPriority(Number(thread)))))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  const values: number[] = JSON.parse(stdout)
  assert.ok(values.length > 1)
  assert.deepEqual(new Set(values), new Set([7]))
})
