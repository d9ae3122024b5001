// Helpers as processes: `node helper-process.ts MODULE`, input as a line on its stdin, messages and result as lines on
// its stdout. Its stdin stays open: when it ends, so does the helper, for then this process is gone.
import { constants } from 'node:os'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import type { Helper, Helpers, Job } from './env.ts'
import type { Log } from './log.ts'
import { type SpawnedProcess, spawnProcess } from './spawn.ts'

/** What a helper tells: a message for the log, or its end. */
export type HelperLine =
  | { kind: 'log'; level: keyof Log; message: string }
  | { kind: 'done'; output: unknown }
  | { kind: 'failed'; message: string; code?: string | undefined }

const PROGRAM = new URL(`./helper-process${extname(import.meta.url)}`, import.meta.url)
/** Of what a helper that dies wrote last. */
const LAST_WORDS = 2000

export function realHelpers(log: Log): Helpers {
  return { start: (job, input) => startHelper(log, job, input) }
}

function startHelper<I, O>(log: Log, job: Job<I, O>, input: I): Helper<O> {
  let child: SpawnedProcess
  try {
    child = spawnProcess(process.execPath, [PROGRAM.pathname, job.module])
  } catch (error) {
    return { result: Promise.reject(error), cancel: () => {} }
  }
  // Not to hear of it only means that the helper has ended, which is heard of below.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {})
  let words = ''
  let end: HelperLine | undefined
  child.stderr.on('data', text => {
    words = (words + text).slice(-LAST_WORDS)
  })
  createInterface({ input: child.stdout }).on('line', text => {
    const line = JSON.parse(text) as HelperLine
    if (line.kind === 'log') log[line.level](line.message)
    else end = line
  })
  child.stdin.write(`${JSON.stringify(input)}\n`)
  const result = child.ended.then(({ code, signal }) => {
    child.stdin.destroy()
    if (end?.kind === 'done') return end.output as O
    if (end?.kind === 'failed') throw Object.assign(new Error(end.message), { code: end.code })
    const how = signal === 0 ? `code ${code}` : signalName(signal)
    throw new Error(`the helper process ended with ${how}${words && `: ${words.trim()}`}`)
  })
  return { result, cancel: () => child.kill() }
}

const signalName = (number: number) =>
  Object.entries(constants.signals).find(([, signal]) => signal === number)?.[0] ?? `signal ${number}`
