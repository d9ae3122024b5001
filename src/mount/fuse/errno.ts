// Error numbers of this machine under their C names.
import { constants } from 'node:os'

const { errno } = constants

export const EPERM = errno.EPERM
export const ENOENT = errno.ENOENT
export const EINTR = errno.EINTR
export const EIO = errno.EIO
export const ENXIO = errno.ENXIO
export const EBADF = errno.EBADF
export const EAGAIN = errno.EAGAIN
export const EACCES = errno.EACCES
export const EEXIST = errno.EEXIST
export const ENOTDIR = errno.ENOTDIR
export const EISDIR = errno.EISDIR
export const EINVAL = errno.EINVAL
export const ENOTTY = errno.ENOTTY
export const ETXTBSY = errno.ETXTBSY
export const EFBIG = errno.EFBIG
export const ENOSPC = errno.ENOSPC
export const EROFS = errno.EROFS
export const EMLINK = errno.EMLINK
export const ERANGE = errno.ERANGE
export const ESTALE = errno.ESTALE
export const ENAMETOOLONG = errno.ENAMETOOLONG
export const ENOSYS = errno.ENOSYS
export const ENOTEMPTY = errno.ENOTEMPTY
export const ENODATA = errno.ENODATA
export const EPROTO = errno.EPROTO
export const EOPNOTSUPP = errno.EOPNOTSUPP
export const ECANCELED = errno.ECANCELED
/** Not among Node's constants. */
export const EDQUOT = 122
