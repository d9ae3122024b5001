// `npm run bench`: the real MooseFS and ours side by side, step by step in turns, medians of several rounds.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { whyNot } from '../test/interop/cluster.ts'
import { installPackages } from '../test/interop/packages.ts'
import { Progress } from './progress.ts'
import { cpuTable, type Line, rateTable, type Sample, toJson } from './report.ts'
import { type Column, columnNames, columns, type Promises, Sides } from './sides.ts'
import { type Group, groups, type Step, stepsOf } from './steps.ts'
import { syncMilliseconds } from './sync-time.ts'

const USAGE = `usage: npm run bench -- [option...]
  --rounds N        how often each step is measured on each column (default 3)
  --only LIST       groups of steps: ${groups.join(', ')} (default: all)
  --columns LIST    ${columns.map(column => `${column} (${columnNames[column]})`).join(', ')} (default: all)
  --unsynced        ours syncs neither its log nor its chunks, as the original
  --synced          the original syncs each line of its log and each chunk, nearly as ours (CHANGELOG_SAVE_MODE = 2 and
                    HDD_FSYNC_BEFORE_CLOSE = 1)
  --quick           a tenth of the work, one round: to see that all is well, not for figures
  --json FILE       every single measurement, for programs
Needs root, /dev/fuse and, once, the network: Debian's MooseFS and a C compiler are installed when missing.
All takes about 15 minutes and 20 GB in the folder for temporary files (TMPDIR).`

interface Options {
  rounds: number
  only: readonly Group[]
  wanted: readonly Column[]
  scale: number
  promises: Promises
  json: string | undefined
}

class UsageError extends Error {}

/** The members of `all` that a comma-separated list names. */
function chosen<T extends string>(all: readonly T[], list: string | undefined): readonly T[] {
  if (list === undefined) return all
  const names = list.split(',').map(text => text.trim())
  const unknown = names.find(name => !(all as readonly string[]).includes(name))
  if (unknown !== undefined) throw new UsageError(`'${unknown}' is none of ${all.join(', ')}`)
  return all.filter(name => names.includes(name))
}

function parseOrRefuse<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function readOptions(): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const syncs = { unsynced: flag, synced: flag }
  const options = { rounds: text, only: text, columns: text, ...syncs, quick: flag, json: text, help: flag }
  const { values } = parseOrRefuse(() => parseArgs({ options }))
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError(`--rounds ${values.rounds}: not a number above 0`)
  if (values.unsynced && values.synced) throw new UsageError('--unsynced and --synced: one of the two')
  return {
    rounds,
    only: chosen(groups, values.only),
    wanted: chosen(columns, values.columns),
    scale: values.quick ? 0.1 : 1,
    promises: values.unsynced ? 'ours without syncs' : values.synced ? 'the original with syncs' : 'as they come',
    json: values.json,
  }
}

class Bench {
  readonly #options: Options
  readonly #sides: Sides
  readonly #scratch = mkdtempSync(join(tmpdir(), 'elkfs-bench-'))
  readonly #load = join(this.#scratch, 'load')
  readonly #lines = new Map<string, Line>()
  readonly #progress = new Progress()
  /** What the disk took for a sync at the beginning and after each round, in milliseconds. */
  readonly #syncs: number[] = []
  #running: ChildProcess | undefined
  #stopped = false

  constructor(options: Options) {
    this.#options = options
    this.#sides = new Sides(options.promises)
  }

