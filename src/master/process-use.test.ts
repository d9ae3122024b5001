import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Env } from '../env/env.ts'
import { ProcessUse } from './process-use.ts'

test('processor time is that of the last full minute, in billionths of one processor', () => {
  let [ms, user] = [0, 5_000_000]
  const usage = () => ({ memoryBytes: 7, userMicroseconds: user, systemMicroseconds: 0 })
  const use = new ProcessUse({ clock: { monotonicMs: () => ms }, usage } as unknown as Env)
  ;[ms, user] = [59_000, 20_000_000]
  use.tick()
  assert.deepEqual(use.now(), { memory: 7, systemCpu: 0, userCpu: 0 })
  ;[ms, user] = [60_000, 20_000_000]
  use.tick()
  assert.deepEqual(use.now(), { memory: 7, systemCpu: 0, userCpu: 250_000_000 })
})
