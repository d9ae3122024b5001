// Names and rotation of the changelogs in a data folder (spec metadata 3.2).
import type { Disk } from '../env/disk.ts'
import { ChangelogFile } from './changelog-reader.ts'

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
 * checkpoint, or one that cannot be read.
 *
 * @param checkpointVersion the change that follows that checkpoint
 */
export async function pruneChangelogs(
  disk: Disk,
  folder: string,
  backLogs: number,
  checkpointVersion: number,
): Promise<void> {
  const present = new Set(await disk.list(folder))
  for (const age of agesOf(present)) {
    if (age <= backLogs) return
    const path = `${folder}/${changelogName(age)}`
    const last = await new ChangelogFile(disk, path).lastId()
    if (last === undefined || last >= checkpointVersion) return
    await disk.unlink(path)
    if (present.has(sumsName(age))) await disk.unlink(`${folder}/${sumsName(age)}`)
  }
}
