// Worlds that are hard on one rule each. A master that breaks the rule is found out in some of the first seeds.
import type { Broken } from './master.ts'
import type { WorldOptions } from './world.ts'

type Scenario = Omit<WorldOptions, 'seed' | 'broken'>

export const scenarios: { readonly [K in keyof Broken]-?: Scenario } = {
  answersAtOnce: {},
  anyCandidate: {},
  ignoresEpochs: { faults: ['powerCut', 'killLeader', 'isolateLeader', 'freezeLeader'] },
  shrinkAfterAck: { faults: ['strandLeader'], faultEveryMs: 4000 },
  growBeforeWait: { faults: ['rejoinUnderFire'], faultEveryMs: 4000 },
  leaseFromAnswer: { faults: ['strandLateLeader'], faultEveryMs: 6000, faultMs: 20_000, oneWriter: true },
}

/** Everything at once, and every third time with clocks that lie. */
export function mixedWorld(seed: number): WorldOptions {
  return seed % 3 === 0 ? { seed, clocksLie: true } : { seed }
}

/** Two masters without a third vote: they are not cut off from each other, and their disks neither fail nor get lost. */
const pairFaults = [
  'kill',
  'killLeader',
  'killAll',
  'powerCut',
  'freeze',
  'freezeLeader',
  'partitionClient',
  'cutConnection',
  'switchOver',
  'stop',
  'stopLeader',
  'checkpoint',
] as const

export const pairWorld = (seed: number): WorldOptions => ({ seed, pair: true, faults: pairFaults })
