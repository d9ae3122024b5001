// The cluster as a file system for the kernel: what each request becomes at the master, and what may be answered from
// memory (spec client-master 7.3 to 7.7). Every permission is the master's decision.

import type { Caller, Cluster, FileData, NodeAttributes } from '../client/cluster.ts'
import type { Clock } from '../env/env.ts'
import type { Log } from '../env/log.ts'
import { MattrFlag } from '../protocol/attributes.ts'
import { OpenFlag, RenameFlag, SetMask } from '../protocol/cltoma.ts'
import { MFSCHUNKSIZE } from '../protocol/constants.ts'
import { LookupFlag, OpenedFlag } from '../protocol/matocl.ts'
import { Status } from '../protocol/status.ts'
import { Recent } from '../util/recent.ts'
import type { CallerGroups } from './caller-groups.ts'
import { FileLocks } from './file-locks.ts'
import type {
  Answer,
  AttributeChanges,
  Attributes,
  Created,
  DirectoryEntries,
  Entry,
  Errno,
  FileSystem,
  Opened,
  RecordLock,
  Request,
  SpaceUse,
  TimedAttributes,
} from './file-system.ts'
import { OpenAnswerFlag } from './fuse/abi.ts'
import * as errno from './fuse/errno.ts'
import { typeBits } from './node-types.ts'
import { OpenFolders } from './open-folders.ts'
import type { CacheMode } from './options.ts'
import { ACCESS_ACL, DEFAULT_ACL, decodeAcl, encodeAcl, NO_ACL, NOT_GIVEN } from './posix-acl.ts'
import { RecentInodes } from './recent-inodes.ts'
import type { SpecialFiles } from './special-files.ts'
import { errnoOf } from './status-errno.ts'

export interface ClusterFileSystemOptions {
  attributeSeconds: number
  entrySeconds: number
  folderEntrySeconds: number
  negativeEntrySeconds: number
  xattrSeconds: number
  cacheMode: CacheMode
  copySgid: boolean
  sugidClearMode: number
  xattrs: boolean
  /** The kernel tests permissions before it asks. */
  kernelPermissions: boolean
  /** fsync and close wait for the disks of the chunkservers. */
  syncToDisk: boolean
}

const S_IFMT = 0o170000
const S_IFREG = 0o100000
const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010
const TYPE_FILE = 1
const TYPE_FOLDER = 2
const O_ACCMODE = 3
const O_RDONLY = 0
const O_WRONLY = 1
const O_EXCL = 0o200
const O_TRUNC = 0o1000
const O_APPEND = 0o2000
/** The kernel opens a program to run it (FMODE_EXEC): that takes the right to execute, not to read. */
const OPEN_TO_EXECUTE = 0o40
const SECTOR_BYTES = 512
const SEEK_DATA = 3
const SEEK_HOLE = 4
const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
const FALLOC_FL_ZERO_RANGE = 16
const NAME_BYTES_MAX = 255
const TARGET_BYTES_MAX = 4095
const XATTR_BYTES_MAX = 65536
const FILE_BYTES_MAX = 2 ** 53
const CAPABILITY = 'security.capability'
/** Bits of the session's `disables` (spec client-master 2.5). */
const Disable = { READDIR: 1 << 13, READ: 1 << 14, WRITE: 1 << 15 } as const
/** How long the answer of a LOOKUP stands for an open or access that follows it (spec client-master 7.3). */
const LOOKUP_FRESH_MS = 1000
/** How long an answer waits for the kernel to ask for it. */
const AHEAD_MS = 100
/** ACL types of the master (spec client-master 5.8). */
const ACL_ACCESS = 1
const ACL_DEFAULT = 2
/** How long a process in a folder that is removed still sees what it was (spec client-master 7.3). */
const REMOVED_FOLDER_MS = 60_000
const ZEROES = Buffer.alloc(1024 * 1024)

const root: Caller = { uid: 0, gids: [0] }

/** What is known of an inode that somebody has open here. */
interface OpenInode {
  count: number
  /** Open files that may write. */
  writers: number
  /** Open files that were opened to be run, and are until nobody runs them. */
  runners: number
  data: FileData
  locks: FileLocks
  /** Permission bits as last told: whether a write must clear set-uid or set-gid. */
  mode: number
  gid: number
  mayHaveCapability: boolean
}

interface OpenFile {
  inode: number
  state: OpenInode
  writes: boolean
  runs: boolean
  append: boolean
  /** The answer of an OPEN that was sent behind the kernel's back: 0, or why writes must fail. */
  opened: Promise<Errno> | undefined
}

interface FreshLookup {
  pid: number
  uid: number
  gid: number
  lookupFlags: number
  attributes: NodeAttributes
}

/** The attributes of a folder, asked for before the kernel does. */
interface AskedAhead {
  uid: number
  gid: number
  answer: ReturnType<Cluster['getattr']>
}

export class ClusterFileSystem implements FileSystem {
  readonly #cluster: Cluster
  readonly #special: SpecialFiles
  readonly #groups: CallerGroups
  readonly #options: ClusterFileSystemOptions
  readonly #clock: Clock
  readonly #log: Log
  readonly #files = new Map<number, OpenFile>()
  readonly #folders: OpenFolders
  readonly #openInodes = new Map<number, OpenInode>()
  readonly #lookups: Recent<number, FreshLookup>
  /** What folders were like when they were seen last. */
  readonly #seenFolders: Recent<number, NodeAttributes>
  readonly #ahead: Recent<number, AskedAhead>
  /** Inodes known to have no extended attributes. */
  readonly #bare: RecentInodes
  readonly #xattrs: Recent<string, Buffer | Errno>
  /** Resolves when the kernel has dropped what the master told us to drop. */
  #dropped: Promise<void> = Promise.resolve()
  #nextHandle = 1

