// Applications at work on the lab's mount, and a journal outside of it of what the file system acknowledged.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

/** Writers in the client's namespace, each with names of its own; a line goes to the journal when all of it succeeded. */
export function startLoad(lab: Lab, writers: number): void {
  for (let i = 0; i < writers; i++) {
    const script = `
      n=0
      while [ ! -e ${lab.folder}/stop-load ]; do
        n=$((n + 1)); f=${lab.mountPoint}/w${i}-$n
        if echo "contents of $n" > $f.new 2>>${lab.folder}/errors-${i} &&
           mv $f.new $f 2>>${lab.folder}/errors-${i}; then
          echo "w${i}-$n $n" >> ${lab.folder}/journal-${i}
        else
          echo "w${i}-$n failed" >> ${lab.folder}/errors-${i}
        fi
      done`
    lab.background(`load-${i}`, 'client', script)
  }
}

export interface LoadReport {
  acknowledged: number
  lost: string[]
  /** Names that are left over, from renames that were done or failed. */
  strange: string[]
  errors: string[]
}

/** Ends the load and compares what is there with what was acknowledged. */
export async function finishLoad(lab: Lab, writers: number): Promise<LoadReport> {
  lab.shell('client', `touch ${lab.folder}/stop-load`)
  for (let i = 0; i < writers; i++) await lab.until(`the end of writer ${i}`, 60, () => !lab.isRunning(`load-${i}`))
  const report: LoadReport = { acknowledged: 0, lost: [], strange: [], errors: [] }
  const there = new Set(readdirSync(lab.mountPoint))
  report.strange.push(...[...there].filter(name => name.endsWith('.new')))
  for (let i = 0; i < writers; i++) {
    for (const line of linesOf(join(lab.folder, `journal-${i}`))) {
      const [name = '', n] = line.split(' ')
      report.acknowledged++
      const isRight = there.has(name) && readFileSync(join(lab.mountPoint, name), 'utf8') === `contents of ${n}\n`
      if (!isRight) report.lost.push(name)
    }
    report.errors.push(...linesOf(join(lab.folder, `errors-${i}`)))
  }
  return report
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return []
  }
}
