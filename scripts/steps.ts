import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's top folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

export type Step = [name: string, program: string, args: string[]]

/** Runs the steps in order, with their output shown, until one fails. Returns the exit code of the whole. */
export function runAll(steps: Step[]): number {
  for (const [name, program, args] of steps) {
    const started = Date.now()
    const { status, signal } = spawnSync(program, args, { cwd: root, stdio: 'inherit' })
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    if (status !== 0) {
      console.error(`${name}: failed (${signal ?? `exit code ${status}`}) after ${seconds} s`)
      return 1
    }
    console.log(`${name}: ok, ${seconds} s`)
  }
  return 0
}
