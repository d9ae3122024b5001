// Masters under faults: nothing acknowledged is lost, nobody else acknowledges, all end with the same state. And the
// simulation itself: a master that breaks a rule is found out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broken } from './master.ts'
import { mixedWorld, scenarios, witnessWorld } from './scenarios.ts'
import { Broke, runWorld, type WorldOptions, type WorldReport } from './world.ts'

const FIRST_SEED = 100
const SEEDS = 40
const WITNESS_SEEDS = 20
const SEEDS_UNTIL_FOUND = 60

/** What happened in that many worlds, all together. @throws Error with the command that runs the one that broke */
async function runWorlds(seeds: number, worldOf: (seed: number) => WorldOptions, option = '') {
  const total = { faults: 0, acknowledged: 0, epochs: 0, fetches: 0, cuts: 0, relayed: 0, retrieved: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + seeds; seed++) {
    let report: WorldReport
    try {
      report = await runWorld(worldOf(seed))
    } catch (error) {
      throw new Error(`npm run sim:ha -- ${option}--seed ${seed}: ${(error as Error).message}`, { cause: error })
    }
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += report[key]
  }
  return total
}

test(`${SEEDS} seeds of a cluster of masters under every fault lose nothing`, async () => {
  const total = await runWorlds(SEEDS, mixedWorld)
  // A run in which nothing happened would prove nothing.
  assert.ok(total.faults > SEEDS * 5 && total.acknowledged > SEEDS * 50, JSON.stringify(total))
  assert.ok(total.relayed > SEEDS / 5, JSON.stringify(total))
  assert.ok(total.epochs > SEEDS && total.fetches > SEEDS / 5 && total.cuts > 0, JSON.stringify(total))
})

test(`${WITNESS_SEEDS} seeds of masters and a witness under every fault lose nothing`, async () => {
  const total = await runWorlds(WITNESS_SEEDS, witnessWorld, '--witness ')
  assert.ok(total.faults > WITNESS_SEEDS * 5 && total.acknowledged > WITNESS_SEEDS * 50, JSON.stringify(total))
  assert.ok(total.epochs > WITNESS_SEEDS && total.cuts > 0, JSON.stringify(total))
  // Somebody led who had not been in sync.
  assert.ok(total.retrieved > WITNESS_SEEDS / 10, JSON.stringify(total))
})

test('a master that is taking over a checkpoint follows nobody else before that is done', async () => {
  // A master is elected while another one, which had nothing, takes over the witness's checkpoint.
  await runWorld(witnessWorld(6))
})

test('a disk is not lost while what another life of its master sent to etcd may arrive', async () => {
  // The last copy would be lost with it, by a fault that no file system survives.
  await runWorld(mixedWorld(40_014_133))
})

const rules: Record<keyof Broken, string> = {
  answersAtOnce: 'answers before its followers have the change',
  anyCandidate: 'lets anybody be elected',
  tellsUncommitted: 'sends metaloggers what may be taken back',
  shrinkAfterAck: 'stops waiting for a follower before that is recorded',
  growBeforeWait: 'records a follower before it waits for it',
  ignoresEpochs: 'ignores epochs',
  standsUnfetched: 'leads without what the witness has',
  trustsOldFetch: 'leads by what a witness gave it in another epoch',
  electsWitness: 'takes a witness for one that may lead',
  leavesWitnessAfterAck: 'stops waiting for a witness before that is recorded',
  promisesUnsynced: 'has a witness that forgets its promise',
  keepsTaking: 'has a witness that goes on with an epoch after its promise',
  leaseFromAnswer: 'counts its lease from the answer',
  certainForEver: 'answers however long ago it asked the other one of two',
  ignoresFence: 'leads on when the other one of two has begun to take over',
  leavesAtOnce: 'goes on without the other one of two, which does not know',
  standsUnasked: 'begins an epoch without a word to the other one of two',
  sharesEpochs: 'draws epochs that the other one of two may draw too',
  trustsForEver: 'leads because it once was in sync',
  ignoresLongerLog: 'leads although the other one of two has more',
  keepsLead: 'counts on what it was when the other one of two has begun an epoch since',
  keepsInSync: 'counts as in sync although it was told that it is not',
  refreshesLate: "counts as in sync as long as the other one's machine is there",
  leadsAtOnce: 'leads while the other one of two, which hangs, may be certain',
  ignoresSleep: 'does not notice that it slept',
  standsOnOldView: 'takes the lead by what it saw before it slept',
}

for (const [rule, what] of Object.entries(rules) as [keyof Broken, string][]) {
  test(`a master that ${what} is found out`, async () => {
    for (let seed = 1; seed <= SEEDS_UNTIL_FOUND; seed++) {
      try {
        await runWorld({ ...scenarios[rule], seed, broken: { [rule]: true } })
      } catch (error) {
        if (error instanceof Broke) return
      }
    }
    assert.fail(`not in ${SEEDS_UNTIL_FOUND} seeds`)
  })

  test(`where a master that ${what} would be found out, an honest one passes`, async () => {
    for (let seed = 1; seed <= 3; seed++) await runWorld({ ...scenarios[rule], seed })
  })
}
