// Whole clusters from fixed seeds. A seed that once found something stays here, with what it found.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Profile, profiles } from './faults.ts'
import { simulate } from './simulation.ts'

const OPERATIONS = 60

async function holds(seed: number, profile: Profile): Promise<void> {
  const { acknowledged, faults } = await simulate({ seed, profile, operations: OPERATIONS }).catch(error => {
    const again = `npm run sim -- --seed ${seed} --profile ${profile} --operations ${OPERATIONS}`
    throw new Error(`seed ${seed}: ${error.message}\nagain: ${again}`, { cause: error })
  })
  assert.ok(acknowledged > 0 && faults > 0)
}

const seeds: Record<Profile, number[]> = {
  master: [1, 2],
  servers: [1, 2, 3],
  power: [1, 3, 8, 14],
  network: [1, 2, 3],
  disks: [1, 2],
  clients: [1, 2, 3],
  // A client that was killed in the middle of a write left copies that differed (abandoned.test.ts).
  everything: [1, 2, 3],
}

for (const profile of profiles) {
  test(`a cluster keeps what it acknowledged, whatever goes wrong: ${profile}`, async () => {
    for (const seed of seeds[profile]) await holds(seed, profile)
  })
}

test('one seed gives one history', async () => {
  const [one, other] = [await simulate({ seed: 7, operations: 20 }), await simulate({ seed: 7, operations: 20 })]
  assert.deepEqual(one, other)
})
