// The kernel's FUSE interface, version 7.38: numbers and structures with the names of <linux/fuse.h>, without the
// `fuse_` and `FUSE_` in front. Every structure is declared here once.
import { i32, i64n, struct, u16, u32, u64, u64n } from './struct.ts'

export const KERNEL_VERSION = 7
export const KERNEL_MINOR_VERSION = 38
/** Older kernels have other layouts: 7.31 is Linux 5.4. */
export const OLDEST_MINOR_VERSION = 31
export const ROOT_ID = 1

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
} as const

const opcodeNames = Object.fromEntries(Object.entries(Opcode).map(([name, code]) => [code, name]))

/** `LOOKUP` for 1; `opcode 99` for one that we do not know. */
export function opcodeName(opcode: number): string {
  return opcodeNames[opcode] ?? `opcode ${opcode}`
}

export const NotifyCode = { INVAL_INODE: 2, INVAL_ENTRY: 3 } as const

/** Flags of INIT. Those from bit 32 on live in `flags2`, shifted down. */
export const InitFlag = {
  ASYNC_READ: 1 << 0,
  POSIX_LOCKS: 1 << 1,
  ATOMIC_O_TRUNC: 1 << 3,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  FLOCK_LOCKS: 1 << 10,
  AUTO_INVAL_DATA: 1 << 12,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  PARALLEL_DIROPS: 1 << 18,
  POSIX_ACL: 1 << 20,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const
export const InitFlag2 = { DIRECT_IO_ALLOW_MMAP: 1 << 4 } as const

/** What setattr changes. */
export const SetattrValid = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  LOCKOWNER: 1 << 9,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const

/** What the answer to open tells the kernel. */
export const OpenAnswerFlag = {
  DIRECT_IO: 1 << 0,
  KEEP_CACHE: 1 << 1,
  NONSEEKABLE: 1 << 2,
  CACHE_DIR: 1 << 3,
  STREAM: 1 << 4,
  NOFLUSH: 1 << 5,
  PARALLEL_DIRECT_WRITES: 1 << 6,
} as const

export const GETATTR_FH = 1 << 0
export const RELEASE_FLOCK_UNLOCK = 1 << 1
export const LK_FLOCK = 1 << 0
export const WRITE_CACHE = 1 << 0
export const WRITE_KILL_SUIDGID = 1 << 2
export const FSYNC_FDATASYNC = 1 << 0
export const OPEN_KILL_SUIDGID = 1 << 0
export const SETXATTR_ACL_KILL_SGID = 1 << 0

export const inHeader = struct({
  len: u32,
  opcode: u32,
  unique: u64n,
  nodeid: u64n,
  uid: u32,
  gid: u32,
  pid: u32,
  total_extlen: u16,
  padding: u16,
})
export const outHeader = struct({ len: u32, error: i32, unique: u64n })

export const attr = struct({
  ino: u64n,
  size: u64n,
  blocks: u64n,
  atime: i64n,
  mtime: i64n,
  ctime: i64n,
  atimensec: u32,
  mtimensec: u32,
  ctimensec: u32,
  mode: u32,
  nlink: u32,
  uid: u32,
  gid: u32,
  rdev: u32,
  blksize: u32,
  flags: u32,
})

export const fileLock = struct({ start: u64, end: u64, type: u32, pid: u32 })

export const entryOut = struct({
  nodeid: u64n,
  generation: u64n,
  entry_valid: u64n,
  attr_valid: u64n,
  entry_valid_nsec: u32,
  attr_valid_nsec: u32,
  attr,
})
export const forgetIn = struct({ nlookup: u64n })
export const forgetOne = struct({ nodeid: u64n, nlookup: u64n })
export const batchForgetIn = struct({ count: u32, dummy: u32 })
export const getattrIn = struct({ getattr_flags: u32, dummy: u32, fh: u64n })
export const attrOut = struct({ attr_valid: u64n, attr_valid_nsec: u32, dummy: u32, attr })
export const mknodIn = struct({ mode: u32, rdev: u32, umask: u32, padding: u32 })
export const mkdirIn = struct({ mode: u32, umask: u32 })
export const renameIn = struct({ newdir: u64n })
export const rename2In = struct({ newdir: u64n, flags: u32, padding: u32 })
export const linkIn = struct({ oldnodeid: u64n })
export const setattrIn = struct({
  valid: u32,
  padding: u32,
  fh: u64n,
  size: u64n,
  lock_owner: u64,
  atime: i64n,
  mtime: i64n,
  ctime: i64n,
  atimensec: u32,
  mtimensec: u32,
  ctimensec: u32,
  mode: u32,
  unused4: u32,
  uid: u32,
  gid: u32,
  unused5: u32,
})
export const openIn = struct({ flags: u32, open_flags: u32 })
export const createIn = struct({ flags: u32, mode: u32, umask: u32, open_flags: u32 })
export const openOut = struct({ fh: u64n, open_flags: u32, backing_id: i32 })
export const releaseIn = struct({ fh: u64n, flags: u32, release_flags: u32, lock_owner: u64 })
export const flushIn = struct({ fh: u64n, unused: u32, padding: u32, lock_owner: u64 })
export const readIn = struct({
  fh: u64n,
  offset: u64n,
  size: u32,
  read_flags: u32,
  lock_owner: u64,
  flags: u32,
  padding: u32,
})
export const writeIn = struct({
  fh: u64n,
  offset: u64n,
  size: u32,
  write_flags: u32,
  lock_owner: u64,
  flags: u32,
  padding: u32,
})
export const writeOut = struct({ size: u32, padding: u32 })
export const statfsOut = struct({
  blocks: u64n,
  bfree: u64n,
  bavail: u64n,
  files: u64n,
  ffree: u64n,
  bsize: u32,
  namelen: u32,
  frsize: u32,
  padding: u32,
  spare0: u64,
  spare1: u64,
  spare2: u64,
})
export const fsyncIn = struct({ fh: u64n, fsync_flags: u32, padding: u32 })
/** With SETXATTR_EXT the long form, from kernels before 5.13 the short one. */
export const setxattrIn = struct({ size: u32, flags: u32, setxattr_flags: u32, padding: u32 })
export const shortSetxattrIn = struct({ size: u32, flags: u32 })
export const getxattrIn = struct({ size: u32, padding: u32 })
export const getxattrOut = struct({ size: u32, padding: u32 })
export const lkIn = struct({ fh: u64n, owner: u64, lk: fileLock, lk_flags: u32, padding: u32 })
export const lkOut = struct({ lk: fileLock })
export const accessIn = struct({ mask: u32, padding: u32 })
/** The first 16 bytes are always there; `flags2` only from kernels that set INIT_EXT. */
export const initIn = struct({ major: u32, minor: u32, max_readahead: u32, flags: u32 })
export const INIT_IN_FLAGS2_AT = 16
export const initOut = struct({
  major: u32,
  minor: u32,
  max_readahead: u32,
  flags: u32,
  max_background: u16,
  congestion_threshold: u16,
  max_write: u32,
  time_gran: u32,
  max_pages: u16,
  map_alignment: u16,
  flags2: u32,
  unused0: u32,
  unused1: u32,
  unused2: u32,
  unused3: u32,
  unused4: u32,
  unused5: u32,
  unused6: u32,
})
export const interruptIn = struct({ unique: u64n })
export const fallocateIn = struct({ fh: u64n, offset: u64n, length: u64n, mode: u32, padding: u32 })
export const lseekIn = struct({ fh: u64n, offset: u64n, whence: u32, padding: u32 })
export const lseekOut = struct({ offset: u64n })
export const copyFileRangeIn = struct({
  fh_in: u64n,
  off_in: u64n,
  nodeid_out: u64n,
  fh_out: u64n,
  off_out: u64n,
  len: u64n,
  flags: u64n,
})
export const dirent = struct({ ino: u64n, off: u64n, namelen: u32, type: u32 })
export const notifyInvalInodeOut = struct({ ino: u64n, off: i64n, len: i64n })
export const notifyInvalEntryOut = struct({ parent: u64n, namelen: u32, flags: u32 })
