// The mount of what is no longer in the tree (spec client-master 5.10): files in the trash, which a rename into
// `trash/undel` brings back and unlink destroys, and deleted files that are still open somewhere.
//
//   /trash/undel        rename a trash file here to restore it
//   /trash/000 .. FFF   buckets (with `flat`: the files are in /trash itself), each with `undel` too
//   /trash/BUCKET/INODE|path|with|bars   contains the path where the file goes back to; writing changes it
//   /sustained/INODE|path|with|bars

import type { MetaCluster } from '../client/cluster.ts'
import type { Clock } from '../env/env.ts'
import { toKernel } from './cluster-file-system.ts'
import type {
  Answer,
  AttributeChanges,
  Attributes,
  Created,
  DirectoryEntry,
  Entry,
  Errno,
  FileSystem,
  Opened,
  RecordLock,
  Request,
  SpaceUse,
  TimedAttributes,
} from './file-system.ts'
import { OpenAnswerFlag, ROOT_ID } from './fuse/abi.ts'
import * as errno from './fuse/errno.ts'
import type { SpecialFiles } from './special-files.ts'
import { errnoOf } from './status-errno.ts'

const TRASH = 0x7ffffff8
const UNDEL = 0x7ffffff9
const SUSTAINED = 0x7ffffffa
const BUCKET_FIRST = 0x7fff0000
const BUCKETS = 4096
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const PATH_BYTES_MAX = 1024
const BELIEVE_SECONDS = 1
const KIND_TRASH = 1
const KIND_SUSTAINED = 2

interface OpenPath {
  inode: number
  content: Buffer
  changed: boolean
}

export class MetaFileSystem implements FileSystem {
  readonly #cluster: MetaCluster
  readonly #special: SpecialFiles
  readonly #flat: boolean
  readonly #clock: Clock
  readonly #open = new Map<number, OpenPath>()
  readonly #listings = new Map<number, DirectoryEntry[]>()
  #nextHandle = 1

  constructor(cluster: MetaCluster, special: SpecialFiles, flat: boolean, clock: Clock) {
    this.#cluster = cluster
    this.#special = special
    this.#flat = flat
    this.#clock = clock
  }

  // ---- names ----

  async lookup(request: Request, parent: number, name: string): Promise<Entry | Errno> {
    if (this.#special.stepsIn(name) && parent === ROOT_ID) return this.#special.lookup(name)
    if (parent !== ROOT_ID && request.uid !== 0) return errno.EACCES
    if (name === '.') return this.#folder(parent)
    if (name === '..') return this.#folder(parentOf(parent))
    if (parent === ROOT_ID) {
      if (name === 'trash') return this.#folder(TRASH)
      return name === 'sustained' ? this.#folder(SUSTAINED) : errno.ENOENT
    }
    if (name === 'undel' && (parent === TRASH || isBucket(parent))) return this.#folder(UNDEL)
    if (parent === TRASH && !this.#flat) {
      return /^[0-9A-F]{3}$/.test(name) ? this.#folder(BUCKET_FIRST + Number.parseInt(name, 16)) : errno.ENOENT
    }
    return this.#detached(parent, name)
  }

  async #detached(parent: number, name: string): Promise<Entry | Errno> {
    const inode = inodeOf(name)
    const kind = this.#kindIn(parent)
    if (inode === undefined || kind === undefined) return errno.ENOENT
    if (isBucket(parent) && inode % BUCKETS !== parent - BUCKET_FIRST) return errno.ENOENT
    const answer = await this.#cluster.detachedAttributes(inode, kind)
    if (answer.status !== undefined) return errnoOf(answer.status)
    return entryOf(toKernel(inode, answer.attributes))
  }

  /** Which detached files a folder holds. */
  #kindIn(folder: number): number | undefined {
    if (folder === SUSTAINED) return KIND_SUSTAINED
    return isBucket(folder) || (this.#flat && folder === TRASH) ? KIND_TRASH : undefined
  }

  #folder(inode: number): Entry {
    const now = Math.floor(this.#clock.nowMs() / 1000)
    const [mode, nlink] = folderShape(inode)
    return entryOf({
      inode,
      mode: S_IFDIR | mode,
      nlink,
      uid: 0,
      gid: 0,
      rdev: 0,
      size: 0,
      blocks: 0,
      atime: now,
      mtime: now,
      ctime: now,
    })
  }

  forget(): void {}

