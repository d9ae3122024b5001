// Runs the same system calls on two folders and tells where they answer differently.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { identities } from './sequence.ts'

/** Compiles syscalls.c into `folder`. Returns the program. */
export function compileSyscalls(folder: string): string {
  const program = join(folder, 'syscalls')
  execFileSync('gcc', ['-O1', '-Wall', '-o', program, join(import.meta.dirname, 'syscalls.c')])
  return program
}

/** Executes the lines in a new folder below `place`. Returns an answer a line, and last what is there in the end. */
export function execute(
  program: string,
  place: string,
  lines: readonly string[],
  processes: readonly string[] = identities,
): string[] {
  const outer = join(place, `calls-${process.pid}-${folders++}`)
  // Links to `..` shall find nothing of others.
  const folder = join(outer, 'inner')
  mkdirSync(folder, { recursive: true })
  for (const each of [outer, folder]) chmodSync(each, 0o777)
  try {
    const input = `${[...lines, '0 walk .'].join('\n')}\n`
    const { stdout, status, signal } = spawnSync(program, [folder, ...processes], {
      input,
      maxBuffer: 1 << 30,
      timeout: 300_000,
      encoding: 'latin1',
    })
    if (status !== 0) throw new Error(`syscalls ended with ${status ?? signal} in ${place}`)
    return stdout.trimEnd().split('\n')
  } finally {
    rmSync(outer, { recursive: true, force: true, maxRetries: 3 })
  }
}

let folders = 0

/** A time of this moment is `now`: when exactly is not compared. */
export function normalized(answer: string): string {
  const now = Date.now() / 1000
  return answer.replace(/([amc]time)=(-?\d+)\.(\d+)/g, (whole, name, seconds) =>
    Math.abs(Number(seconds) - now) < 36_000 ? `${name}=now` : whole,
  )
}

export interface Difference {
  at: number
  call: string
  expected: string
  found: string
}

/** Where the answers differ, in order. `tolerates` knows the differences that are meant. */
export function compare(
  lines: readonly string[],
  expected: readonly string[],
  found: readonly string[],
  tolerates: (call: string, expected: string, found: string) => boolean,
): Difference | undefined {
  for (let at = 0; at <= lines.length; at++) {
    const call = lines[at] ?? '0 walk .'
    const [a, b] = [normalized(expected[at] ?? ''), normalized(found[at] ?? '')]
    if (a === b || tolerates(call, a, b)) continue
    return { at, call, expected: a, found: b }
  }
  return undefined
}

/** The shortest part of the lines found for which `differs` still holds. */
export function shrink(lines: readonly string[], differs: (lines: string[]) => boolean): string[] {
  let left = [...lines]
  for (let size = Math.ceil(left.length / 2); size >= 1; ) {
    let shrunk = false
    for (let at = 0; at < left.length; ) {
      const without = [...left.slice(0, at), ...left.slice(at + size)]
      if (without.length < left.length && differs(without)) {
        left = without
        shrunk = true
      } else at += size
    }
    if (size === 1 && !shrunk) break
    size = size > 1 ? Math.ceil(size / 2) : 1
  }
  return left
}
