// What a mount (or any other program) may ask of a connected client. One session with the master, the data of its files, and news.
import type { Attributes, Caller } from '../protocol/attributes.ts'

export type { Attributes as NodeAttributes, Caller } from '../protocol/attributes.ts'

/** Permissions in the low three bits; 0xFFFF: not given. */
export interface Acl {
  user: number
  group: number
  other: number
  mask: number
  users: { id: number; permissions: number }[]
  groups: { id: number; permissions: number }[]
}

/** A status of the master that is not OK, or data. */
export type Outcome<T> = Promise<{ status: number } | (T & { status?: undefined })>
/** A status only; 0 is done. */
export type Done = Promise<number>

export interface Node {
  inode: number
  attributes: Attributes
}

/** `lookupFlags`: bits of LookupFlag and, in the low eight, the combinations of rights that the caller has. */
export interface Found extends Node {
  lookupFlags: number
}

export interface ListedName {
  name: string
  inode: number
  type: number
  attributes: Attributes | undefined
}

/** Names of a folder, `.` and `..` first. An array is one, too. */
export interface ListedNames extends Iterable<ListedName> {
  readonly length: number
  at(index: number): ListedName | undefined
  /** The same without an object for each name, where there is none yet. */
  readonly raw?: RawNames
}

/** A part of a listing. */
export interface ListedPart {
  names: ListedNames
  /** Where the folder goes on; missing at its end. */
  next?: bigint | undefined
}

/** Which part of a listing is wanted: from where on, and how many names at most. */
export interface PartOfListing {
  from: bigint
  maxNames: number
}

/** Single facts of listed names, by index. */
export interface RawNames {
  /** All of them as the master sent them: equal bytes are equal names, inodes and types. */
  readonly bytes: Buffer
  nameBytes(index: number): number
  copyName(index: number, target: Uint8Array, at: number): void
  inode(index: number): number
  type(index: number): number
  attributes(index: number): Attributes | undefined
}

/** Parameters of the session (spec client-master 2.5). They may change when the session is made anew. */
export interface SessionParameters {
  flags: number
  umask: number
  rootUid: number
  rootGid: number
  mapAllUid: number
  mapAllGid: number
  minGoal: number
  maxGoal: number
  minTrashSeconds: number
  maxTrashSeconds: number
  disables: number
}

export interface SetAttributes {
  setmask: number
  mode: number
  uid: number
  gid: number
  /** Seconds from 1970; see Cluster.extended for what is kept. */
  atime: number
  mtime: number
  atimeNs?: number
  mtimeNs?: number
  sugidClearMode: number
}

/** The data of one open file. Errors are errnos, 0 is done. */
export interface FileData {
  read(offset: number, size: number): Promise<Buffer[] | number>
  /** Takes a copy of `data` before it answers. Errors of writing later come with flush(). */
  write(offset: number, data: Buffer): Promise<number>
  /** Everything written is with the chunkservers and the master knows the length. */
  flush(): Promise<number>
  /** As flush(), and it is on the disks of all its copies (those on servers of the original as these see fit). */
  sync(): Promise<number>
  /**
   * The first place from `offset` on that is data, or in a hole, as the servers have it once everything is written.
   * @param length of the file
   * @returns undefined when there is none up to the end of the file, which counts as a hole
   */
  seek(what: 'data' | 'hole', offset: number, length: number): Promise<number | undefined>
}

export interface ClusterEvents {
  /** Bytes of a file from `offset` on have changed; `length` 0 is to the end. */
  dataChanged(inode: number, offset: number, length: number): void
  lengthChanged(inode: number, length: number): void
  /** Everything may have changed while nobody told us. */
  connectionRenewed(): void
}

export interface Cluster {
  readonly parameters: SessionParameters
  /** The master is of our kind: it keeps nanoseconds and times before 1970 and after 2106, and renames with flags. */
  readonly extended: boolean
  lookup(parent: number, name: string, caller: Caller): Outcome<Found>
  access(inode: number, caller: Caller, mask: number): Done
  getattr(inode: number, opened: boolean, caller: Caller): Outcome<{ attributes: Attributes }>
  setattr(inode: number, opened: boolean, caller: Caller, set: SetAttributes): Outcome<{ attributes: Attributes }>
  /** Finishes writes of the file first. */
  truncate(inode: number, opened: boolean, caller: Caller, length: number): Outcome<{ attributes: Attributes }>
  readlink(inode: number): Outcome<{ target: string }>
  symlink(parent: number, name: string, target: string, caller: Caller): Outcome<Node>
  mknod(
    parent: number,
    name: string,
    type: number,
    mode: number,
    umask: number,
    rdev: number,
    caller: Caller,
  ): Outcome<Node>
  mkdir(parent: number, name: string, mode: number, umask: number, copySgid: boolean, caller: Caller): Outcome<Node>
  unlink(parent: number, name: string, caller: Caller): Done
  rmdir(parent: number, name: string, caller: Caller): Done
  /** `flags`: RenameFlag; anything but 0 only where `extended`. */
  rename(
    parent: number,
    name: string,
    targetParent: number,
    targetName: string,
    caller: Caller,
    flags?: number,
  ): Outcome<Node>
  link(inode: number, targetParent: number, targetName: string, caller: Caller): Outcome<Node>
  /** `part`: missing for the whole folder. A master of the original's gives all at once, whatever was asked for. */
  readdir(inode: number, withAttributes: boolean, caller: Caller, part?: PartOfListing): Outcome<ListedPart>
  /** `flags`: OpenFlag. The inode counts as open from now on, until release(), unless this fails. */
  open(inode: number, flags: number, caller: Caller): Outcome<{ flags: number; attributes: Attributes }>
  create(parent: number, name: string, mode: number, umask: number, caller: Caller): Outcome<Node & { flags: number }>
  release(inode: number): void
  /** Where this client may write `bytes` more at the end of the file. */
  reserveAppend(inode: number, bytes: number): Outcome<{ offset: number }>
  data(inode: number): FileData
  getxattr(inode: number, name: string, opened: boolean, caller: Caller): Outcome<{ value: Buffer }>
  /** `mode`: 0 create or replace, 1 create, 2 replace, 3 remove. */
  setxattr(inode: number, name: string, value: Buffer, mode: number, caller: Caller): Done
  getfacl(inode: number, type: number): Outcome<{ acl: Acl }>
  setfacl(inode: number, uid: number, type: number, acl: Acl): Done
  flock(inode: number, requestId: number, owner: bigint, command: number): Done
  posixLock(
    inode: number,
    requestId: number,
    owner: bigint,
    pid: number,
    command: number,
    type: number,
    start: bigint,
    end: bigint,
  ): Outcome<{ pid: number; type: number; start: bigint; end: bigint }>
  statfs(): Outcome<{ total: number; available: number; free: number; inodes: number }>
}

/** What a mount of the trash needs: a meta session (spec client-master 5.10). */
export interface MetaCluster {
  readonly parameters: SessionParameters
  /** Names have their slashes replaced by bars. `bucket`: inode modulo 4096, all when undefined. */
  trash(bucket: number | undefined): Outcome<{ entries: { name: string; inode: number }[] }>
  sustained(): Outcome<{ entries: { name: string; inode: number }[] }>
  /** `kind`: 1 trash, 2 sustained. */
  detachedAttributes(inode: number, kind: number): Outcome<{ attributes: Attributes }>
  trashPath(inode: number): Outcome<{ path: string }>
  setTrashPath(inode: number, path: string): Done
  undelete(inode: number): Done
  purge(inode: number): Done
}
