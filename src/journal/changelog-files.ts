// Names and rotation of the changelogs in a data folder (spec metadata 3.2).
import type { Disk } from '../env/disk.ts'
import { ChangelogFile } from './changelog-reader.ts'

/** `changelog.0.mfs` is the current one, higher numbers are older. */
export function changelogName(age: number): string {
  return `changelog.${age}.mfs`
}

/** Files that may hold lines of this master's history, incl. those of a metalogger put beside them (spec metadata 6.2). */
export const changelogPattern = /^changelog(?:_ml|_ml_back)?\.\d+\.mfs$/
const OWN = /^changelog\.(\d+)\.mfs$/

/** Numbers of the master's own changelogs, the oldest first. */
async function agesOf(disk: Disk, folder: string): Promise<number[]> {
  const ages = (await disk.list(folder)).flatMap(name => {
    const match = OWN.exec(name)
    return match ? [Number(match[1])] : []
  })
  return ages.sort((a, b) => b - a)
}

/** Makes every changelog older by one, so that the next line begins a new one. None is lost: see pruneChangelogs. */
export async function rotateChangelogs(disk: Disk, folder: string): Promise<void> {
  for (const age of await agesOf(disk, folder)) {
    await disk.rename(`${folder}/${changelogName(age)}`, `${folder}/${changelogName(age + 1)}`)
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
  for (const age of await agesOf(disk, folder)) {
    if (age <= backLogs) return
    const path = `${folder}/${changelogName(age)}`
    const last = await new ChangelogFile(disk, path).lastId()
    if (last === undefined || last >= checkpointVersion) return
    await disk.unlink(path)
  }
}