  constructor(
    cluster: Cluster,
    special: SpecialFiles,
    groups: CallerGroups,
    options: ClusterFileSystemOptions,
    clock: Clock,
    log: Log,
  ) {
    this.#cluster = cluster
    this.#special = special
    this.#groups = groups
    this.#options = options
    this.#clock = clock
    this.#log = log
    const nowMs = () => clock.monotonicMs()
    this.#lookups = new Recent(5000, nowMs)
    this.#folders = new OpenFolders({
      cluster,
      nowMs,
      callerOf: request => this.#caller(request),
      entryOf: (inode, attributes) => this.#entry(inode, attributes),
      unknownEntry,
      isOpenFile: inode => this.#openInodes.has(inode),
    })
    this.#bare = new RecentInodes(nowMs)
    this.#seenFolders = new Recent(1000, nowMs)
    this.#xattrs = new Recent(10_000, nowMs)
    this.#ahead = new Recent(1000, nowMs)
  }

  // ---- news from the master ----

  /** The data or the length of a file has changed elsewhere; `dropped` is the kernel forgetting it. */
  changedElsewhere(inode: number, dropped: Promise<void>): void {
    this.#lookups.delete(inode)
    const before = this.#dropped
    this.#dropped = Promise.all([before, dropped]).then(() => {})
  }

  /** Nothing that is remembered can be trusted. */
  forgetEverything(): void {
    this.#lookups.clear()
    this.#folders.forgetAll()
    this.#ahead.clear()
    this.#xattrs.clear()
    this.#bare.clear()
  }

  /** Inodes that are open here. */
  get openInodes(): Iterable<number> {
    return this.#openInodes.keys()
  }

  // ---- names ----

  lookup(request: Request, parent: number, name: string): Answer<Entry> {
    if (this.#special.names(parent, name)) return this.#special.lookup(name)
    if (name.length > NAME_BYTES_MAX) return errno.ENAMETOOLONG
    const listed = this.#folders.lookup(request, parent, name)
    if (!(listed instanceof Promise)) return listed ?? this.#lookup(request, parent, name)
    return listed.then(entry => entry ?? this.#lookup(request, parent, name))
  }

  async #lookup(request: Request, parent: number, name: string): Promise<Entry | Errno> {
    const found = await this.#cluster.lookup(parent, name, this.#caller(request))
    if (found.status !== undefined) return this.#missing(name, found.status)
    const { inode, attributes, lookupFlags } = found
    const { pid, uid, gid } = request
    if (attributes.type === TYPE_FILE) {
      this.#lookups.set(inode, { pid, uid, gid, lookupFlags, attributes }, LOOKUP_FRESH_MS)
    }
    return this.#entry(inode, attributes)
  }

  #missing(name: string, status: number): Entry | Errno {
    const error = errnoOf(status)
    if (error === errno.ENOENT && this.#special.stepsIn(name)) return this.#special.lookup(name)
    const seconds = this.#options.negativeEntrySeconds
    return status === Status.ENOENT && seconds > 0 ? noEntry(seconds) : error
  }

  forget(): void {
    // What is kept per inode is bounded or belongs to open files.
  }

  async symlink(request: Request, parent: number, name: string, target: string): Promise<Entry | Errno> {
    const bad = this.#badName(parent, name) || (target.length > TARGET_BYTES_MAX ? errno.ENAMETOOLONG : 0)
    if (bad) return bad
    const making = this.#cluster.symlink(parent, name, target, this.#caller(request))
    return this.#made(request, parent, making)
  }

  async mknod(
    request: Request,
    parent: number,
    name: string,
    mode: number,
    rdev: number,
    umask: number,
  ): Promise<Entry | Errno> {
    const bad = this.#badName(parent, name)
    if (bad) return bad
    const type = typeBits.indexOf(mode & S_IFMT || S_IFREG)
    if (type < 0 || type === TYPE_FOLDER) return errno.EPERM
    const caller = this.#caller(request)
    return this.#made(request, parent, this.#cluster.mknod(parent, name, type, mode & 0o7777, umask, rdev, caller))
  }

  async mkdir(request: Request, parent: number, name: string, mode: number, umask: number): Promise<Entry | Errno> {
    const bad = this.#badName(parent, name)
    if (bad) return bad
    const { copySgid } = this.#options
    const caller = this.#caller(request)
    return this.#made(request, parent, this.#cluster.mkdir(parent, name, mode & 0o7777, umask, copySgid, caller))
  }

  async link(request: Request, inode: number, targetParent: number, targetName: string): Promise<Entry | Errno> {
    if (this.#special.owns(inode)) return errno.EACCES
    const bad = this.#badName(targetParent, targetName)
    if (bad) return bad
    const making = this.#cluster.link(inode, targetParent, targetName, this.#caller(request))
    const made = await this.#made(request, targetParent, making)
    this.#changedInode(inode)
    return (await making).status === Status.NOSPACE ? errno.EMLINK : made
  }

  async unlink(request: Request, parent: number, name: string): Promise<Errno> {
    const bad = this.#badName(parent, name)
    if (bad) return bad
    const removing = this.#cluster.unlink(parent, name, this.#caller(request))
    return errnoOf(await this.#changing(request, parent, removing))
  }

  async rmdir(request: Request, parent: number, name: string): Promise<Errno> {
    const bad = this.#badName(parent, name)
    if (bad) return bad
    const removing = this.#cluster.rmdir(parent, name, this.#caller(request))
    return errnoOf(await this.#changing(request, parent, removing))
  }

  async rename(
    request: Request,
    parent: number,
    name: string,
    targetParent: number,
    targetName: string,
    flags: number,
  ): Promise<Errno> {
    // The original's master has no exchange, nor a rename that fails when the target exists: programs do it themselves.
    const { NOREPLACE, EXCHANGE } = RenameFlag
    if (flags !== 0 && !(this.#cluster.extended && (flags === NOREPLACE || flags === EXCHANGE))) return errno.EINVAL
    const bad = this.#badName(parent, name) || this.#badName(targetParent, targetName)
    if (bad) return bad
    const moving = this.#cluster.rename(parent, name, targetParent, targetName, this.#caller(request), flags)
    const moved = await this.#changing(request, parent, moving, targetParent)
    if (moved.status !== undefined) return errnoOf(moved.status)
    this.#lookups.delete(moved.inode)
    return 0
  }

  /** 0 when the name may be given to a new entry or taken from an old one. */
  #badName(parent: number, name: string): Errno {
    if (this.#special.names(parent, name)) return errno.EACCES
    return name.length > NAME_BYTES_MAX ? errno.ENAMETOOLONG : 0
  }

  async #made(request: Request, parent: number, making: ReturnType<Cluster['mknod']>): Promise<Entry | Errno> {
    const made = await this.#changing(request, parent, making)
    return made.status !== undefined ? errnoOf(made.status) : this.#entry(made.inode, made.attributes)
  }

  /**
   * Waits for a change of folders whose question is sent. With the change the kernel forgets their attributes, which it
   * needs for the next step into them: that question goes out right behind, so that both answers come together.
   */
  async #changing<T>(request: Request, parent: number, change: Promise<T>, other = parent): Promise<T> {
    this.#askAhead(request, parent)
    if (other !== parent) this.#askAhead(request, other)
    const result = await change
    for (const folder of [parent, other]) {
      this.#folders.forget(folder)
      this.#lookups.delete(folder)
    }
    return result
  }

  #askAhead(request: Request, folder: number): void {
    const { kernelPermissions, attributeSeconds } = this.#options
    // Who judges by what the master says at each step does not ask for attributes.
    if (!kernelPermissions || attributeSeconds === 0) return
    const { uid, gid } = request
    this.#ahead.set(folder, { uid, gid, answer: this.#askAttributes(request, folder, undefined) }, AHEAD_MS)
  }

  #changedInode(inode: number): void {
    this.#ahead.delete(inode)
    this.#lookups.delete(inode)
    // Which folders list it is not known.
    this.#folders.forgetAll()
  }

  // ---- attributes ----

  getattr(request: Request, inode: number, handle: number | undefined): Answer<TimedAttributes> {
    if (this.#special.owns(inode)) return this.#special.getattr(inode)
    return this.#getattr(request, inode, handle)
  }

  async #getattr(request: Request, inode: number, handle: number | undefined): Promise<TimedAttributes | Errno> {
    const answer = await (this.#takeAhead(request, inode) ?? this.#askAttributes(request, inode, handle))
    if (answer.status === Status.ENOENT) return this.#removedFolder(inode) ?? errno.ENOENT
    if (answer.status !== undefined) return errnoOf(answer.status)
    return this.#timed(inode, answer.attributes)
  }

  #askAttributes(request: Request, inode: number, handle: number | undefined): ReturnType<Cluster['getattr']> {
    const opened = handle !== undefined || this.#openInodes.has(inode)
    return this.#cluster.getattr(inode, opened, this.#primary(request))
  }

  /** The answer to a question of the same caller that was sent ahead; once. */
  #takeAhead({ uid, gid }: Request, inode: number): AskedAhead['answer'] | undefined {
    const ahead = this.#ahead.get(inode)
    if (ahead?.uid !== uid || ahead.gid !== gid) return undefined
    this.#ahead.delete(inode)
    return ahead.answer
  }

  /** A folder that somebody is still in although it has no name any more. */
  #removedFolder(inode: number): TimedAttributes | undefined {
    const known = this.#seenFolders.get(inode)
    return known && { attributes: toKernel(inode, { ...known, nlink: 0 }), attributeSeconds: 0 }
  }

  setattr(request: Request, inode: number, changes: AttributeChanges): Answer<TimedAttributes> {
    if (this.#special.owns(inode)) return this.#special.setattr(inode)
    return this.#setattr(request, inode, changes)
  }

  async #setattr(request: Request, inode: number, changes: AttributeChanges): Promise<TimedAttributes | Errno> {
    const caller = this.#caller(request)
    const opened = changes.handle !== undefined || this.#openInodes.has(inode)
    this.#changedInode(inode)
    let latest: NodeAttributes | undefined
    if (changes.size !== undefined) {
      if (changes.size >= FILE_BYTES_MAX) return errno.EFBIG
      // A handle shows that the right to write was tested at open.
      const answer = await this.#cluster.truncate(inode, changes.handle !== undefined, caller, changes.size)
      if (answer.status !== undefined) return errnoOf(answer.status)
      latest = answer.attributes
      if (changes.killPrivileges) latest = (await this.#killPrivileges(inode, latest, caller)) ?? latest
    }
    let set = setAttributes(changes, this.#clock, this.#options.sugidClearMode)
    if (set.setmask === 0 && changes.size === undefined) {
      const chown = await this.#chownOfNothing(inode, caller)
      if (typeof chown === 'number') return chown
      set = chown
    }
    if (set.setmask !== 0 || changes.size === undefined) {
      const answer = await this.#cluster.setattr(inode, opened, caller, set)
      if (answer.status !== undefined) return errnoOf(answer.status)
      latest = answer.attributes
      if (set.setmask & SetMask.MODE) this.#forgetXattrs(inode)
    }
    return this.#timed(inode, latest as NodeAttributes)
  }

  /**
   * chown(2) of neither owner nor group: like every other one it takes set-id bits away, and changes ctime. The kernel
   * says the same before a write or fallocate by somebody who is not the owner: when the file is open to write.
   */
  async #chownOfNothing(inode: number, caller: Caller): Promise<ReturnType<typeof setAttributes> | Errno> {
    const answer = await this.#cluster.getattr(inode, true, root)
    if (answer.status !== undefined) return errnoOf(answer.status)
    const { type, mode, uid, gid } = answer.attributes
    const keepsSetGid = (mode & S_IXGRP) === 0 && (caller.uid === 0 || caller.gids.includes(gid))
    const cleared = mode & ~(S_ISUID | (keepsSetGid ? 0 : S_ISGID))
    if (type === TYPE_FOLDER || cleared === mode || this.#options.sugidClearMode === 0) {
      return setAttributes({ killPrivileges: false }, this.#clock, 0)
    }
    if (caller.uid === 0 || caller.uid === uid) return this.#onlyMode(cleared)
    if (!this.#openInodes.get(inode)?.writers) return errno.EPERM
    await this.#killPrivileges(inode, answer.attributes, caller)
    return setAttributes({ killPrivileges: false }, this.#clock, 0)
  }

  access(request: Request, inode: number, mask: number): Answer {
    if (this.#special.owns(inode)) return this.#special.access(request, inode, mask)
    const fresh = this.#fresh(request, inode)
    if (fresh) return rightsError(fresh.lookupFlags, mask)
    return this.#access(request, inode, mask)
  }

  async #access(request: Request, inode: number, mask: number): Promise<Errno> {
    return errnoOf(await this.#cluster.access(inode, this.#caller(request), mask))
  }

  async readlink(_request: Request, inode: number): Promise<string | Errno> {
    const answer = await this.#cluster.readlink(inode)
    return answer.status !== undefined ? errnoOf(answer.status) : answer.target
  }

  async statfs(): Promise<SpaceUse | Errno> {
    const answer = await this.#cluster.statfs()
    const space = answer.status === undefined ? answer : { total: 0, available: 0, free: 0, inodes: 0 }
    const blockBytes = 65536
    // What 3.0.117 reports: 10^9 and its version are free, the inodes in use come on top.
    const inodesFree = 1_000_000_000 + 3_011_701
    return {
      blockBytes,
      blocks: Math.floor(space.total / blockBytes),
      blocksFree: Math.floor(space.available / blockBytes),
      blocksAvailable: Math.floor(space.available / blockBytes),
      inodes: inodesFree + space.inodes,
      inodesFree,
      nameBytesMax: NAME_BYTES_MAX,
    }
  }

  // ---- open files ----

  open(request: Request, inode: number, flags: number, killPrivileges: boolean): Answer<Opened> {
    if (this.#special.owns(inode)) return this.#special.open(request, inode, flags, this.#nextHandle++)
    const wants = openWants(flags)
    const { disables } = this.#cluster.parameters
    if (wants & OpenFlag.READ && disables & Disable.READ) return errno.EPERM
    if (wants & OpenFlag.WRITE && disables & Disable.WRITE) return errno.EPERM
    // The kernel refuses to empty a program that runs, but only when we have done it.
    const empties = (flags & (O_TRUNC | O_ACCMODE)) === (O_TRUNC | O_RDONLY)
    if (empties && this.#openInodes.get(inode)?.runners) return errno.ETXTBSY
    const fresh = flags & O_TRUNC ? undefined : this.#fresh(request, inode)
    if (fresh && fresh.attributes.type === TYPE_FILE) return this.#openKnown(request, inode, flags, wants, fresh)
    if (flags & OPEN_TO_EXECUTE) return this.#openToExecute(request, inode, flags, wants)
    return this.#openUnknown(request, inode, flags, wants, killPrivileges)
  }

  async #openToExecute(request: Request, inode: number, flags: number, wants: number): Promise<Opened | Errno> {
    const refused = await this.#access(request, inode, 1)
    return refused || this.#openUnknown(request, inode, flags, wants | OpenFlag.AFTER_CREATE, false)
  }

  /**
   * The rights are known from a LOOKUP of this moment: the kernel is answered at once and the master told afterwards.
   * Writes wait for its answer.
   */
  #openKnown(request: Request, inode: number, flags: number, wants: number, fresh: FreshLookup): Opened | Errno {
    const { lookupFlags, attributes } = fresh
    const mask = flags & OPEN_TO_EXECUTE ? 1 : (wants & OpenFlag.READ ? 4 : 0) | (wants & OpenFlag.WRITE ? 2 : 0)
    const error = rightsError(lookupFlags, mask)
    if (error !== 0) return error
    const openedFlags =
      (lookupFlags & LookupFlag.KEEP_CACHE ? OpenedFlag.KEEPCACHE : 0) |
      (lookupFlags & LookupFlag.DIRECT_MODE ? OpenedFlag.DIRECTMODE : 0) |
      (lookupFlags & LookupFlag.APPEND_ONLY ? OpenedFlag.APPENDONLY : 0)
    const opened = this.#register(inode, flags, openedFlags, attributes)
    const cleared = opened.flags & OpenAnswerFlag.KEEP_CACHE ? 0 : OpenFlag.CACHE_CLEARED
    const file = this.#files.get(opened.handle) as OpenFile
    file.opened = this.#cluster
      .open(inode, wants | OpenFlag.AFTER_CREATE | cleared, this.#primary(request))
      .then(answer => {
        file.opened = undefined
        if (answer.status === undefined) return 0
        // The count of open files must be right whatever happened; later writes and locks fail.
        const failed = errnoOf(answer.status)
        file.opened = Promise.resolve(failed)
        return failed
      })
    return opened
  }

  async #openUnknown(
    request: Request,
    inode: number,
    flags: number,
    wants: number,
    killPrivileges: boolean,
  ): Promise<Opened | Errno> {
    const caller = this.#caller(request)
    const truncate = flags & O_TRUNC ? OpenFlag.TRUNCATE : 0
    const answer = await this.#cluster.open(inode, wants | truncate, caller)
    if (answer.status !== undefined) return errnoOf(answer.status)
    if (truncate) this.#lookups.delete(inode)
    const opened = this.#register(inode, flags, answer.flags, answer.attributes)
    if (killPrivileges) await this.#killPrivileges(inode, answer.attributes, caller)
    await this.#dropped
    return opened
  }

  async create(
    request: Request,
    parent: number,
    name: string,
    mode: number,
    umask: number,
    flags: number,
  ): Promise<Created | Errno> {
    const bad = this.#badName(parent, name)
    if (bad) return bad
    const caller = this.#caller(request)
    const making = this.#cluster.create(parent, name, mode & 0o7777, umask, caller)
    const made = await this.#changing(request, parent, making)
    // Another client was faster: ESTALE makes the kernel look again, and open what is there now.
    if (made.status === Status.EEXIST && (flags & O_EXCL) === 0) return errno.ESTALE
    if (made.status !== undefined) return errnoOf(made.status)
    const opened = this.#register(made.inode, flags, made.flags, made.attributes)
    return { ...this.#entry(made.inode, made.attributes), ...opened }
  }

  #register(inode: number, flags: number, openedFlags: number, attributes: NodeAttributes): Opened {
    const state = this.#openInodes.get(inode) ?? this.#newOpenInode(inode)
    state.count++
    const writes = (flags & O_ACCMODE) !== 0
    if (writes) state.writers++
    const runs = (flags & OPEN_TO_EXECUTE) !== 0
    if (runs) state.runners++
    state.mode = attributes.mode
    state.gid = attributes.gid
    state.mayHaveCapability = (attributes.flags & MattrFlag.NOXATTR) === 0
    const append = (flags & O_APPEND) !== 0 || (openedFlags & OpenedFlag.APPENDONLY) !== 0
    const handle = this.#nextHandle++
    this.#files.set(handle, { inode, state, writes, runs, append, opened: undefined })
    return { handle, flags: this.#kernelFlags(openedFlags, append) }
  }

  #newOpenInode(inode: number): OpenInode {
    const data = this.#cluster.data(inode)
    const locks = new FileLocks(this.#cluster, inode, this.#clock)
    const state = { count: 0, writers: 0, runners: 0, data, locks, mode: 0, gid: 0, mayHaveCapability: true }
    this.#openInodes.set(inode, state)
    return state
  }

  #kernelFlags(openedFlags: number, append: boolean): number {
    const { cacheMode } = this.#options
    const { disables } = this.#cluster.parameters
    const direct =
      append ||
      cacheMode === 'DIRECT' ||
      (openedFlags & OpenedFlag.DIRECTMODE) !== 0 ||
      (disables & (Disable.READ | Disable.WRITE)) !== 0
    if (direct) return OpenAnswerFlag.DIRECT_IO | OpenAnswerFlag.PARALLEL_DIRECT_WRITES
    const keep = cacheMode === 'YES' || (cacheMode === 'AUTO' && (openedFlags & OpenedFlag.KEEPCACHE) !== 0)
    return keep ? OpenAnswerFlag.KEEP_CACHE : 0
  }

  async flush(_request: Request, inode: number, handle: number, lockOwner: bigint): Promise<Errno> {
    const file = this.#files.get(handle)
    if (!file) return this.#special.owns(inode) ? 0 : errno.EBADF
    const error = (await file.opened) || (await this.#finishWrites(file))
    // POSIX: closing any descriptor of a file drops the process's record locks on it.
    await file.state.locks.dropRecordLocks(lockOwner)
    return error
  }

  async release(_request: Request, inode: number, handle: number, flockOwner: bigint | undefined): Promise<Errno> {
    const file = this.#files.get(handle)
    if (!file) {
      if (this.#special.owns(inode)) this.#special.release(handle)
      return 0
    }
    this.#files.delete(handle)
    const { state } = file
    if (file.runs) state.runners--
    await file.opened
    // Pages that were written through a mapping come after the last close.
    const error = await state.data.flush()
    if (error !== 0) this.#log.error(`inode ${inode}: writing failed after the last close (errno ${error})`)
    if (flockOwner !== undefined) await state.locks.dropFlock(flockOwner)
    state.count--
    if (file.writes) state.writers--
    if (state.count === 0) {
      await state.locks.dropEverything()
      if (state.count === 0 && this.#openInodes.get(inode) === state) this.#openInodes.delete(inode)
    }
    this.#cluster.release(inode)
    return 0
  }

  async fsync(_request: Request, _inode: number, handle: number): Promise<Errno> {
    const file = this.#files.get(handle)
    if (!file) return 0
    return (await file.opened) || this.#finishWrites(file)
  }

  /** What was written before is safe when this answers, as far as the mount is meant to be safe. */
  #finishWrites({ state }: OpenFile): Promise<Errno> {
    return this.#options.syncToDisk ? state.data.sync() : state.data.flush()
  }

  // ---- data ----

  read(_request: Request, _inode: number, handle: number, offset: number, size: number): Answer<Buffer | Buffer[]> {
    const file = this.#files.get(handle)
    return file ? file.state.data.read(offset, size) : this.#special.read(handle, offset, size)
  }

  write(
    request: Request,
    _inode: number,
    handle: number,
    offset: number,
    data: Buffer,
    killPrivileges: boolean,
    mapped: boolean,
  ): Answer {
    const file = this.#files.get(handle)
    if (!file) return this.#special.write(handle)
    const { state } = file
    const append = file.append && !mapped
    const plain = !file.opened && !append && !state.mayHaveCapability && !(killPrivileges && isPrivileged(state.mode))
    if (plain && offset + data.length < FILE_BYTES_MAX) return state.data.write(offset, data)
    return this.#writeWithCare(request, file, append ? undefined : offset, data, killPrivileges)
  }

  async #writeWithCare(
    request: Request,
    file: OpenFile,
    /** Missing: at the end of the file. */
    at: number | undefined,
    data: Buffer,
    killPrivileges: boolean,
  ): Promise<Errno> {
    const { inode, state } = file
    const failed = await file.opened
    if (failed) return failed
    if (state.mayHaveCapability) {
      state.mayHaveCapability = false
      await this.#cluster.setxattr(inode, CAPABILITY, Buffer.alloc(0), 3, root)
    }
    if (killPrivileges) await this.#killPrivileges(inode, state, this.#caller(request))
    let offset = at
    if (offset === undefined) {
      const place = await this.#cluster.reserveAppend(inode, data.length)
      if (place.status !== undefined) return errnoOf(place.status)
      offset = place.offset
    }
    if (offset + data.length >= FILE_BYTES_MAX) return errno.EFBIG
    return state.data.write(offset, data)
  }

  /**
   * Clears set-uid and set-gid as a write by somebody without the right to keep them does.
   * @returns the new attributes, when anything was cleared
   */
  async #killPrivileges(
    inode: number,
    { mode, gid }: { mode: number; gid: number },
    caller: Caller,
  ): Promise<NodeAttributes | undefined> {
    if (!isPrivileged(mode)) return undefined
    // Set-gid without execution by the group is left to members of the group.
    const keepsSetGid = (mode & S_IXGRP) === 0 && caller.gids.includes(gid)
    const cleared = mode & ~(S_ISUID | (keepsSetGid ? 0 : S_ISGID))
    if (cleared === mode) return undefined
    const set = this.#onlyMode(cleared)
    let answer = await this.#cluster.setattr(inode, true, caller, set)
    if (answer.status !== undefined) answer = await this.#cluster.setattr(inode, true, root, set)
    if (answer.status !== undefined) return undefined
    const state = this.#openInodes.get(inode)
    if (state) state.mode = answer.attributes.mode
    this.#lookups.delete(inode)
    return answer.attributes
  }

  async fallocate(
    request: Request,
    inode: number,
    handle: number,
    mode: number,
    offset: number,
    length: number,
  ): Promise<Errno> {
    const file = this.#files.get(handle)
    if (!file) return errno.EBADF
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) return errno.EOPNOTSUPP
    const end = offset + length
    if (end >= FILE_BYTES_MAX) return errno.EFBIG
    const flushed = (await file.opened) || (await file.state.data.flush())
    if (flushed) return flushed
    const answer = await this.#cluster.getattr(inode, true, this.#primary(request))
    if (answer.status !== undefined) return errnoOf(answer.status)
    const size = answer.attributes.length
    this.#lookups.delete(inode)
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
      const error = await this.#zero(file.state.data, offset, Math.min(end, size))
      if (error !== 0) return error
    }
    if (mode & FALLOC_FL_KEEP_SIZE || end <= size) return 0
    const grown = await this.#cluster.truncate(inode, true, this.#caller(request), end)
    return grown.status !== undefined ? errnoOf(grown.status) : 0
  }

  /** Holes are zeros already, and stay holes. */
  async #zero(data: FileData, offset: number, end: number): Promise<Errno> {
    for (let from = offset; ; ) {
      const start = await data.seek('data', from, end)
      if (start === undefined) return data.flush()
      from = (await data.seek('hole', start, end)) ?? end
      for (let at = start; at < from; at += ZEROES.length) {
        const error = await data.write(at, ZEROES.subarray(0, Math.min(ZEROES.length, from - at)))
        if (error !== 0) return error
      }
    }
  }

  async lseek(
    request: Request,
    inode: number,
    handle: number,
    offset: number,
    whence: number,
  ): Promise<{ offset: number } | Errno> {
    const file = this.#files.get(handle)
    if (!file || (whence !== SEEK_DATA && whence !== SEEK_HOLE)) return errno.EINVAL
    const failed = await file.opened
    if (failed) return failed
    const answer = await this.#cluster.getattr(inode, true, this.#primary(request))
    if (answer.status !== undefined) return errnoOf(answer.status)
    const what = whence === SEEK_DATA ? 'data' : 'hole'
    const found = await file.state.data.seek(what, offset, answer.attributes.length)
    return found === undefined ? errno.ENXIO : { offset: found }
  }

  // ---- folders ----

  opendir(request: Request, inode: number): Answer<Opened> {
    if (this.#cluster.parameters.disables & Disable.READDIR) return errno.EPERM
    return this.#folders.open(request, inode)
  }

  readdir(request: Request, _inode: number, handle: number, offset: number, plus: boolean): Answer<DirectoryEntries> {
    return this.#folders.read(request, handle, offset, plus)
  }

  releasedir(_request: Request, _inode: number, handle: number): Answer {
    this.#folders.close(handle)
    return 0
  }

  // ---- extended attributes ----

  getxattr(request: Request, inode: number, name: string): Answer<Buffer> {
    if (this.#special.owns(inode)) return errno.EPERM
    if (!this.#options.xattrs) return errno.EOPNOTSUPP
    if (name.length > NAME_BYTES_MAX) return errno.ERANGE
    const bad = badXattrName(name)
    if (bad) return bad
    if (this.#bare.has(inode)) return errno.ENODATA
    const key = `${inode} ${request.uid} ${request.gid} ${name}`
    const known = this.#xattrs.get(key)
    return known !== undefined ? known : this.#getxattr(request, inode, name, key)
  }

  async #getxattr(request: Request, inode: number, name: string, key: string): Promise<Buffer | Errno> {
    const value = await this.#askXattr(request, inode, name)
    if (typeof value !== 'number' || value === errno.ENODATA) {
      this.#xattrs.set(key, value, this.#options.xattrSeconds * 1000)
    }
    return value
  }

  async #askXattr(request: Request, inode: number, name: string): Promise<Buffer | Errno> {
    const acl = aclType(name)
    if (acl !== undefined) {
      const answer = await this.#cluster.getfacl(inode, acl)
      return answer.status !== undefined ? errnoOf(answer.status) : encodeAcl(answer.acl)
    }
    // Names may be listed by anybody, as on Linux. Where the kernel judges it has tested the right to read the value.
    const opened = name === '' || this.#options.kernelPermissions || this.#openInodes.has(inode)
    const answer = await this.#cluster.getxattr(inode, name, opened, this.#caller(request))
    return answer.status !== undefined ? errnoOf(answer.status) : answer.value
  }

  listxattr(request: Request, inode: number): Answer<Buffer> {
    if (this.#special.owns(inode)) return errno.EPERM
    if (!this.#options.xattrs) return errno.EOPNOTSUPP
    if (this.#bare.has(inode)) return Buffer.alloc(0)
    return this.#askXattr(request, inode, '')
  }

  async setxattr(
    request: Request,
    inode: number,
    name: string,
    value: Buffer,
    flags: number,
    killSetGid: boolean,
  ): Promise<Errno> {
    const refused = this.#mayNotSetXattr(inode, name)
    if (refused) return refused
    if (value.length > XATTR_BYTES_MAX) return errno.ERANGE
    const type = aclType(name)
    if (type === undefined) {
      return this.#afterXattr(inode, await this.#cluster.setxattr(inode, name, value, flags & 3, this.#caller(request)))
    }
    const acl = decodeAcl(value)
    if (!acl) return errno.EINVAL
    const error = this.#afterXattr(inode, await this.#cluster.setfacl(inode, request.uid, type, acl))
    if (error === 0 && killSetGid) await this.#killSetGid(inode)
    return error
  }

  /** Who sets an ACL without being in the file's group takes its set-gid bit away. */
  async #killSetGid(inode: number): Promise<void> {
    const answer = await this.#cluster.getattr(inode, true, root)
    if (answer.status !== undefined) return
    const mode = answer.attributes.mode & ~S_ISGID
    if (mode !== answer.attributes.mode) await this.#cluster.setattr(inode, true, root, this.#onlyMode(mode))
  }

  #onlyMode(mode: number) {
    return { ...setAttributes({ killPrivileges: false }, this.#clock, 0), setmask: SetMask.MODE, mode }
  }

  async removexattr(request: Request, inode: number, name: string): Promise<Errno> {
    const refused = this.#mayNotSetXattr(inode, name)
    if (refused) return refused
    const type = aclType(name)
    const status =
      type === undefined
        ? await this.#cluster.setxattr(inode, name, Buffer.alloc(0), 3, this.#caller(request))
        : await this.#removeAcl(request, inode, type)
    // An ACL that is not there is as good as removed.
    return this.#afterXattr(inode, type !== undefined && status === Status.ENOATTR ? Status.OK : status)
  }

  /** Without its access ACL a file keeps the mode that it was shown with: the mask becomes the rights of the group. */
  async #removeAcl(request: Request, inode: number, type: number): Promise<number> {
    const answer = type === ACL_ACCESS ? await this.#cluster.getfacl(inode, type) : undefined
    if (answer === undefined) return this.#cluster.setfacl(inode, request.uid, type, NO_ACL)
    if (answer.status !== undefined) return answer.status
    const { user, group, mask, other } = answer.acl
    const plain = { ...NO_ACL, user, group: mask === NOT_GIVEN ? group : mask, other }
    return this.#cluster.setfacl(inode, request.uid, type, plain)
  }

  #mayNotSetXattr(inode: number, name: string): Errno {
    if (this.#special.owns(inode)) return errno.EPERM
    if (!this.#options.xattrs) return errno.EOPNOTSUPP
    return name.length > NAME_BYTES_MAX ? errno.ERANGE : badXattrName(name)
  }

  #afterXattr(inode: number, status: number): Errno {
    this.#changedInode(inode)
    this.#forgetXattrs(inode)
    const state = this.#openInodes.get(inode)
    if (state) state.mayHaveCapability = true
    return errnoOf(status)
  }

  #forgetXattrs(inode: number): void {
    this.#bare.delete(inode)
    // Keys begin with the inode, but who asked and for what is not known: rare enough to forget them all.
    this.#xattrs.clear()
    this.#lookups.delete(inode)
  }

  // ---- locks ----

  async getlk(
    request: Request,
    _inode: number,
    handle: number,
    owner: bigint,
    lock: RecordLock,
  ): Promise<RecordLock | Errno> {
    const file = this.#files.get(handle)
    if (!file) return errno.EBADF
    return (await file.opened) || file.state.locks.getRecordLock(request, owner, lock)
  }

  async setlk(
    request: Request,
    _inode: number,
    handle: number,
    owner: bigint,
    lock: RecordLock,
    wait: boolean,
  ): Promise<Errno> {
    const file = this.#files.get(handle)
    if (!file) return errno.EBADF
    return this.#locked(file, () => file.state.locks.setRecordLock(request, owner, lock, wait))
  }

  async flock(
    request: Request,
    _inode: number,
    handle: number,
    owner: bigint,
    type: number,
    wait: boolean,
  ): Promise<Errno> {
    const file = this.#files.get(handle)
    if (!file) return errno.EBADF
    return this.#locked(file, () => file.state.locks.setFlock(request, owner, type, wait))
  }

  /**
   * Whoever gets a lock next must see what was written under it: our writes are finished before a lock changes, and
   * the kernel has dropped what others changed before the caller learns that it has the lock.
   */
  async #locked(file: OpenFile, change: () => Promise<Errno>): Promise<Errno> {
    const failed = (await file.opened) || (await file.state.data.flush())
    if (failed) return failed
    const error = await change()
    await this.#dropped
    return error
  }

  destroy(): void {
    this.#log.debug('unmounted')
  }

  // ---- what the kernel is told ----

  #caller(request: Request): Caller {
    return { uid: request.uid, gids: this.#groups.of(request) }
  }

  #primary(request: Request): Caller {
    return { uid: request.uid, gids: [request.gid] }
  }

  /** The LOOKUP of less than a second ago by the same process, if no change came since. */
  #fresh(request: Request, inode: number): FreshLookup | undefined {
    const fresh = this.#lookups.get(inode)
    const same = fresh && fresh.pid === request.pid && fresh.uid === request.uid && fresh.gid === request.gid
    return same ? fresh : undefined
  }

  #entry(inode: number, attributes: NodeAttributes): Entry {
    const { entrySeconds, folderEntrySeconds } = this.#options
    const believed = attributes.type === TYPE_FOLDER ? folderEntrySeconds : entrySeconds
    this.#learn(inode, attributes)
    return {
      attributes: toKernel(inode, attributes),
      attributeSeconds: this.#attributeSeconds(attributes),
      entrySeconds: attributes.flags & MattrFlag.NOECACHE ? 0 : believed,
    }
  }

  #timed(inode: number, from: NodeAttributes): TimedAttributes {
    this.#learn(inode, from)
    return { attributes: toKernel(inode, from), attributeSeconds: this.#attributeSeconds(from) }
  }

  #attributeSeconds({ flags }: NodeAttributes): number {
    return flags & MattrFlag.NOACACHE ? 0 : this.#options.attributeSeconds
  }

  /** What attributes tell beside what the kernel keeps of them. */
  #learn(inode: number, from: NodeAttributes): void {
    const { attributeSeconds } = this.#options
    if (from.flags & MattrFlag.NOXATTR) this.#bare.add(inode, attributeSeconds * 1000)
    else this.#bare.delete(inode)
    if (from.type === TYPE_FOLDER) this.#seenFolders.set(inode, from, REMOVED_FOLDER_MS)
    const state = this.#openInodes.get(inode)
    if (state) {
      state.mode = from.mode
      state.gid = from.gid
      if ((from.flags & MattrFlag.NOXATTR) === 0) state.mayHaveCapability = true
    }
  }
}

