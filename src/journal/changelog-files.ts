// Names and rotation of the changelogs in a data folder (spec metadata 3.2).
import type { Disk } from '../env/disk.ts'
import type { Seconds } from '../metadata/types.ts'
import { ChangelogFile, changeIdOf } from './changelog-reader.ts'

/** `changelog.0.mfs` is the current one, higher numbers are older. */
export function changelogName(age: number): string {
  return `changelog.${age}.mfs`
}

/** The checksums of that changelog. */
export function sumsName(age: number): string {
  return `changelog.${age}.sums`
}

/** Files that may hold lines of this master's history, incl. those of a metalogger put beside them (spec metadata 6.2). */
export const changelogPattern = /^changelog(?:_ml|_ml_back)?\.\d+\.mfs$/
const OWN = /^changelog\.(\d+)\.mfs$/

/** The number of one of the master's own changelogs; undefined for any other file. */
export function ageOf(name: string): number | undefined {
  const match = OWN.exec(name)
  return match ? Number(match[1]) : undefined
}

/** The oldest first. */
function agesOf(names: Iterable<string>): number[] {
  return [...names].flatMap(name => ageOf(name) ?? []).sort((a, b) => b - a)
}

/** Makes every changelog older by one, so that the next line begins a new one. None is lost: see pruneChangelogs. */
export async function rotateChangelogs(disk: Disk, folder: string): Promise<void> {
  const present = new Set(await disk.list(folder))
  for (const age of agesOf(present)) {
    for (const nameOf of [changelogName, sumsName]) {
      if (present.has(nameOf(age))) await disk.rename(`${folder}/${nameOf(age)}`, `${folder}/${nameOf(age + 1)}`)
    }
  }
  await disk.syncFolder(folder)
}

/**
 * Removes changelogs older than the newest `backLogs`, but none that is needed: one with a change above the newest
 * checkpoint, one that cannot be read, or one that says what happened just now: the next start looks there for answers
 * that clients may not have got.
 *
 * @param checkpointVersion the change that follows that checkpoint
 * @param settledBefore nobody asks for what happened before
 */
export async function pruneChangelogs(
  disk: Disk,
  folder: string,
  backLogs: number,
  checkpointVersion: number,
  settledBefore: Seconds,
): Promise<void> {
  const present = new Set(await disk.list(folder))
  for (const age of agesOf(present)) {
    if (age <= backLogs) return
    const path = `${folder}/${changelogName(age)}`
    const last = (await new ChangelogFile(disk, path).lastLine()) ?? ''
    const id = changeIdOf(last)
    if (id === undefined || id >= checkpointVersion || (timeOf(last) ?? settledBefore) >= settledBefore) return
    await disk.unlink(path, 'gently')
    if (present.has(sumsName(age))) await disk.unlink(`${folder}/${sumsName(age)}`)
  }
}

/** When the change of a line happened: `12: 1700000000|IDLE()`. */
function timeOf(line: string): Seconds | undefined {
  const match = /^\d+: (\d+)\|/.exec(line)
  return match ? Number(match[1]) : undefined
}
