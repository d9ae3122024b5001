// Applications at work on the lab's mount, and a journal outside of it of what the file system acknowledged.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

const MOVER = join(import.meta.dirname, 'mover-process.ts')

/** How many applications of each kind, all in the client's namespace. */
export interface Load {
  /** They write files; a line goes to the journal when all of it succeeded. */
  writers: number
  /** They only make, move and remove names (mover-process.ts). */
  movers: number
}

/** Each application has names of its own. What they ask of masters is kept for the case that one of them has an error. */
export function startLoad(lab: Lab, { writers, movers }: Load): void {
  lab.capture()
  for (let i = 0; i < writers; i++) {
    const script = `
      n=0
      while [ ! -e ${lab.folder}/stop-load ]; do
        n=$((n + 1)); f=${lab.mountPoint}/w${i}-$n
        if echo "contents of $n" > $f.new 2>>${lab.folder}/errors-${i} &&
           mv $f.new $f 2>>${lab.folder}/errors-${i}; then
          echo "w${i}-$n $n" >> ${lab.folder}/journal-${i}
        else
          { echo "w${i}-$n failed, $(date +%FT%T.%3N)"; stat -c '%n has inode %i' $f.new $f; ss -tnH dport = :9421
          } >> ${lab.folder}/errors-${i} 2>&1
        fi
      done`
    lab.background(`load-${i}`, 'client', script)
  }
  for (let i = 0; i < movers; i++) {
    const files = ['stop-load', `errors-mover-${i}`, `pauses-${i}`, `moved-${i}`].map(name => join(lab.folder, name))
    const line = [process.execPath, MOVER, join(lab.mountPoint, `mover-${i}`), ...files].join(' ')
    lab.background(`mover-${i}`, 'client', line)
  }
}

/** Some operation is on its way at any moment. */
const ON_ITS_WAY_MS = 100

/** Milliseconds of the longest operation of a mover that was begun then (Date.now()) or later, and has ended. */
export function longestPause(lab: Lab, { movers }: Load, sinceMs: number): number {
  const pauses = namesOf('pauses', movers).flatMap(name => linesOf(join(lab.folder, name)))
  const recent = pauses
    .map(line => line.split(' ').map(Number))
    .filter(([begun = 0]) => begun > sinceMs - ON_ITS_WAY_MS)
  return Math.max(0, ...recent.map(([, ms = 0]) => ms))
}

export interface LoadReport {
  /** Names that were made, moved and removed by movers. */
  moved: number
  acknowledged: number
  lost: string[]
  /** Names that are left over, from renames that were done or failed. */
  strange: string[]
  errors: string[]
}

/** Ends the load and compares what is there with what was acknowledged. */
export async function finishLoad(lab: Lab, load: Load): Promise<LoadReport> {
  lab.shell('client', `touch ${lab.folder}/stop-load`)
  const [writers, movers] = [namesOf('load', load.writers), namesOf('mover', load.movers)]
  for (const name of [...writers, ...movers]) await lab.until(`the end of ${name}`, 60, () => !lab.isRunning(name))
  const report: LoadReport = { acknowledged: 0, moved: 0, lost: [], strange: [], errors: [] }
  const there = new Set(readdirSync(lab.mountPoint))
  report.strange.push(...[...there].filter(name => name.endsWith('.new')))
  writers.forEach((_, i) => {
    for (const line of linesOf(join(lab.folder, `journal-${i}`))) {
      const [name = '', n] = line.split(' ')
      report.acknowledged++
      const isRight = there.has(name) && readFileSync(join(lab.mountPoint, name), 'utf8') === `contents of ${n}\n`
      if (!isRight) report.lost.push(name)
    }
    report.errors.push(...linesOf(join(lab.folder, `errors-${i}`)))
  })
  movers.forEach((_, i) => {
    report.moved += Number(linesOf(join(lab.folder, `moved-${i}`))[0] ?? 0)
    report.strange.push(...readdirSync(join(lab.mountPoint, `mover-${i}`)))
    report.errors.push(...linesOf(join(lab.folder, `errors-mover-${i}`)))
  })
  return report
}

const namesOf = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}-${i}`)

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return []
  }
}
