// The program that real-helpers.ts starts: does one job for another process of ours.
import { readdirSync, writeFileSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Job } from './env.ts'
import type { Log } from './log.ts'
import { setPriorityOfThreads } from './priority.ts'
import { realClock } from './real.ts'
import { realDisk } from './real-disk.ts'
import type { HelperLine } from './real-helpers.ts'

const LOWEST = 19
/** When memory runs out the helper goes, not the daemon. */
const OOM_SCORE = '500'

// Synchronously, so that nothing is lost when the process ends right after it.
const tell = (line: HelperLine) => void writeSync(1, `${JSON.stringify(line)}\n`)
const at = (level: keyof Log) => (message: string) => tell({ kind: 'log', level, message })
const log: Log = {
  debug: at('debug'),
  info: at('info'),
  notice: at('notice'),
  warning: at('warning'),
  error: at('error'),
}

async function work(module: string, input: unknown): Promise<HelperLine> {
  try {
    const { default: job } = (await import(module)) as { default: Job<unknown, unknown> }
    return { kind: 'done', output: await job.run({ disk: realDisk, clock: realClock, log }, input) }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return { kind: 'failed', message, code }
  }
}

/** Has libuv make its threads, which keep the priority of now. @returns which ones these are */
async function startWriters(): Promise<(thread: string) => boolean> {
  const threads = () => readdirSync('/proc/self/task')
  const before = new Set(threads())
  await readFile('/proc/self/stat')
  const writers = new Set(threads().filter(thread => !before.has(thread)))
  return thread => writers.has(thread)
}

process.title = 'elkfs-helper'
// Those that compute give way, also V8's, which collect garbage. Those that write must not: a thread that loses the
// processor in the middle of a change of the file system keeps all others' syncs waiting, the master's too.
const isWriter = await startWriters()
setPriorityOfThreads(LOWEST, thread => !isWriter(thread))
try {
  writeFileSync('/proc/self/oom_score_adj', OOM_SCORE)
} catch {
  // Some containers forbid it. The work is the same.
}
const [module = ''] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })
lines.once(
  'line',
  input =>
    void work(module, JSON.parse(input))
      .then(tell)
      .finally(() => process.exit(0)),
)
lines.once('close', () => process.exit(1))
