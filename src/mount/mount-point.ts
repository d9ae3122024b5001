// The folder to mount on: is it one, and may it be used?
import { readdirSync, realpathSync, statSync } from 'node:fs'

/** The absolute path without links, or why it cannot be mounted on, in the original's words. */
export function checkMountPoint(path: string, mayHaveContent: boolean): { target: string } | { problem: string } {
  let target: string
  try {
    target = realpathSync(path)
    if (!statSync(target).isDirectory()) return { problem: `given mountpoint '${path}' is not a directory` }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTCONN') {
      return { problem: `mountpoint '${path}' holds a mount whose program is gone; remove it with: umount -l ${path}` }
    }
    return { problem: `stat mountpoint '${path}': ${code}` }
  }
  try {
    if (!mayHaveContent && readdirSync(target).length > 0) return { problem: `mountpoint '${path}' is not empty` }
  } catch (error) {
    return { problem: `mountpoint '${path}': ${(error as NodeJS.ErrnoException).code}` }
  }
  return { target }
}
