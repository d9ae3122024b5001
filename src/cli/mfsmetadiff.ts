// The command mfsmetadiff: what differs between two metadata files.
import { realClock } from '../env/real.ts'
import { realDisk } from '../env/real-disk.ts'
import { loadCheckpoint } from '../journal/checkpoint-files.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { type Difference, differences } from '../metadata/diff/diff.ts'
import type { State } from '../metadata/state.ts'
import { parseArguments, UsageError } from './shared/arguments.ts'
import { messageOf, Progress, writeOut } from './shared/terminal.ts'

const USAGE = `usage: mfsmetadiff [-q] [-x FACT[,FACT...]] A B

Tells what differs between two metadata files, whatever order their records have:

  - inode 35 (/old): ...                     only in A
  + inode 36 (/new): ...                     only in B
  ~ inode 12 (/a/b): mode 0644 -> 0600       in both, and not the same

and likewise for locks, released inode numbers, chunks, storage classes, sessions, chunkservers and the file system as a
whole. Statistics of sessions are not compared.

  -q         say nothing, the exit code tells
  -x FACTS   leave these facts out, for example -x atime,edges,version
  --help     this text

exit code: 0 the same, 1 different, 2 one of the files can not be read
`

/** Without the facts that do not count; undefined when nothing is left of a change. */
function withoutIgnored(difference: Difference, ignored: ReadonlySet<string>): Difference | undefined {
  if (ignored.size === 0) return difference
  const facts = Object.fromEntries(Object.entries(difference.facts).filter(([name]) => !ignored.has(name)))
  return difference.sign === '~' && Object.keys(facts).length === 0 ? undefined : { ...difference, facts }
}

function lineOf({ sign, title, name, facts }: Difference): string {
  const shown = Object.entries(facts).map(([fact, value]) => `${fact} ${value}`)
  return `${sign} ${title} ${name}: ${shown.join('; ')}\n`
}

function summary(counts: Map<string, Record<Difference['sign'], number>>): string {
  const parts = [...counts].map(([title, { '-': minus, '+': plus, '~': changed }]) => {
    return `${title}: ${minus} only in A, ${plus} only in B, ${changed} changed\n`
  })
  return parts.length === 0 ? 'no differences\n' : `\n${parts.join('')}`
}

const FLUSH_BYTES = 1 << 16

async function compare(first: State, second: State, ignored: ReadonlySet<string>, quiet: boolean): Promise<boolean> {
  const progress = new Progress()
  const counts = new Map<string, Record<Difference['sign'], number>>()
  let looked = 0
  let held = ''
  const tell = () => {
    if (++looked % 1000 === 0) progress.tell(() => `comparing: ${looked} things`)
  }
  for (const found of differences(first, second, tell)) {
    const difference = withoutIgnored(found, ignored)
    if (!difference) continue
    if (quiet) return true
    const count = counts.get(difference.title) ?? { '-': 0, '+': 0, '~': 0 }
    count[difference.sign]++
    counts.set(difference.title, count)
    held += lineOf(difference)
    if (held.length < FLUSH_BYTES) continue
    progress.clear()
    await writeOut(held)
    held = ''
  }
  progress.clear()
  if (!quiet) await writeOut(held + summary(counts))
  return counts.size > 0
}

async function main(): Promise<number> {
  try {
    const { options, operands } = parseArguments(process.argv.slice(2), 'hq', 'x')
    if (options.has('help') || options.has('h')) {
      process.stdout.write(USAGE)
      return 0
    }
    const [one, other, ...more] = operands
    if (one === undefined || other === undefined || more.length > 0) throw new UsageError('two files are needed')
    const now = Math.floor(realClock.nowMs() / 1000)
    const first = await loadCheckpoint(realDisk, one, now)
    const second = await loadCheckpoint(realDisk, other, now)
    const ignored = new Set(options.get('x')?.split(',') ?? [])
    return (await compare(first, second, ignored, options.has('q'))) ? 1 : 0
  } catch (error) {
    if (error instanceof UsageError) process.stderr.write(`mfsmetadiff: ${error.message}\n${USAGE}`)
    else process.stderr.write(`mfsmetadiff: ${messageOf(error, [CheckpointError])}\n`)
    return 2
  }
}

process.exitCode = await main()
