// Two masters without a third vote, under every fault but being cut off from each other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pairWorld } from './scenarios.ts'
import { runWorld } from './world.ts'

const SEEDS = 15

test(`${SEEDS} seeds of two masters that keepalived chooses between lose nothing`, async () => {
  const total = { faults: 0, acknowledged: 0, epochs: 0 }
  for (let seed = 20; seed < 20 + SEEDS; seed++) {
    const report = await runWorld(pairWorld(seed)).catch(error => {
      throw new Error(`npm run sim:ha -- --pair --seed ${seed}: ${error.message}`, { cause: error })
    })
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += report[key]
  }
  assert.ok(total.faults > SEEDS * 3 && total.acknowledged > SEEDS * 50, JSON.stringify(total))
  assert.ok(total.epochs > SEEDS, JSON.stringify(total))
})

test('a master that holds the address and was not told to lead is told, when nobody else leads', async () => {
  // A checkpoint is no fault: time goes by.
  const faults = ['promoteUnseen', 'checkpoint', 'checkpoint'] as const
  for (let seed = 1; seed <= 5; seed++)
    await runWorld({ seed, pair: true, faults, faultEveryMs: 9000, faultMs: 25_000 })
})

test('a master that led and was started again lets no earlier leader go on without it', async () => {
  // The other one slept, woke up, and asked before this one had looked around.
  await runWorld(pairWorld(42_011_571))
})

test('a metalogger that has left before the new leader listens to it is let go', async () => {
  await runWorld(pairWorld(44_003_326))
})
