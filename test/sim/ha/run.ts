// `npm run sim:ha -- --seeds N [--seed S]`: simulated clusters of masters, one after the other, until one fails.
import { parseArgs } from 'node:util'
import { mixedWorld, pairWorld, witnessWorld } from './scenarios.ts'
import { messagesOf, runWorld } from './world.ts'

const USAGE = `usage: npm run sim:ha -- [--seeds N] [--seed S] [--every K] [--pair | --witness] [--keep-going]
  --seeds N     how many seeds to run (100; 1 with --seed)
  --seed S      the first seed (1)
  --every K     seeds S, S+K, S+2K, ...: for several processes side by side (1)
  --pair        two masters and keepalived, no etcd
  --witness     masters, etcd and a metalogger that acknowledges lines
  --keep-going  do not stop at the first seed that fails`
const PROGRESS_MS = 10_000
const MESSAGES_SHOWN = 150

const string = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    seeds: string,
    seed: string,
    every: string,
    pair: { type: 'boolean' },
    witness: { type: 'boolean' },
    'keep-going': { type: 'boolean' },
    help: { type: 'boolean' },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const first = Number(values.seed ?? 1)
const count = Number(values.seeds ?? (values.seed === undefined ? 100 : 1))
const every = Number(values.every ?? 1)
if (![first, count, every].every(number => Number.isSafeInteger(number) && number > 0)) {
  console.error(USAGE)
  process.exit(64)
}

const worldOf = values.pair ? pairWorld : values.witness ? witnessWorld : mixedWorld
const total = {
  seeds: 0,
  failed: 0,
  faults: 0,
  acknowledged: 0,
  epochs: 0,
  fetches: 0,
  cuts: 0,
  relayed: 0,
  retrieved: 0,
}
const startedMs = performance.now()
let toldMs = startedMs
for (let i = 0; i < count; i++) {
  const seed = first + i * every
  try {
    const report = await runWorld(worldOf(seed))
    for (const key of ['faults', 'acknowledged', 'epochs', 'fetches', 'cuts', 'relayed', 'retrieved'] as const)
      total[key] += report[key]
  } catch (error) {
    total.failed++
    console.error(messagesOf(error).slice(-MESSAGES_SHOWN).join('\n'))
    console.error(`seed ${seed}: ${(error as Error).stack}`)
    if (!values['keep-going']) break
  }
  total.seeds++
  if (performance.now() - toldMs < PROGRESS_MS) continue
  toldMs = performance.now()
  console.log(JSON.stringify({ last: seed, ...total, seconds: Math.round((toldMs - startedMs) / 1000) }))
}
console.log(JSON.stringify(total))
process.exitCode = total.failed === 0 ? 0 : 1
