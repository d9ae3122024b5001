// `npm run sim -- --seeds N [--seed S]`: runs the simulated cluster from many seeds, until one of them fails.
import { parseArgs } from 'node:util'
import { playFailures } from './chunk-failures.ts'
import { crash, manners } from './cluster/crash-points.ts'
import { type Profile, profiles } from './cluster/faults.ts'
import { type Report, SimulationFailure, simulate } from './cluster/simulation.ts'

const USAGE = `usage: npm run sim -- [--seeds N] [--seed S] [--profile P] [--operations N] [--history N] [--keep-going]
  --seeds N       how many seeds to run, one after the other (100; 1 with --seed)
  --seed S        the first seed (by the clock)
  --profile P     what goes wrong: ${profiles.join(', ')} (chosen by the seed)
  --operations N  operations of each application (80)
  --history N     lines of history to show of a run that fails (80)
  --keep-going    do not stop at the first seed that fails
  --crash-points  instead: stop a master at every point there is, in every manner
  --chunk-care    instead: chunkservers fail in every way; afterwards every chunk must have its copies
  --servers N     of --chunk-care (8)
  --chunks N      of --chunk-care (1000)`
const PROGRESS_MS = 5000

interface Options {
  first: number
  count: number
  profile: Profile | undefined
  operations: number
  history: number
  keepGoing: boolean
  crashPoints: boolean
  chunkCare: boolean
  servers: number
  chunks: number
}

/** @throws Error saying what is wrong with the arguments */
function readArguments(args: string[]): Options | 'help' {
  const number = { type: 'string' } as const
  const { values } = parseArgs({
    args,
    options: {
      ...{ seeds: number, seed: number, operations: number, history: number, profile: number },
      ...{ 'keep-going': { type: 'boolean' }, 'crash-points': { type: 'boolean' } },
      ...{ 'chunk-care': { type: 'boolean' }, servers: number, chunks: number },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const numberOf = (
    name: 'seeds' | 'seed' | 'operations' | 'history' | 'servers' | 'chunks',
    otherwise: number,
  ): number => {
    const text = values[name] ?? String(otherwise)
    if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} ${text}: it must be a number`)
    return Number(text)
  }
  const { profile } = values
  if (profile !== undefined && !(profiles as readonly string[]).includes(profile)) {
    throw new Error(`--profile ${profile}: it must be one of ${profiles.join(', ')}`)
  }
  return {
    first: numberOf('seed', Date.now() % 100_000_000),
    count: numberOf('seeds', values.seed === undefined ? 100 : 1),
    profile: profile as Profile | undefined,
    operations: numberOf('operations', 80),
    history: numberOf('history', 80),
    keepGoing: values['keep-going'] ?? false,
    crashPoints: values['crash-points'] ?? false,
    chunkCare: values['chunk-care'] ?? false,
    servers: numberOf('servers', 8),
    chunks: numberOf('chunks', 1000),
  }
}

/** Runs all seeds. @returns how many failed */
async function runAll(options: Options): Promise<number> {
  const { first, count, profile, operations } = options
  const sums = { runs: 0, acknowledged: 0, faults: 0, faultless: 0, failed: 0 }
  const startedMs = performance.now()
  let saidMs = startedMs
  for (let seed = first; seed < first + count; seed++) {
    try {
      const report = await simulate({ seed, profile, operations })
      if (count === 1) describe(report)
      sums.acknowledged += report.acknowledged
      sums.faults += report.faults
      if (report.faults === 0) sums.faultless++
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error
      sums.failed++
      complain(seed, error, options)
      if (!options.keepGoing) break
    }
    sums.runs++
    if (performance.now() - saidMs < PROGRESS_MS && seed !== first + count - 1) continue
    saidMs = performance.now()
    const seconds = (saidMs - startedMs) / 1000
    console.log(
      `${sums.runs} of ${count} seeds (${sums.faultless} drew no fault), ${sums.acknowledged} operations, ` +
        `${sums.faults} faults, ${sums.failed} failed, ${seconds.toFixed(0)} s`,
    )
  }
  return sums.failed
}

function describe({ counts, ...report }: Report): void {
  console.log(report)
  for (const [what, count] of [...counts].sort()) console.log(`${String(count).padStart(6)} ${what}`)
}

function complain(seed: number, { message, history, profile }: SimulationFailure, options: Options): void {
  if (options.history > 0) console.log(history.slice(-options.history).join('\n'))
  console.log(`\nseed ${seed} failed (${profile}): ${message}`)
  const given = options.profile ? ` --profile ${options.profile}` : ''
  console.log(`again: npm run sim -- --seed ${seed} --operations ${options.operations}${given}\n`)
}

/** @returns how many points failed */
async function runCrashPoints({ first, keepGoing }: Options): Promise<number> {
  let failed = 0
  for (const manner of manners) {
    const { points } = await crash({ seed: first, manner, points: [] })
    for (let point = 1; point <= points && (failed === 0 || keepGoing); point++) {
      await crash({ seed: first, manner, points: [point] }).catch(error => {
        failed++
        console.log(error.message)
      })
    }
    console.log(`${manner}: ${points} points, ${failed} failed`)
  }
  return failed
}

/** @returns how many seeds failed */
async function runChunkCare({ first, count, servers, chunks, keepGoing }: Options): Promise<number> {
  let failed = 0
  for (let seed = first; seed < first + count && (failed === 0 || keepGoing); seed++) {
    const run = { seed, servers, chunks, failures: 60 }
    const report = await playFailures(run).catch(error => ({
      wrongs: [(error as Error).message],
      copies: 0,
      seconds: 0,
    }))
    const { wrongs, copies, seconds } = report
    console.log(`seed ${seed}: ${wrongs.length === 0 ? 'ok' : 'FAILED'}, ${copies} copies in ${seconds.toFixed(0)} s`)
    if (wrongs.length === 0) continue
    failed++
    console.log(`${wrongs.slice(0, 10).join('\n')}\nagain: npm run sim -- --chunk-care --seed ${seed}`)
  }
  return failed
}

try {
  const options = readArguments(process.argv.slice(2))
  if (options === 'help') console.log(USAGE)
  else {
    const run = options.crashPoints ? runCrashPoints : options.chunkCare ? runChunkCare : runAll
    process.exitCode = (await run(options)) > 0 ? 1 : 0
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error(USAGE)
  process.exitCode = 2
}
