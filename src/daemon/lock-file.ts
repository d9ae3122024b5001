// The lock file of a daemon: one process per data folder, and the way to find it (spec daemons-and-config 1.6).
// A record lock, so that the original's programs see ours and ours see theirs.
import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs'
import { recordLockOwner, tryRecordLock } from './system.ts'

export function lockFilePath(folder: string, program: string): string {
  return `${folder}/.${program}.lock`
}

/** The process that runs on this data folder; undefined when none does. */
export function lockOwner(path: string): number | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return recordLockOwner(fd)
  } finally {
    closeSync(fd)
  }
}

/** Takes the lock until this process ends. Opened once: closing any other descriptor of the file would let it go. */
export class LockFile {
  readonly #fd: number

  /** @throws Error of Node with code EACCES, ENOENT, … when the file cannot be opened for writing */
  constructor(path: string) {
    this.#fd = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o666)
  }

  /** Takes the lock and writes our process number; false when somebody else has it. */
  tryTake(): boolean {
    if (!tryRecordLock(this.#fd)) return false
    ftruncateSync(this.#fd)
    writeSync(this.#fd, `${process.pid}\n`, 0)
    return true
  }

  owner(): number | undefined {
    return recordLockOwner(this.#fd)
  }
}
