import { readFile, stat } from 'node:fs/promises'

/**
 * The type of the file system that a path lies on, as /proc/self/mountinfo has it ("ext4", "xfs", …).
 *
 * @returns undefined when that is not to be found out
 */
export async function fileSystemType(path: string): Promise<string | undefined> {
  try {
    const { dev } = await stat(path, { bigint: true })
    return typeOf(deviceText(dev), await readFile('/proc/self/mountinfo', 'latin1'))
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

/** Lines are `id parent major:minor root point options fields… - type source options`. */
function typeOf(device: string, mountinfo: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    if (before.split(' ')[2] === device) return after.split(' ')[0]
  }
  return undefined
}
