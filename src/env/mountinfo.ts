// What is mounted where, from the kernel's table: to ask the file systems themselves would hang where one does.
import { readFileSync } from 'node:fs'

/** One mount; of those at the same folder the last one is seen. Texts are bytes (latin1). */
export interface MountedFolder {
  /** major:minor */
  readonly device: string
  readonly folder: string
  /** `ext4`, `fuse`, … */
  readonly type: string
  /** Of the mount and of the file system: `rw`, `noatime`, … */
  readonly options: readonly string[]
}

const unescaped = (path: string) =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Lines are `id parent major:minor root folder options fields… - type source options`. Exported for tests. */
export function parseMountinfo(text: string): MountedFolder[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [before = '', after = ''] = line.split(' - ')
      const [, , device = '', , folder = '', ofMount = ''] = before.split(' ')
      const [type = '', , ofFileSystem = ''] = after.split(' ')
      return { device, folder: unescaped(folder), type, options: [...ofMount.split(','), ...ofFileSystem.split(',')] }
    })
}

/** All mounts that this process can see, in the order in which they were made. */
export const mountedFolders = (): MountedFolder[] => parseMountinfo(readFileSync('/proc/self/mountinfo', 'latin1'))

/** What is seen at an absolute path; undefined when nothing is mounted at it. */
export function mountedAt(path: string): MountedFolder | undefined {
  const bytes = Buffer.from(path).toString('latin1')
  return mountedFolders().findLast(({ folder }) => folder === bytes)
}