  async rename(
    request: Request,
    parent: number,
    name: string,
    targetParent: number,
    _targetName: string,
    flags: number,
  ): Promise<Errno> {
    if (flags !== 0) return errno.EINVAL
    const inode = inodeOf(name)
    if (request.uid !== 0) return errno.EACCES
    if (this.#kindIn(parent) !== KIND_TRASH || targetParent !== UNDEL || inode === undefined) return errno.EPERM
    return errnoOf(await this.#cluster.undelete(inode))
  }

  async unlink(request: Request, parent: number, name: string): Promise<Errno> {
    const inode = inodeOf(name)
    if (request.uid !== 0) return errno.EACCES
    if (this.#kindIn(parent) !== KIND_TRASH || inode === undefined) return errno.EPERM
    return errnoOf(await this.#cluster.purge(inode))
  }

  // Nothing is made here.

  symlink(): Answer<Entry> {
    return errno.EPERM
  }

  mknod(): Answer<Entry> {
    return errno.EPERM
  }

  mkdir(): Answer<Entry> {
    return errno.EPERM
  }

  rmdir(): Answer {
    return errno.EPERM
  }

  link(): Answer<Entry> {
    return errno.EPERM
  }

  create(): Answer<Created> {
    return errno.EPERM
  }

  readlink(): Answer<string> {
    return errno.EINVAL
  }

  // ---- attributes ----

  async getattr(_request: Request, inode: number): Promise<TimedAttributes | Errno> {
    if (isFolder(inode)) return this.#folder(inode)
    if (this.#special.owns(inode)) return this.#special.getattr(inode)
    const answer = await this.#cluster.detachedAttributes(inode, 0)
    return answer.status !== undefined ? errnoOf(answer.status) : entryOf(toKernel(inode, answer.attributes))
  }

  /** Programs that write a path truncate it first; the attributes of the deleted file itself stay as they are. */
  async setattr(request: Request, inode: number, changes: AttributeChanges): Promise<TimedAttributes | Errno> {
    if (isFolder(inode) || this.#special.owns(inode)) return errno.EPERM
    const { size, handle } = changes
    if (size === undefined || request.uid !== 0) return errno.EPERM
    const open = handle === undefined ? undefined : this.#open.get(handle)
    if (open) resize(open, size)
    return this.getattr(request, inode)
  }

  access(request: Request, inode: number, mask: number): Answer {
    if (inode === ROOT_ID) return mask & 2 ? errno.EACCES : 0
    if (!isFolder(inode) && this.#special.owns(inode)) return this.#special.access(request, inode, mask)
    return request.uid === 0 ? 0 : errno.EACCES
  }

  statfs(): Answer<SpaceUse> {
    const inodesFree = 1_000_000_000
    return {
      blockBytes: 65536,
      blocks: 0,
      blocksFree: 0,
      blocksAvailable: 0,
      inodes: inodesFree,
      inodesFree,
      nameBytesMax: 255,
    }
  }

  // ---- the paths of trash files ----

  async open(request: Request, inode: number, flags: number): Promise<Opened | Errno> {
    const handle = this.#nextHandle++
    if (this.#special.owns(inode)) return this.#special.open(request, inode, flags, handle)
    if (request.uid !== 0) return errno.EACCES
    const answer = await this.#cluster.trashPath(inode)
    if (answer.status !== undefined) return errnoOf(answer.status)
    const truncated = (flags & 0o1000) !== 0
    const content = truncated ? Buffer.alloc(0) : Buffer.from(`${answer.path}\n`, 'latin1')
    this.#open.set(handle, { inode, content, changed: false })
    return { handle, flags: OpenAnswerFlag.DIRECT_IO }
  }

  read(_request: Request, _inode: number, handle: number, offset: number, size: number): Answer<Buffer | Buffer[]> {
    const open = this.#open.get(handle)
    return open ? open.content.subarray(offset, offset + size) : this.#special.read(handle, offset, size)
  }

  write(_request: Request, _inode: number, handle: number, offset: number, data: Buffer): Answer {
    const open = this.#open.get(handle)
    if (!open) return this.#special.write(handle)
    if (offset + data.length > PATH_BYTES_MAX + 1) return errno.EINVAL
    if (offset + data.length > open.content.length) resize(open, offset + data.length)
    data.copy(open.content, offset)
    open.changed = true
    return 0
  }

  /** The path is set when a writer closes: up to the first line end. */
  async flush(_request: Request, _inode: number, handle: number): Promise<Errno> {
    const open = this.#open.get(handle)
    if (!open?.changed) return 0
    open.changed = false
    const path = open.content.toString('latin1').split(/[\n\0]/)[0] ?? ''
    return errnoOf(await this.#cluster.setTrashPath(open.inode, path))
  }

  release(_request: Request, inode: number, handle: number): Answer {
    if (!this.#open.delete(handle) && this.#special.owns(inode)) this.#special.release(handle)
    return 0
  }

  fsync(request: Request, inode: number, handle: number): Answer {
    return this.flush(request, inode, handle)
  }

  fallocate(): Answer {
    return errno.EOPNOTSUPP
  }

  lseek(): Answer<{ offset: number }> {
    return errno.ENOSYS
  }

  // ---- folders ----

  async opendir(request: Request, inode: number): Promise<Opened | Errno> {
    if (inode !== ROOT_ID && request.uid !== 0) return errno.EACCES
    if (inode === UNDEL) return errno.EACCES
    return { handle: this.#nextHandle++, flags: 0 }
  }

  async readdir(
    _request: Request,
    inode: number,
    handle: number,
    offset: number,
  ): Promise<readonly DirectoryEntry[] | Errno> {
    const known = this.#listings.get(handle)
    if (known && offset !== 0) return known
    const inside = await this.#inside(inode)
    if (typeof inside === 'number') return inside
    const listing = [
      { name: '.', entry: this.#folder(inode) },
      { name: '..', entry: this.#folder(parentOf(inode)) },
      ...inside,
    ]
    this.#listings.set(handle, listing)
    return listing
  }

  async #inside(folder: number): Promise<DirectoryEntry[] | Errno> {
    const named = (name: string, inode: number) => ({ name, entry: this.#folder(inode) })
    if (folder === ROOT_ID) return [named('trash', TRASH), named('sustained', SUSTAINED)]
    const undel = folder === SUSTAINED ? [] : [named('undel', UNDEL)]
    if (folder === TRASH && !this.#flat) {
      const buckets = Array.from({ length: BUCKETS }, (_, bucket) => named(hex(bucket, 3), BUCKET_FIRST + bucket))
      return [...undel, ...buckets]
    }
    const bucket = isBucket(folder) ? folder - BUCKET_FIRST : undefined
    const answer = await (folder === SUSTAINED ? this.#cluster.sustained() : this.#cluster.trash(bucket))
    if (answer.status !== undefined) return errnoOf(answer.status)
    return [...undel, ...answer.entries.map(listedFile)]
  }

  releasedir(_request: Request, _inode: number, handle: number): Answer {
    this.#listings.delete(handle)
    return 0
  }

  // ---- what such files do not have ----

  setxattr(): Answer {
    return errno.EOPNOTSUPP
  }

  getxattr(): Answer<Buffer> {
    return errno.EOPNOTSUPP
  }

  listxattr(): Answer<Buffer> {
    return errno.EOPNOTSUPP
  }

  removexattr(): Answer {
    return errno.EOPNOTSUPP
  }

  getlk(): Answer<RecordLock> {
    return errno.EOPNOTSUPP
  }

  setlk(): Answer {
    return errno.EOPNOTSUPP
  }

  flock(): Answer {
    return errno.EOPNOTSUPP
  }

  destroy(): void {}
}

/** Permissions and link count as 3.0.117 shows them. */
function folderShape(inode: number): [mode: number, nlink: number] {
  switch (inode) {
    case ROOT_ID:
      return [0o555, 4]
    case TRASH:
      return [0o700, BUCKETS + 3]
    case UNDEL:
      return [0o200, BUCKETS + 2]
    case SUSTAINED:
      return [0o500, 2]
    default:
      return [0o700, 3]
  }
}

function isBucket(inode: number): boolean {
  return inode >= BUCKET_FIRST && inode < BUCKET_FIRST + BUCKETS
}

function isFolder(inode: number): boolean {
  return inode === ROOT_ID || (inode >= TRASH && inode <= SUSTAINED) || isBucket(inode)
}

function parentOf(inode: number): number {
  return inode === UNDEL || isBucket(inode) ? TRASH : ROOT_ID
}

/** `0000001F|path` belongs to inode 31. */
function inodeOf(name: string): number | undefined {
  const digits = /^([0-9A-F]{8})\|/.exec(name)?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 16)
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

function listedFile({ name, inode }: { name: string; inode: number }): DirectoryEntry {
  const attributes = { ...unknownFile, inode }
  return { name: `${hex(inode, 8)}|${name}`, entry: { attributes, attributeSeconds: 0, entrySeconds: -1 } }
}

const unknownFile: Attributes = {
  inode: 0,
  mode: S_IFREG,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blocks: 0,
  atime: 0,
  mtime: 0,
  ctime: 0,
}

function entryOf(attributes: Attributes): Entry {
  return { attributes, entrySeconds: BELIEVE_SECONDS, attributeSeconds: BELIEVE_SECONDS }
}

function resize(open: OpenPath, size: number): void {
  const content = Buffer.alloc(Math.min(size, PATH_BYTES_MAX + 1))
  open.content.copy(content)
  open.content = content
}
