// Long random sequences of system calls by several processes and users give the same results, errnos and trees on our
// mount and on a local ext4. A longer run: POSIX_SEEDS=1000 POSIX_FIRST_SEED=5000 POSIX_CALLS=500.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { compare, compileSyscalls, execute, normalized, shrink } from './posix/differential.ts'
import { LocalDisk } from './posix/local-disk.ts'
import { isMeant } from './posix/meant-differences.ts'
import { sequence } from './posix/sequence.ts'

const skip = whyNot() ?? false
const seeds = Number(process.env.POSIX_SEEDS ?? 30)
/** Each of these has found a fault once, and most were hit by chance of timing only. */
const telling = [20, 42, 66, 67, 86, 149, 149]
const firstSeed = Number(process.env.POSIX_FIRST_SEED ?? 1)
const calls = Number(process.env.POSIX_CALLS ?? 400)

test(`${seeds} random sequences of system calls do on our mount what they do on ext4`, { skip }, async () => {
  installPackages({ 'mkfs.ext4': 'e2fsprogs' })
  const cluster = new Cluster()
  let disk: LocalDisk | undefined
  try {
    disk = new LocalDisk(cluster.folder)
    const program = compileSyscalls(cluster.folder)
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs('-o', 'mfsdev,mfssuid')
    const tolerates = isMeant('ours')
    const run = (lines: string[]) => {
      const answers = [disk?.mountPoint ?? '', cluster.mountPoint].map(place => execute(program, place, lines))
      const [expected = [], found = []] = answers
      return { expected, found, difference: compare(lines, expected, found, tolerates) }
    }
    const range = Array.from({ length: seeds }, (_, i) => firstSeed + i)
    for (const seed of process.env.POSIX_SEEDS ? range : [...telling, ...range]) {
      const lines = sequence(seed, calls)
      const { difference } = run(lines)
      if (!difference) continue
      const { at, call, expected, found } = difference
      assert.fail(`seed ${seed}, call ${at}: ${call}\next4: ${expected}\nours: ${found}\n\n${explain(lines, at, run)}`)
    }
  } finally {
    disk?.close()
    await cluster.close()
  }
})

type Run = (lines: string[]) => { expected: string[]; found: string[]; difference: { at: number } | undefined }

/** The fewest calls found that end with the difference, with their answers. */
function explain(lines: string[], at: number, run: Run): string {
  const isWalk = at === lines.length
  const short = shrink(lines.slice(0, at + 1), left => run(left).difference?.at === left.length - (isWalk ? 0 : 1))
  const { expected, found } = run(short)
  const told = [...short, '0 walk .'].map((line, i) => {
    const [a, b] = [normalized(expected[i] ?? ''), normalized(found[i] ?? '')]
    return a === b ? `${line} => ${a}` : `${line}\n      ext4: ${a}\n      ours: ${b}`
  })
  return told.join('\n')
}
