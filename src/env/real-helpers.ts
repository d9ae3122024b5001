// Helpers as processes: `node helper-process.ts MODULE`, input as a line on its stdin, messages and result as lines on
// its stdout. Its stdin stays open: when it ends, so does the helper, for then this process is gone.
import { spawn } from 'node:child_process'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import type { Helper, Helpers, Job } from './env.ts'
import type { Log } from './log.ts'

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
  const child = spawn(process.execPath, [PROGRAM.pathname, job.module], { stdio: ['pipe', 'pipe', 'pipe'] })
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
  // Not to hear of the input only means that the helper has ended, which is heard of below.
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(input)}\n`)
  const result = new Promise<O>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (end?.kind === 'done') resolve(end.output as O)
      else if (end?.kind === 'failed') reject(Object.assign(new Error(end.message), { code: end.code }))
      else reject(new Error(`the helper process ended with ${signal ?? `code ${code}`}${words && `: ${words.trim()}`}`))
    })
  })
  return { result, cancel: () => void child.kill('SIGKILL') }
}
