// A large file that goes away gives all its blocks back at once, and where the disk is told of each (`mount -o discard`) the
// syncs of others wait for that: 30 to 140 ms for a gigabyte. So it loses its name first and its blocks in small steps.
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'

const fcntl = koffi.load(null).func('int fcntl(int, int, int)')
const F_SETLEASE = 1024
const F_WRLCK = 1
const F_UNLCK = 2

const STEP_BYTES = 8 << 20
const STEP_MS = 50

/** Resolves when the name is gone. The rest takes 6 s per GiB, and does not keep the process. @throws Error as unlink */
export async function unlinkGently(path: string): Promise<void> {
  // A file that may not be written is removed as others are.
  const file = await open(path, 'r+').catch(() => undefined)
  try {
    await unlink(path)
  } catch (error) {
    await file?.close()
    throw error
  }
  if (file) void shrink(file).catch(() => {})
}

async function shrink(file: FileHandle): Promise<void> {
  try {
    const { size, nlink } = await file.stat()
    if (nlink > 0 || !isOpenHereOnly(file.fd)) return
    for (let left = size - STEP_BYTES; left > 0; left -= STEP_BYTES) {
      await file.truncate(left)
      await sleep(STEP_MS, undefined, { ref: false })
    }
  } finally {
    await file.close()
  }
}

/** Whoever reads it, a backup perhaps, shall read all of it. Without a name nobody else can open it any more. */
function isOpenHereOnly(fd: number): boolean {
  if (fcntl(fd, F_SETLEASE, F_WRLCK) !== 0) return false
  fcntl(fd, F_SETLEASE, F_UNLCK)
  return true
}
