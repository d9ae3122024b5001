// What a file system must be able to do to be mounted. The dispatcher (fuse/dispatcher.ts) calls these methods for the
// kernel's requests; an answer may come at once or later, and everything that is not data is an errno.
//
// Names and link targets are latin1 strings: one character a byte, exact.

/** A positive errno of this machine, or 0: done, nothing to tell. */
export type Errno = number

/** What a method answers: data, or an errno; now or later. A promise that rejects is answered EIO and logged. */
export type Answer<T = never> = T | Errno | Promise<T | Errno>

/** Who asks. */
export interface Request {
  readonly uid: number
  readonly gid: number
  /** Thread id of the caller in the mount's pid namespace; 0 when the kernel itself asks or it has no number there. */
  readonly pid: number
  /** A signal came for the caller; set before `onInterrupt` is called. */
  interrupted: boolean
  /** Set by a method whose answer may take long (waiting for a lock): called once when the caller got a signal. */
  onInterrupt: (() => void) | undefined
}

export interface Attributes {
  inode: number
  /** Type and permissions, as in stat(2). */
  mode: number
  nlink: number
  uid: number
  gid: number
  /** As the kernel encodes it (32 bits). */
  rdev: number
  size: number
  /** In units of 512 bytes. */
  blocks: number
  /** Whole seconds since 1970; may be negative. */
  atime: number
  mtime: number
  ctime: number
  /** Nanoseconds of the times, 0 when missing. */
  atimeNs?: number
  mtimeNs?: number
  ctimeNs?: number
}

/** Attributes and how long the kernel may believe them. */
export interface TimedAttributes {
  attributes: Attributes
  attributeSeconds: number
}

/** A name's node. Inode 0 says that the name does not exist, to be believed for `entrySeconds`. */
export interface Entry extends TimedAttributes {
  entrySeconds: number
}

export interface Opened {
  /** The file system's number for the open file; the kernel gives it back with each request. */
  handle: number
  /** Bits of OpenAnswerFlag (fuse/abi.ts). */
  flags: number
}

export interface Created extends Entry, Opened {}

export interface DirectoryEntry {
  readonly name: string
  /** Inode 0 never; attributes are used by READDIRPLUS, which skips the lookup of `.`, `..` and entries of -1 seconds. */
  readonly entry: Entry
}

/** A listing, `.` and `..` first, or a part of it: entries up to `length`. An array is one, too. */
export interface DirectoryEntries {
  readonly length: number
  at(index: number): DirectoryEntry | undefined
  /** The same, without an object for each name, where there is none yet. */
  readonly raw?: RawEntries | undefined
}

/** Single facts of entries, by index. */
export interface RawEntries {
  nameBytes(index: number): number
  copyName(index: number, target: Uint8Array, at: number): void
  inode(index: number): number
  /** The type bits of a mode. */
  typeBits(index: number): number
  /** As of a DirectoryEntry. */
  entry(index: number): Entry
}

/** The attributes to set; those that are missing stay. Times: seconds and nanoseconds, or 'now'. */
export interface AttributeChanges {
  mode?: number
  uid?: number
  gid?: number
  size?: number
  atime?: number | 'now'
  mtime?: number | 'now'
  atimeNs?: number
  mtimeNs?: number
  /** The open file that this comes through (ftruncate, …). */
  handle?: number
  /** Clear set-uid and set-gid as a write does (the caller lacks the right to keep them). */
  killPrivileges: boolean
}

export interface SpaceUse {
  blockBytes: number
  blocks: number
  blocksFree: number
  blocksAvailable: number
  inodes: number
  inodesFree: number
  nameBytesMax: number
}

export const LockType = { READ: 0, WRITE: 1, UNLOCK: 2 } as const

/** A record lock as fcntl has it: `end` is the last byte, 2^63-1 for "to the end"; type is LockType. */
export interface RecordLock {
  type: number
  start: bigint
  end: bigint
  pid: number
}

