// How often and how patiently the work on a file's data is tried again (spec client-master 7.7).
import { constants } from 'node:os'
import { Status } from '../protocol/status.ts'

const { errno } = constants

export interface RetryOptions {
  /** Tries before an I/O error. */
  ioRetries: number
  /** Fail at once when no copy of a chunk exists. */
  failOnLostChunk: boolean
  /** Fail at once when there is no space. */
  failOnNoSpace: boolean
}

/** Milliseconds before the next try after the k-th failure in a row. */
export const pauseMs = (k: number) => (k >= 30 ? 10_000 : 1 + Math.max(0, k - 1) * 300)

/** What to do about a status of READ_CHUNK or WRITE_CHUNK: an errno ends it, patience has no limit. */
export type Reaction = { errno: number } | { patient: true } | { count: true; lastErrno: number }

export function reactionTo(status: number, options: RetryOptions): Reaction {
  switch (status) {
    case Status.LOCKED:
    case Status.EAGAIN:
      return { patient: true }
    case Status.ENOENT:
    case Status.EPERM:
    case Status.NOCHUNK:
      return { errno: errno.EBADF }
    case Status.INDEXTOOBIG:
      return { errno: errno.EINVAL }
    case Status.QUOTA:
      return { errno: errno.EDQUOT }
    case Status.IO:
      return { errno: errno.EIO }
    case Status.EROFS:
      return { errno: errno.EROFS }
    case Status.NOSPACE:
      return options.failOnNoSpace ? { errno: errno.ENOSPC } : { count: true, lastErrno: errno.ENOSPC }
    case Status.NOCHUNKSERVERS:
      return { count: true, lastErrno: errno.ENOSPC }
    case Status.CHUNKLOST:
      return options.failOnLostChunk ? { errno: errno.ENXIO } : { count: true, lastErrno: errno.ENXIO }
    case Status.CSNOTPRESENT:
      return { count: true, lastErrno: errno.ENXIO }
    default:
      return { count: true, lastErrno: errno.EIO }
  }
}

/** Milliseconds before the n-th repetition where patience has no limit. */
export const patientPauseMs = (n: number) => (n <= 3 ? 1 : n <= 7 ? 100 : 500)

/** How long questions to the master may wait in all before they fail. */
export function giveUpMs(ioRetries: number, timeoutSeconds: number): number {
  let sum = 0
  for (let k = 1; k <= Math.min(ioRetries, 1000); k++) sum += pauseMs(k)
  return timeoutSeconds > 0 ? Math.min(sum, timeoutSeconds * 1000) : sum
}