const blank: Attributes = {
  inode: 0,
  mode: 0,
  nlink: 1,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blocks: 0,
  atime: 0,
  mtime: 0,
  ctime: 0,
}

/** Of a node of which only the type is known: the kernel must ask for the rest. */
function unknownEntry(inode: number, type: number): Entry {
  const mode = typeBits[type] ?? 0
  return { attributes: { ...blank, inode, mode }, attributeSeconds: 0, entrySeconds: -1 }
}

function noEntry(seconds: number): Entry {
  return { attributes: blank, attributeSeconds: 0, entrySeconds: seconds }
}

export function toKernel(inode: number, from: NodeAttributes): Attributes {
  const { type, mode, nlink, uid, gid, length, atime, mtime, ctime, atimeNs = 0, mtimeNs = 0, ctimeNs = 0 } = from
  const isDevice = type === 5 || type === 6
  const size = isDevice ? 0 : length
  return {
    inode,
    mode: (typeBits[type] ?? 0) | mode,
    nlink,
    uid,
    gid,
    rdev: isDevice ? length : 0,
    size,
    blocks: type === TYPE_FILE ? sectors(from) : Math.ceil(size / SECTOR_BYTES),
    atime,
    mtime,
    ctime,
    atimeNs,
    mtimeNs,
    ctimeNs,
  }
}

