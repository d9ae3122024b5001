import { stat } from 'node:fs/promises'
import { mountedFolders } from './mountinfo.ts'

/**
 * The type of the file system that a path lies on, as /proc/self/mountinfo has it ("ext4", "xfs", …).
 *
 * @returns undefined when that is not to be found out
 */
export async function fileSystemType(path: string): Promise<string | undefined> {
  try {
    const { dev } = await stat(path, { bigint: true })
    const device = deviceText(dev)
    return mountedFolders().find(mounted => mounted.device === device)?.type
  } catch {
    return undefined
  }
}

/** As the kernel shows it: major:minor, of which Linux keeps the lower bits of both in 8 to 20 and 0 to 8. */
function deviceText(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  return `${major}:${minor}`
}
