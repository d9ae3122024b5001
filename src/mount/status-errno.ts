// The errno that the caller gets for a status of the master (spec client-master 6).
import { Status } from '../protocol/status.ts'
import type { Errno } from './file-system.ts'
import * as errno from './fuse/errno.ts'

const table = new Map<number, Errno>([
  [Status.OK, 0],
  [Status.EPERM, errno.EPERM],
  [Status.ENOTDIR, errno.ENOTDIR],
  [Status.ENOENT, errno.ENOENT],
  [Status.ENOENT_NOCACHE, errno.ENOENT],
  [Status.EACCES, errno.EACCES],
  [Status.EEXIST, errno.EEXIST],
  [Status.EINVAL, errno.EINVAL],
  [Status.ENOTEMPTY, errno.ENOTEMPTY],
  [Status.CHUNKLOST, errno.ENXIO],
  [Status.CSNOTPRESENT, errno.ENXIO],
  [Status.INDEXTOOBIG, errno.EFBIG],
  [Status.NOCHUNKSERVERS, errno.ENOSPC],
  [Status.NOSPACE, errno.ENOSPC],
  [Status.NOTOPENED, errno.EBADF],
  [Status.IO, errno.EIO],
  [Status.EROFS, errno.EROFS],
  [Status.QUOTA, errno.EDQUOT],
  [Status.ENOATTR, errno.ENODATA],
  [Status.ENOTSUP, errno.EOPNOTSUPP],
  [Status.ERANGE, errno.ERANGE],
  [Status.EAGAIN, errno.EAGAIN],
  [Status.EINTR, errno.EINTR],
  [Status.ECANCELED, errno.ECANCELED],
])

export function errnoOf(status: number): Errno {
  return table.get(status) ?? errno.EINVAL
}
