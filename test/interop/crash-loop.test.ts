// A short run of what `npm run crash -- --rounds 200` does for long.
import { test } from 'node:test'
import { whyNot } from './cluster.ts'
import { killMasterAgainAndAgain } from './crash-loop.ts'

const skip = whyNot() ?? false
const ROUNDS = 10

test('a master killed again and again has all that was acknowledged, and nothing else', { skip }, async () => {
  await killMasterAgainAndAgain(ROUNDS, 1, cluster => cluster.mountOurs())
})

test('the same under the real mount', { skip }, async () => {
  await killMasterAgainAndAgain(ROUNDS, 2, cluster => cluster.mountReal())
})