  async run(): Promise<void> {
    this.#progress.say('installing what is missing')
    installPackages()
    execFileSync('gcc', ['-O2', '-Wall', '-o', this.#load, join(import.meta.dirname, 'load.c')])
    this.#progress.say('starting the clusters')
    this.#syncs.push(await syncMilliseconds())
    await this.#sides.start(this.#options.wanted)
    const { rounds, only, scale, wanted } = this.#options
    this.#progress.begin(rounds * stepsOf(only, scale, 2).length * wanted.length)
    for (let round = 1; round <= rounds && !this.#stopped; round++) {
      await this.#round(round)
      this.#syncs.push(await syncMilliseconds())
    }
  }

  async #round(round: number): Promise<void> {
    const { rounds, only, scale, wanted } = this.#options
    for (const step of stepsOf(only, scale, round)) {
      for (const column of wanted) {
        if (this.#stopped) return
        this.#progress.step(`round ${round} of ${rounds}: ${step.name}, ${columnNames[column]}`, step.unmeasured)
        const sample = await this.#measure(step, column)
        if (!step.unmeasured) this.#keep(step, column, sample)
      }
    }
  }

  #keep(step: Step, column: Column, sample: Sample): void {
    const line = this.#lines.get(step.name) ?? { step, samples: new Map<Column, Sample[]>() }
    line.samples.set(column, [...(line.samples.get(column) ?? []), sample])
    this.#lines.set(step.name, line)
  }

  async #measure(step: Step, column: Column): Promise<Sample> {
    if (step.freshMount) this.#sides.remount(column)
    const folder = join(this.#sides.folder(column), step.folder)
    mkdirSync(folder, { recursive: true })
    // What others wrote must not go to the disk in our time.
    spawnSync('sync')
    if (step.cold) for (const disk of this.#sides.disks(column)) await this.#runLoad(['evict', disk, '0', '0'])
    const { operation, workers, count, bytes } = step
    const before = this.#sides.cpuSeconds(column)
    const seconds = Number(await this.#runLoad([operation, folder, String(workers), String(count), String(bytes)]))
    const after = this.#sides.cpuSeconds(column)
    const cpu = {
      master: after.master - before.master,
      chunkservers: after.chunkservers - before.chunkservers,
      mount: after.mount - before.mount,
    }
    return { seconds, rate: step.amount / seconds, cpu }
  }

  #runLoad(args: string[]): Promise<string> {
    const child = spawn(this.#load, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#running = child
    let [output, complaint] = ['', '']
    child.stdout.on('data', text => {
      output += text
    })
    child.stderr.on('data', text => {
      complaint += text
    })
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', status => {
        if (status === 0) resolve(output.trim())
        else reject(new Error(`load ${args.join(' ')} failed: ${complaint || output}`))
      })
    })
  }

  /** Ends as soon as possible; what was measured until then is still shown. */
  stop(): void {
    this.#stopped = true
    this.#running?.kill('SIGKILL')
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  report(): void {
    this.#progress.end()
    const lines = [...this.#lines.values()]
    if (lines.length === 0) return
    const { wanted, json, rounds, promises } = this.#options
    console.log(`${cpus().length} x ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version}`)
    console.log(`${new Date().toISOString().slice(0, 10)}, medians of ${rounds} (least-most), ${promises}`)
    console.log(`sync of a line of a log on this disk: ${this.#syncs.map(ms => ms.toFixed(2)).join(', ')} ms\n`)
    console.log(`${rateTable(lines, wanted)}\n\nCPU time\n\n${cpuTable(lines, wanted)}`)
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(toJson(lines), null, 2)}\n`)
  }

  async close(): Promise<void> {
    this.#progress.say('cleaning up')
    await this.#sides.close()
    rmSync(this.#scratch, { recursive: true, force: true })
    this.#progress.end()
  }
}

async function main(): Promise<number> {
  const options = readOptions()
  const reason = whyNot()
  if (reason) {
    console.error(`bench: ${reason}`)
    return 1
  }
  const bench = new Bench(options)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => bench.stop())
  try {
    await bench.run()
  } catch (error) {
    if (!bench.isStopped) throw error
  } finally {
    bench.report()
    await bench.close()
  }
  return bench.isStopped ? 130 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`bench: ${error.message}\n${USAGE}`)
  process.exitCode = 64
}