/** What stat(2) calls blocks. Never 0 for a file of any length: tar takes that for zeros without a look at the data. */
function sectors({ length, chunks = Infinity }: NodeAttributes): number {
  const most = Math.max(1, chunks * (MFSCHUNKSIZE / SECTOR_BYTES))
  return Math.min(most, Math.ceil(length / SECTOR_BYTES))
}

function openWants(flags: number): number {
  const access = flags & O_ACCMODE
  if (access === O_RDONLY) return OpenFlag.READ
  return access === O_WRONLY ? OpenFlag.WRITE : OpenFlag.READ | OpenFlag.WRITE
}

/** The errno for rights that a LOOKUP answer did not grant, 0 when it did. */
function rightsError(lookupFlags: number, mask: number): Errno {
  if (mask & 2 && lookupFlags & LookupFlag.READ_ONLY) return errno.EROFS
  if (mask & 2 && lookupFlags & LookupFlag.IMMUTABLE) return errno.EPERM
  return lookupFlags & (1 << mask) ? 0 : errno.EACCES
}

function isPrivileged(mode: number): boolean {
  return (mode & (S_ISUID | S_ISGID)) !== 0
}

/** The namespaces of Linux: another one is not supported, and a namespace alone is no name. */
function badXattrName(name: string): Errno {
  const dot = name.indexOf('.')
  const known = dot > 0 && ['user', 'trusted', 'security', 'system'].includes(name.slice(0, dot))
  if (!known) return errno.EOPNOTSUPP
  return dot === name.length - 1 ? errno.EINVAL : 0
}

function aclType(name: string): number | undefined {
  return name === ACCESS_ACL ? ACL_ACCESS : name === DEFAULT_ACL ? ACL_DEFAULT : undefined
}

function setAttributes(changes: AttributeChanges, clock: Clock, sugidClearMode: number) {
  const { mode, uid, gid, atime, mtime, atimeNs = 0, mtimeNs = 0 } = changes
  const now = Math.floor(clock.nowMs() / 1000)
  const seconds = (time: number | 'now' | undefined) => (time === undefined || time === 'now' ? now : time)
  const setmask =
    (mode !== undefined ? SetMask.MODE : 0) |
    (uid !== undefined ? SetMask.UID : 0) |
    (gid !== undefined ? SetMask.GID : 0) |
    (atime === undefined ? 0 : atime === 'now' ? SetMask.ATIME_NOW : SetMask.ATIME) |
    (mtime === undefined ? 0 : mtime === 'now' ? SetMask.MTIME_NOW : SetMask.MTIME)
  return {
    setmask,
    mode: mode ?? 0,
    uid: uid ?? 0,
    gid: gid ?? 0,
    atime: seconds(atime),
    mtime: seconds(mtime),
    atimeNs,
    mtimeNs,
    sugidClearMode,
  }
}