export interface FileSystem {
  lookup(request: Request, parent: number, name: string): Answer<Entry>
  /** The kernel has dropped `count` of the references that lookups, creations and readdirplus gave it. */
  forget(inode: number, count: number): void
  getattr(request: Request, inode: number, handle: number | undefined): Answer<TimedAttributes>
  setattr(request: Request, inode: number, changes: AttributeChanges): Answer<TimedAttributes>
  readlink(request: Request, inode: number): Answer<string>
  symlink(request: Request, parent: number, name: string, target: string): Answer<Entry>
  mknod(request: Request, parent: number, name: string, mode: number, rdev: number, umask: number): Answer<Entry>
  mkdir(request: Request, parent: number, name: string, mode: number, umask: number): Answer<Entry>
  unlink(request: Request, parent: number, name: string): Answer
  rmdir(request: Request, parent: number, name: string): Answer
  /** `flags`: those of renameat2(2). */
  rename(
    request: Request,
    parent: number,
    name: string,
    targetParent: number,
    targetName: string,
    flags: number,
  ): Answer
  link(request: Request, inode: number, targetParent: number, targetName: string): Answer<Entry>
  /** `flags`: those of open(2), O_CREAT and O_EXCL removed by the kernel. */
  open(request: Request, inode: number, flags: number, killPrivileges: boolean): Answer<Opened>
  create(request: Request, parent: number, name: string, mode: number, umask: number, flags: number): Answer<Created>
  /** Fewer bytes than `size` come back at the end of the file only. */
  read(request: Request, inode: number, handle: number, offset: number, size: number): Answer<Buffer | Buffer[]>
  /**
   * All of `data` or an errno. `data` may be used until the answer only.
   * @param mapped pages that were changed in a mapping: they belong at `offset`, also where the file is open to append
   */
  write(
    request: Request,
    inode: number,
    handle: number,
    offset: number,
    data: Buffer,
    killPrivileges: boolean,
    mapped: boolean,
  ): Answer
  /** Some descriptor of the open file was closed: report write errors, drop the record locks of `lockOwner`. */
  flush(request: Request, inode: number, handle: number, lockOwner: bigint): Answer
  /** The last descriptor is gone. The answer goes nowhere. `flockOwner` is given when it may hold a flock. */
  release(request: Request, inode: number, handle: number, flockOwner: bigint | undefined): Answer
  fsync(request: Request, inode: number, handle: number, dataOnly: boolean): Answer
  opendir(request: Request, inode: number): Answer<Opened>
  /**
   * The part of the listing that has the entry at `offset`; nothing from there on is the end of the folder. Positions are
   * indexes: `offset` 0 is a new reading (or a rewind); any other must be answered from the same listing. `plus`: READDIRPLUS,
   * which has use for attributes; names without them are no error.
   */
  readdir(request: Request, inode: number, handle: number, offset: number, plus: boolean): Answer<DirectoryEntries>
  releasedir(request: Request, inode: number, handle: number): Answer
  statfs(request: Request, inode: number): Answer<SpaceUse>
  /** `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. `killSetGid`: with the new ACL the set-gid bit goes. */
  setxattr(request: Request, inode: number, name: string, value: Buffer, flags: number, killSetGid: boolean): Answer
  getxattr(request: Request, inode: number, name: string): Answer<Buffer>
  /** The names, each with a zero byte behind it. */
  listxattr(request: Request, inode: number): Answer<Buffer>
  removexattr(request: Request, inode: number, name: string): Answer
  /** `mask`: 4 read, 2 write, 1 execute or search, 0 existence. */
  access(request: Request, inode: number, mask: number): Answer
  /** The first lock in the way of `lock`, or the same with type UNLOCK. */
  getlk(request: Request, inode: number, handle: number, owner: bigint, lock: RecordLock): Answer<RecordLock>
  setlk(request: Request, inode: number, handle: number, owner: bigint, lock: RecordLock, wait: boolean): Answer
  /** `type`: LockType. */
  flock(request: Request, inode: number, handle: number, owner: bigint, type: number, wait: boolean): Answer
  /** `mode`: that of fallocate(2). */
  fallocate(request: Request, inode: number, handle: number, mode: number, offset: number, length: number): Answer
  /** `whence`: SEEK_DATA 3, SEEK_HOLE 4. */
  lseek(request: Request, inode: number, handle: number, offset: number, whence: number): Answer<{ offset: number }>
  /** The file system was unmounted. No request comes after this. */
  destroy(): void
}
