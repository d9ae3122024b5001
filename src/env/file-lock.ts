// lockf(3), which Node lacks: the POSIX record lock that the original takes on its files.
import koffi from 'koffi'

const lockf = koffi.load(null).func('int lockf(int, int, long)')
const F_TLOCK = 2

/** Locks all of an open file without waiting. @throws Error with code EAGAIN when another process has it locked */
export function lockWholeFile(fd: number, path: string): void {
  if (lockf(fd, F_TLOCK, 0) === 0) return
  const errno = koffi.errno()
  const code = Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`
  const taken = code === 'EAGAIN' || code === 'EACCES'
  throw Object.assign(new Error(taken ? `${path} is locked by another process` : `lockf ${path}: ${code}`), {
    code: taken ? 'EAGAIN' : code,
  })
}
