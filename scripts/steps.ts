import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's top folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

export type Step = readonly [name: string, program: string, args: readonly string[]]

/**
 * Runs the steps in order until one fails. Those of a list run side by side: what the first has to say is shown as it
 * comes, what the others say when they have ended. Returns the exit code of the whole.
 */
export async function runAll(steps: readonly (Step | readonly Step[])[]): Promise<number> {
  for (const step of steps) {
    const together = isOne(step) ? [step] : step
    const succeeded = await Promise.all(together.map((each, i) => run(each, i === 0)))
    if (succeeded.includes(false)) return 1
  }
  return 0
}

const isOne = (step: Step | readonly Step[]): step is Step => typeof step[0] === 'string'

/** @returns whether it succeeded */
async function run([name, program, args]: Step, isShown: boolean): Promise<boolean> {
  const started = Date.now()
  const output: Buffer[] = []
  const child = spawn(program, args, { cwd: root, stdio: isShown ? 'inherit' : ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', bytes => output.push(bytes))
  const [status, signal] = await once(child, 'close')
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  process.stdout.write(Buffer.concat(output))
  if (status === 0) console.log(`${name}: ok, ${seconds} s`)
  else console.error(`${name}: failed (${signal ?? `exit code ${status}`}) after ${seconds} s`)
  return status === 0
}
