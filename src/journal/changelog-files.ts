// Names and rotation of the changelogs in a data folder (spec metadata 3.2).
import type { Disk } from '../env/disk.ts'

/** `changelog.0.mfs` is the current one, higher numbers are older. */
export function changelogName(age: number): string {
  return `changelog.${age}.mfs`
}

/** Files that may hold lines of this master's history, incl. those of a metalogger put beside them (spec metadata 6.2). */
export const changelogPattern = /^changelog(?:_ml|_ml_back)?\.\d+\.mfs$/

/** Shifts every changelog by one; the oldest beyond `backLogs` is overwritten. With 0, the current one is removed. */
export async function rotateChangelogs(disk: Disk, folder: string, backLogs: number): Promise<void> {
  const present = new Set(await disk.list(folder))
  if (backLogs === 0) {
    if (present.has(changelogName(0))) await disk.unlink(`${folder}/${changelogName(0)}`)
  }
  for (let age = backLogs; age > 0; age--) {
    const younger = changelogName(age - 1)
    if (present.has(younger)) await disk.rename(`${folder}/${younger}`, `${folder}/${changelogName(age)}`)
  }
  await disk.syncFolder(folder)
}
