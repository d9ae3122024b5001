// The original's mount finds no difference between our master and its own: tables and random sequences of system calls
// give the same results, errnos and trees on both.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { compileSyscalls, execute, normalized } from './posix/differential.ts'
import { isMeant } from './posix/meant-differences.ts'
import { identities, sequence } from './posix/sequence.ts'
import { tableIdentities, tables } from './posix/tables.ts'

const seeds = Number(process.env.POSIX_SEEDS ?? 15)
const firstSeed = Number(process.env.POSIX_FIRST_SEED ?? 1)

/** pwrite to a file that is open to append puts data at places of its own with that mount: not always the same ones. */
function withoutAppend(lines: string[]): string[] {
  const O_APPEND = 0o2000
  return lines.map(line =>
    line.replace(
      /^(\d open \d+ \S+ )0([0-7]+)/,
      (_, start, flags) => `${start}0${(Number.parseInt(flags, 8) & ~O_APPEND).toString(8)}`,
    ),
  )
}

test('the original mount does on our master what it does on its own', { skip: whyNot() ?? false }, async t => {
  installPackages()
  const clusters: Cluster[] = []
  try {
    for (const master of ['real', 'ours']) {
      const cluster = new Cluster()
      clusters.push(cluster)
      if (master === 'ours') await cluster.startOurMaster()
      else cluster.startRealMaster()
      await cluster.startOurChunkserver(2)
      await sleep(2000)
      cluster.mountReal()
    }
    const program = compileSyscalls(clusters[0]?.folder ?? '')
    const check = (lines: string[], processes: readonly string[]) => {
      const [expected = [], found = []] = clusters.map(({ mountPoint }) =>
        execute(program, mountPoint, lines, processes),
      )
      const tolerates = isMeant('real')
      const differences = [...lines, '0 walk .'].flatMap((line, i) => {
        const [a, b] = [normalized(expected[i] ?? ''), normalized(found[i] ?? '')]
        return a === b || tolerates(line, a, b) ? [] : [`${line}\n  its own: ${a}\n  ours: ${b}`]
      })
      assert.equal(differences.slice(0, 10).join('\n'), '')
    }
    // What changes times needs finer ones than this mount has; files without names are believed for a second.
    const { times: _, withoutNames: __, ...comparable } = tables
    for (const [name, build] of Object.entries(comparable)) {
      await t.test(name, () =>
        check(
          build().flatMap(({ lines }) => lines),
          tableIdentities,
        ),
      )
    }
    await t.test(`${seeds} random sequences`, () => {
      for (let seed = firstSeed; seed < firstSeed + seeds; seed++) check(withoutAppend(sequence(seed, 300)), identities)
    })
  } finally {
    for (const cluster of clusters) await cluster.close()
  }
})
