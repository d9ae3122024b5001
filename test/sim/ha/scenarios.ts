// Worlds that are hard on one rule each. A master that breaks the rule is found out in some of the first seeds.
import type { Broken } from './master.ts'
import { everyFault, pairFaults, type WorldOptions, witnessFaults } from './world.ts'

type Scenario = Omit<WorldOptions, 'seed' | 'broken'>

/** A fault of these takes its time. */
const pair = { pair: true, faultEveryMs: 9000, faultMs: 30_000 }

const impatient = { ...pair, faults: ['promoteOther'], oneWriter: true, isImpatient: true, faultEveryMs: 6000 } as const

const witness = { witness: true, masters: 2, faultEveryMs: 9000, faultMs: 30_000 }
const behindBack = { ...witness, faults: ['claimBehindBack'], clocksLie: 'slowly', faultEveryMs: 30_000 } as const

export const scenarios: { readonly [K in keyof Broken]-?: Scenario } = {
  answersAtOnce: {},
  anyCandidate: {},
  tellsUncommitted: { faults: ['powerCut', 'killLeader', 'isolateLeader', 'freezeLeader'] },
  ignoresEpochs: { faults: ['powerCut', 'killLeader', 'isolateLeader', 'freezeLeader'] },
  shrinkAfterAck: { faults: ['strandLeader'], faultEveryMs: 4000 },
  growBeforeWait: { faults: ['rejoinUnderFire'], faultEveryMs: 4000 },
  certainForEver: impatient,
  ignoresFence: { ...pair, faults: ['freezeInTurn'] },
  leadsAtOnce: impatient,
  ignoresSleep: { ...pair, faults: ['freezeInTurn'] },
  standsOnOldView: { ...pair, faults: ['sleepWhileStanding'] },
  leavesAtOnce: { ...pair, faults: ['cutAndKill'] },
  keepsLead: { ...pair, faults: ['leadAlone'] },
  keepsInSync: { ...pair, faults: ['cutAndKill'] },
  standsUnasked: { ...pair, faults: ['promoteBoth'] },
  sharesEpochs: { ...pair, faults: ['promoteBoth'] },
  trustsForEver: { ...pair, faults: ['wakeAlone'] },
  refreshesLate: { ...pair, faults: ['wakeAlone'] },
  ignoresLongerLog: { ...pair, faults: ['killInTurn'] },
  standsUnfetched: { ...witness, faults: ['leaveToWitness'] },
  trustsOldFetch: { ...witness, faults: ['sleepBesideWitness'], faultEveryMs: 16_000, faultMs: 50_000 },
  electsWitness: { ...witness, faults: ['loseAllButWitness'] },
  leavesWitnessAfterAck: { ...witness, faults: ['strandLeader'], faultEveryMs: 4000 },
  promisesUnsynced: behindBack,
  keepsTaking: behindBack,
  leaseFromAnswer: { faults: ['strandLateLeader'], faultEveryMs: 6000, faultMs: 20_000, oneWriter: true },
}

/** Everything at once, and every third time with clocks that lie. */
export function mixedWorld(seed: number): WorldOptions {
  return seed % 3 === 0 ? { seed, clocksLie: true } : { seed }
}

/** Two masters without a third vote: they are not cut off from each other, and their disks neither fail nor get lost. */
const survivableFaults = [
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
  'jumpClock',
  'partitionMetalogger',
  'killMetalogger',
  ...pairFaults,
] as const

export const pairWorld = (seed: number): WorldOptions => ({ seed, pair: true, faults: survivableFaults })

/** Two masters, mostly, and a witness; everything at once. */
export function witnessWorld(seed: number): WorldOptions {
  const masters = seed % 4 === 0 ? 3 : 2
  return { ...mixedWorld(seed), witness: true, masters, faults: [...everyFault, ...witnessFaults] }
}
