// A small file system in memory: what the protocol's tests mount, with no master behind it. Permissions are not
// checked; locks belong to one mount.
import type { Clock } from '../env/env.ts'
import {
  type Answer,
  type AttributeChanges,
  type Attributes,
  type Created,
  type DirectoryEntry,
  type Entry,
  type FileSystem,
  LockType,
  type Opened,
  type RecordLock,
  type Request,
  type SpaceUse,
  type TimedAttributes,
} from './file-system.ts'
import { OpenAnswerFlag } from './fuse/abi.ts'
import * as errno from './fuse/errno.ts'

const S_IFMT = 0o170000
const S_IFREG = 0o100000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000
const FALLOC_FL_KEEP_SIZE = 1
const O_TRUNC = 0o1000

interface MemoryNode extends Attributes {
  content: Buffer
  target: string
  entries: Map<string, MemoryNode> | undefined
  parent: MemoryNode | undefined
  xattrs: Map<string, Buffer>
  locks: { owner: bigint; lock: RecordLock }[]
}

interface Waiter {
  attempt(): boolean
}

export class MemoryFileSystem implements FileSystem {
  readonly #clock: Clock
  readonly #nodes = new Map<number, MemoryNode>()
  readonly #listings = new Map<number, DirectoryEntry[]>()
  readonly #waiters = new Set<Waiter>()
  #nextInode = 1
  #nextHandle = 1
  /** Open handles, for tests that look for leaks. */
  readonly openHandles = new Set<number>()
  destroyed = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#create(S_IFDIR | 0o755, 0, 0)
  }

  // ---- names ----

  lookup(_request: Request, parent: number, name: string): Answer<Entry> {
    const folder = this.#nodes.get(parent)
    if (!folder) return errno.ENOENT
    const node = name === '.' ? folder : name === '..' ? (folder.parent ?? folder) : folder.entries?.get(name)
    return node ? entryOf(node) : errno.ENOENT
  }

  forget(): void {}

  mknod(request: Request, parent: number, name: string, mode: number, rdev: number, umask: number): Answer<Entry> {
    return this.#enter(parent, name, () => {
      const node = this.#create((mode & S_IFMT) | (mode & 0o7777 & ~umask), request.uid, request.gid)
      node.rdev = rdev
      return node
    })
  }

  mkdir(request: Request, parent: number, name: string, mode: number, umask: number): Answer<Entry> {
    return this.mknod(request, parent, name, S_IFDIR | mode, 0, umask)
  }

  symlink(request: Request, parent: number, name: string, target: string): Answer<Entry> {
    return this.#enter(parent, name, () => {
      const node = this.#create(S_IFLNK | 0o777, request.uid, request.gid)
      node.target = target
      node.size = target.length
      return node
    })
  }

  create(request: Request, parent: number, name: string, mode: number, umask: number, _flags: number): Answer<Created> {
    const entry = this.#enter(parent, name, () =>
      this.#create(S_IFREG | (mode & 0o7777 & ~umask), request.uid, request.gid),
    )
    return typeof entry === 'number' ? entry : { ...entry, ...this.#open(0) }
  }

  link(_request: Request, inode: number, targetParent: number, targetName: string): Answer<Entry> {
    const node = this.#nodes.get(inode)
    if (!node) return errno.ENOENT
    return this.#enter(targetParent, targetName, () => {
      node.nlink++
      return node
    })
  }

  unlink(_request: Request, parent: number, name: string): Answer {
    const node = this.#nodes.get(parent)?.entries?.get(name)
    if (!node) return errno.ENOENT
    if (node.entries) return errno.EISDIR
    this.#leave(parent, name, node)
    return 0
  }

  rmdir(_request: Request, parent: number, name: string): Answer {
    const node = this.#nodes.get(parent)?.entries?.get(name)
    if (!node) return errno.ENOENT
    if (!node.entries) return errno.ENOTDIR
    if (node.entries.size > 0) return errno.ENOTEMPTY
    this.#leave(parent, name, node)
    return 0
  }

  rename(
    _request: Request,
    parent: number,
    name: string,
    targetParent: number,
    targetName: string,
    flags: number,
  ): Answer {
    if (flags !== 0) return errno.EINVAL
    const from = this.#nodes.get(parent)
    const to = this.#nodes.get(targetParent)
    const node = from?.entries?.get(name)
    if (!from?.entries || !to?.entries || !node) return errno.ENOENT
    const replaced = to.entries.get(targetName)
    if (replaced === node) return 0
    if (replaced?.entries && replaced.entries.size > 0) return errno.ENOTEMPTY
    if (replaced) this.#leave(targetParent, targetName, replaced)
    from.entries.delete(name)
    to.entries.set(targetName, node)
    if (node.entries) {
      node.parent = to
      from.nlink--
      to.nlink++
    }
    return 0
  }

  #enter(parent: number, name: string, make: () => MemoryNode): Entry | number {
    const folder = this.#nodes.get(parent)
    if (!folder?.entries) return errno.ENOTDIR
    if (name.length > 255) return errno.ENAMETOOLONG
    if (folder.entries.has(name)) return errno.EEXIST
    const node = make()
    folder.entries.set(name, node)
    if (node.entries) {
      node.parent = folder
      folder.nlink++
    }
    this.#touch(folder)
    return entryOf(node)
  }

  #leave(parent: number, name: string, node: MemoryNode): void {
    const folder = this.#nodes.get(parent) as MemoryNode
    folder.entries?.delete(name)
    if (node.entries) {
      folder.nlink--
      node.nlink = 0
    } else {
      node.nlink--
    }
    this.#touch(folder)
  }

  #create(mode: number, uid: number, gid: number): MemoryNode {
    const now = this.#now()
    const isFolder = (mode & S_IFMT) === S_IFDIR
    const node: MemoryNode = {
      inode: this.#nextInode++,
      mode,
      nlink: isFolder ? 2 : 1,
      uid,
      gid,
      rdev: 0,
      size: 0,
      blocks: 0,
      atime: now,
      mtime: now,
      ctime: now,
      content: Buffer.alloc(0),
      target: '',
      entries: isFolder ? new Map() : undefined,
      parent: undefined,
      xattrs: new Map(),
      locks: [],
    }
    this.#nodes.set(node.inode, node)
    return node
  }

  // ---- attributes ----

  getattr(_request: Request, inode: number): Answer<TimedAttributes> {
    const node = this.#nodes.get(inode)
    return node ? entryOf(node) : errno.ENOENT
  }

  setattr(_request: Request, inode: number, changes: AttributeChanges): Answer<TimedAttributes> {
    const node = this.#nodes.get(inode)
    if (!node) return errno.ENOENT
    const now = this.#now()
    if (changes.size !== undefined) this.#resize(node, changes.size)
    if (changes.uid !== undefined) node.uid = changes.uid
    if (changes.gid !== undefined) node.gid = changes.gid
    if (changes.killPrivileges) dropPrivileges(node)
    if (changes.mode !== undefined) node.mode = (node.mode & S_IFMT) | changes.mode
    if (changes.atime !== undefined) node.atime = changes.atime === 'now' ? now : changes.atime
    if (changes.mtime !== undefined) node.mtime = changes.mtime === 'now' ? now : changes.mtime
    node.ctime = now
    return entryOf(node)
  }

  access(): Answer {
    return 0
  }

  readlink(_request: Request, inode: number): Answer<string> {
    return this.#nodes.get(inode)?.target ?? errno.ENOENT
  }

  statfs(): Answer<SpaceUse> {
    return {
      blockBytes: 65536,
      blocks: 1_000_000,
      blocksFree: 900_000,
      blocksAvailable: 800_000,
      inodes: this.#nodes.size + 1_000_000,
      inodesFree: 1_000_000,
      nameBytesMax: 255,
    }
  }

  // ---- contents ----

  open(_request: Request, inode: number, flags: number, killPrivileges: boolean): Answer<Opened> {
    const node = this.#nodes.get(inode)
    if (!node) return errno.ENOENT
    if (flags & O_TRUNC) this.#resize(node, 0)
    if (killPrivileges) dropPrivileges(node)
    return this.#open(OpenAnswerFlag.KEEP_CACHE)
  }

  #open(flags: number): Opened {
    const handle = this.#nextHandle++
    this.openHandles.add(handle)
    return { handle, flags }
  }

  read(_request: Request, inode: number, _handle: number, offset: number, size: number): Answer<Buffer> {
    const node = this.#nodes.get(inode)
    return node ? node.content.subarray(offset, Math.min(node.size, offset + size)) : errno.ENOENT
  }

  /** Answers in a later turn, as a network would. */
  async write(
    _request: Request,
    inode: number,
    _handle: number,
    offset: number,
    data: Buffer,
    killPrivileges: boolean,
  ): Promise<number> {
    await undefined
    const node = this.#nodes.get(inode)
    if (!node) return errno.ENOENT
    if (offset + data.length > node.size) this.#resize(node, offset + data.length)
    data.copy(node.content, offset)
    if (killPrivileges) dropPrivileges(node)
    node.mtime = node.ctime = this.#now()
    return 0
  }

  #resize(node: MemoryNode, size: number): void {
    if (size > node.content.length) {
      const content = Buffer.alloc(Math.max(size, 2 * node.content.length))
      node.content.copy(content, 0, 0, node.size)
      node.content = content
    } else if (size < node.size) {
      node.content.fill(0, size, node.size)
    }
    node.size = size
    node.blocks = Math.ceil(size / 512)
    node.mtime = node.ctime = this.#now()
  }

  fallocate(_request: Request, inode: number, _handle: number, mode: number, offset: number, length: number): Answer {
    const node = this.#nodes.get(inode)
    if (!node) return errno.ENOENT
    if ((mode & ~FALLOC_FL_KEEP_SIZE) !== 0) return errno.EOPNOTSUPP
    if (mode === 0 && offset + length > node.size) this.#resize(node, offset + length)
    return 0
  }

  lseek(): Answer<{ offset: number }> {
    return errno.ENOSYS
  }

  flush(_request: Request, inode: number, _handle: number, lockOwner: bigint): Answer {
    const node = this.#nodes.get(inode)
    if (node) this.#unlock(node, lockOwner)
    return 0
  }

  release(_request: Request, inode: number, handle: number, flockOwner: bigint | undefined): Answer {
    this.openHandles.delete(handle)
    const node = this.#nodes.get(inode)
    if (node && flockOwner !== undefined) this.#unlock(node, flockOwner)
    return 0
  }

  fsync(): Answer {
    return 0
  }

  // ---- folders ----

  opendir(_request: Request, inode: number): Answer<Opened> {
    return this.#nodes.get(inode)?.entries ? this.#open(0) : errno.ENOTDIR
  }

  readdir(_request: Request, inode: number, handle: number, offset: number): Answer<readonly DirectoryEntry[]> {
    const known = this.#listings.get(handle)
    if (known && offset !== 0) return known
    const node = this.#nodes.get(inode)
    if (!node?.entries) return errno.ENOTDIR
    const listing: DirectoryEntry[] = [
      { name: '.', entry: entryOf(node) },
      { name: '..', entry: entryOf(node.parent ?? node) },
    ]
    for (const [name, child] of node.entries) listing.push({ name, entry: entryOf(child) })
    this.#listings.set(handle, listing)
    return listing
  }

  releasedir(_request: Request, _inode: number, handle: number): Answer {
    this.#listings.delete(handle)
    this.openHandles.delete(handle)
    return 0
  }

  // ---- extended attributes ----

  setxattr(_request: Request, inode: number, name: string, value: Buffer, flags: number): Answer {
    const xattrs = this.#nodes.get(inode)?.xattrs
    if (!xattrs) return errno.ENOENT
    if (flags & 1 && xattrs.has(name)) return errno.EEXIST
    if (flags & 2 && !xattrs.has(name)) return errno.ENODATA
    xattrs.set(name, value)
    return 0
  }

  getxattr(_request: Request, inode: number, name: string): Answer<Buffer> {
    return this.#nodes.get(inode)?.xattrs.get(name) ?? errno.ENODATA
  }

  listxattr(_request: Request, inode: number): Answer<Buffer> {
    const names = [...(this.#nodes.get(inode)?.xattrs.keys() ?? [])]
    return Buffer.from(names.map(name => `${name}\0`).join(''), 'latin1')
  }

  removexattr(_request: Request, inode: number, name: string): Answer {
    return this.#nodes.get(inode)?.xattrs.delete(name) ? 0 : errno.ENODATA
  }

  // ---- locks: whole-range conflicts, ranges of one owner are not merged ----

  getlk(_request: Request, inode: number, _handle: number, owner: bigint, lock: RecordLock): Answer<RecordLock> {
    const node = this.#nodes.get(inode)
    if (!node) return errno.ENOENT
    return conflict(node, owner, lock)?.lock ?? { ...lock, type: LockType.UNLOCK }
  }

  setlk(request: Request, inode: number, _handle: number, owner: bigint, lock: RecordLock, wait: boolean): Answer {
    const node = this.#nodes.get(inode)
    if (!node) return errno.ENOENT
    const attempt = (): boolean => {
      if (lock.type !== LockType.UNLOCK && conflict(node, owner, lock)) return false
      node.locks = node.locks.filter(held => held.owner !== owner || !overlap(held.lock, lock))
      if (lock.type !== LockType.UNLOCK) node.locks.push({ owner, lock })
      return true
    }
    if (attempt()) {
      if (lock.type === LockType.UNLOCK) this.#wake()
      return 0
    }
    if (!wait) return errno.EAGAIN
    return new Promise(resolve => {
      const waiter: Waiter = {
        attempt() {
          const done = attempt()
          if (done) resolve(0)
          return done
        },
      }
      this.#waiters.add(waiter)
      request.onInterrupt = () => {
        this.#waiters.delete(waiter)
        resolve(errno.EINTR)
      }
    })
  }

  flock(request: Request, inode: number, handle: number, owner: bigint, type: number, wait: boolean): Answer {
    // A flock covers what no record lock can: a byte before the file.
    return this.setlk(request, inode, handle, owner, { type, start: -1n, end: -1n, pid: request.pid }, wait)
  }

  #unlock(node: MemoryNode, owner: bigint): void {
    node.locks = node.locks.filter(held => held.owner !== owner)
    this.#wake()
  }

  #wake(): void {
    for (const waiter of this.#waiters) if (waiter.attempt()) this.#waiters.delete(waiter)
  }

  destroy(): void {
    this.destroyed = true
  }

  #touch(node: MemoryNode): void {
    node.mtime = node.ctime = this.#now()
  }

  #now(): number {
    return Math.floor(this.#clock.nowMs() / 1000)
  }
}

function entryOf(node: MemoryNode): Entry {
  return { attributes: { ...node }, attributeSeconds: 1, entrySeconds: 1 }
}

function dropPrivileges(node: MemoryNode): void {
  node.mode &= node.mode & 0o010 ? ~0o6000 : ~0o4000
}

function overlap(a: RecordLock, b: RecordLock): boolean {
  return a.start <= b.end && b.start <= a.end
}

function conflict(node: MemoryNode, owner: bigint, lock: RecordLock) {
  return node.locks.find(
    held =>
      held.owner !== owner &&
      overlap(held.lock, lock) &&
      (held.lock.type === LockType.WRITE || lock.type === LockType.WRITE),
  )
}
