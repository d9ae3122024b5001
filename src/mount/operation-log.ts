// Every operation with its result, for the files .oplog and .ophistory and the counters of .stats: a file system
// around another one. Records are kept as they are and put into words only when somebody reads them.
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import type { Clock } from '../env/env.ts'
import {
  type Answer,
  type AttributeChanges,
  type Attributes,
  type Created,
  type DirectoryEntries,
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
import type { Statistics } from './statistics.ts'

interface OperationRecord {
  timeMs: number
  uid: number
  gid: number
  pid: number
  operation: string
  /** `(1,name)`, made when it is read. */
  describe: () => string
  /** An errno, words ready to show, or the data that `show` puts into words; undefined while it is not there. */
  result: unknown
  show: (result: never) => string
}

/** The files in which the records are read. */
export const LogFile = { OPLOG: 0x7ffffff1, OPHISTORY: 0x7ffffff2 } as const

/** Records kept for .ophistory: about 1.5 MB of text. */
const HISTORY_MAX = 10_000

/** The last operations, and who waits for the next. */
export class OperationLog {
  readonly #records: OperationRecord[] = []
  /** Number of the oldest record kept; records are numbered from 0. */
  #first = 0
  readonly #waiting = new Set<() => void>()

  add(record: OperationRecord): void {
    this.#records.push(record)
    if (this.#records.length >= 2 * HISTORY_MAX) {
      this.#records.splice(0, HISTORY_MAX)
      this.#first += HISTORY_MAX
    }
    if (this.#waiting.size === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Number of the next record. */
  get end(): number {
    return this.#first + this.#records.length
  }

  /** Number of the oldest record that the history offers. */
  get start(): number {
    return Math.max(this.#first, this.end - HISTORY_MAX)
  }

  /** The line of one record, `undefined` when it is no longer kept. */
  line(number: number): string | undefined {
    const record = this.#records[number - this.#first]
    return record && formatRecord(record)
  }

  /** Calls `wake` once, at the next record, unless the function that comes back is called before. */
  wait(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }
}

function formatRecord(record: OperationRecord): string {
  const { timeMs, uid, gid, pid, operation } = record
  const at = new Date(timeMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const time = `${two(at.getMonth() + 1)}.${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  const micros = String(Math.floor((timeMs % 1000) * 1000)).padStart(6, '0')
  return `${time}.${micros}: uid:${uid} gid:${gid} pid:${pid} cmd:${operation} ${record.describe()}: ${outcome(record)}\n`
}

function outcome({ result, show }: OperationRecord): string {
  if (result === undefined) return '(no answer yet)'
  if (typeof result === 'number') {
    return result === 0 ? 'OK' : errorText(result)
  }
  const shown = typeof result === 'string' ? result : show(result as never)
  return shown === '' ? 'OK' : `OK ${shown}`
}

function errorText(errno: number): string {
  const message = getSystemErrorMessage(-errno) ?? ''
  return `${getSystemErrorName(-errno)} (${message.charAt(0).toUpperCase()}${message.slice(1)})`
}

const nothing = () => ''

export class ObservedFileSystem implements FileSystem {
  readonly #inner: FileSystem
  readonly #log: OperationLog
  readonly #statistics: Statistics
  readonly #clock: Clock

  constructor(inner: FileSystem, log: OperationLog, statistics: Statistics, clock: Clock) {
    this.#inner = inner
    this.#log = log
    this.#statistics = statistics
    this.#clock = clock
    statistics.declare(...operations.map(name => counterNames[name]))
  }

  /** `keep` is for results too large to hold on to: what it returns is recorded in their place. */
  #see<T>(
    request: Request,
    operation: (typeof operations)[number],
    answer: Answer<T>,
    describe: () => string,
    show: (result: T) => string,
    keep: (result: T | number) => unknown = result => result,
  ): Answer<T> {
    this.#statistics.count(counterNames[operation])
    const { uid, gid, pid } = request
    const record: OperationRecord = {
      timeMs: this.#clock.nowMs(),
      uid,
      gid,
      pid,
      operation,
      describe,
      result: undefined,
      show,
    }
    if (!(answer instanceof Promise)) {
      record.result = keep(answer)
      this.#log.add(record)
      return answer
    }
    return answer.then(result => {
      record.result = keep(result)
      this.#log.add(record)
      return result
    })
  }

  lookup(request: Request, parent: number, name: string): Answer<Entry> {
    const answer = this.#inner.lookup(request, parent, name)
    return this.#see(request, 'lookup', answer, () => `(${parent},${utf8(name)})`, showEntry)
  }

  forget(inode: number, count: number): void {
    this.#inner.forget(inode, count)
  }

  getattr(request: Request, inode: number, handle: number | undefined): Answer<TimedAttributes> {
    const answer = this.#inner.getattr(request, inode, handle)
    return this.#see(request, 'getattr', answer, () => `(${inode}) ${showHandle(handle)}`, showAttributes)
  }

  setattr(request: Request, inode: number, changes: AttributeChanges): Answer<TimedAttributes> {
    const answer = this.#inner.setattr(request, inode, changes)
    const describe = () => `(${inode},[${showChanges(changes)}]) ${showHandle(changes.handle)}`
    return this.#see(request, 'setattr', answer, describe, showAttributes)
  }

  readlink(request: Request, inode: number): Answer<string> {
    const answer = this.#inner.readlink(request, inode)
    return this.#see(request, 'readlink', answer, () => `(${inode})`, nothing, keepText)
  }

  symlink(request: Request, parent: number, name: string, target: string): Answer<Entry> {
    const answer = this.#inner.symlink(request, parent, name, target)
    return this.#see(request, 'symlink', answer, () => `(${utf8(target)},${parent},${utf8(name)})`, showEntry)
  }

  mknod(request: Request, parent: number, name: string, mode: number, rdev: number, umask: number): Answer<Entry> {
    const answer = this.#inner.mknod(request, parent, name, mode, rdev, umask)
    const describe = () => `(${parent},${utf8(name)},${showMode(mode)},0x${rdev.toString(16).padStart(8, '0')})`
    return this.#see(request, 'mknod', answer, describe, showEntry)
  }

  mkdir(request: Request, parent: number, name: string, mode: number, umask: number): Answer<Entry> {
    const answer = this.#inner.mkdir(request, parent, name, mode, umask)
    const describe = () => `(${parent},${utf8(name)},${showMode(0o40000 | mode)})`
    return this.#see(request, 'mkdir', answer, describe, showEntry)
  }

  unlink(request: Request, parent: number, name: string): Answer {
    const answer = this.#inner.unlink(request, parent, name)
    return this.#see(request, 'unlink', answer, () => `(${parent},${utf8(name)})`, nothing)
  }

  rmdir(request: Request, parent: number, name: string): Answer {
    const answer = this.#inner.rmdir(request, parent, name)
    return this.#see(request, 'rmdir', answer, () => `(${parent},${utf8(name)})`, nothing)
  }

  rename(
    request: Request,
    parent: number,
    name: string,
    targetParent: number,
    targetName: string,
    flags: number,
  ): Answer {
    const answer = this.#inner.rename(request, parent, name, targetParent, targetName, flags)
    const describe = () => `(${parent},${utf8(name)},${targetParent},${utf8(targetName)},${flags})`
    return this.#see(request, 'rename', answer, describe, nothing)
  }

  link(request: Request, inode: number, targetParent: number, targetName: string): Answer<Entry> {
    const answer = this.#inner.link(request, inode, targetParent, targetName)
    return this.#see(request, 'link', answer, () => `(${inode},${targetParent},${utf8(targetName)})`, showEntry)
  }

  open(request: Request, inode: number, flags: number, killPrivileges: boolean): Answer<Opened> {
    const answer = this.#inner.open(request, inode, flags, killPrivileges)
    return this.#see(request, 'open', answer, () => `(${inode},${showOpenFlags(flags)})`, showOpened)
  }

  create(request: Request, parent: number, name: string, mode: number, umask: number, flags: number): Answer<Created> {
    const answer = this.#inner.create(request, parent, name, mode, umask, flags)
    const describe = () => `(${parent},${utf8(name)},${showOpenFlags(flags)},${showMode(mode)})`
    const show = (created: Created) => `${showEntry(created)} ${showOpened(created)}`
    return this.#see(request, 'create', answer, describe, show)
  }

  read(request: Request, inode: number, handle: number, offset: number, size: number): Answer<Buffer | Buffer[]> {
    const answer = this.#inner.read(request, inode, handle, offset, size)
    // Whoever reads the log would have no end of lines about that.
    if (inode === LogFile.OPLOG || inode === LogFile.OPHISTORY) return answer
    const describe = () => `(${inode},${size},${offset}) ${showHandle(handle)}`
    return this.#see(request, 'read', answer, describe, nothing, keepBytes)
  }

  write(
    request: Request,
    inode: number,
    handle: number,
    offset: number,
    data: Buffer,
    killPrivileges: boolean,
    mapped: boolean,
  ): Answer {
    const size = data.length
    const answer = this.#inner.write(request, inode, handle, offset, data, killPrivileges, mapped)
    return this.#see(request, 'write', answer, () => `(${inode},${size},${offset}) ${showHandle(handle)}`, nothing)
  }

  flush(request: Request, inode: number, handle: number, lockOwner: bigint): Answer {
    const answer = this.#inner.flush(request, inode, handle, lockOwner)
    const describe = () => `(${inode}) [handle:${hex(handle)},lock_owner:${owner(lockOwner)}]`
    return this.#see(request, 'flush', answer, describe, nothing)
  }

  release(request: Request, inode: number, handle: number, flockOwner: bigint | undefined): Answer {
    const answer = this.#inner.release(request, inode, handle, flockOwner)
    const describe = () => `(${inode}) [handle:${hex(handle)},lock_owner:${owner(flockOwner ?? 0n)}]`
    return this.#see(request, 'release', answer, describe, nothing)
  }

  fsync(request: Request, inode: number, handle: number, dataOnly: boolean): Answer {
    const answer = this.#inner.fsync(request, inode, handle, dataOnly)
    return this.#see(request, 'fsync', answer, () => `(${inode},${dataOnly ? 1 : 0}) ${showHandle(handle)}`, nothing)
  }

  opendir(request: Request, inode: number): Answer<Opened> {
    const answer = this.#inner.opendir(request, inode)
    return this.#see(
      request,
      'opendir',
      answer,
      () => `(${inode})`,
      ({ handle }) => showHandle(handle),
    )
  }

  readdir(request: Request, inode: number, handle: number, offset: number, plus: boolean): Answer<DirectoryEntries> {
    const answer = this.#inner.readdir(request, inode, handle, offset, plus)
    const describe = () => `(${inode},${offset}) ${showHandle(handle)}`
    return this.#see(request, 'readdir', answer, describe, nothing, keepCount)
  }

  releasedir(request: Request, inode: number, handle: number): Answer {
    const answer = this.#inner.releasedir(request, inode, handle)
    return this.#see(request, 'releasedir', answer, () => `(${inode}) ${showHandle(handle)}`, nothing)
  }

  statfs(request: Request, inode: number): Answer<SpaceUse> {
    const answer = this.#inner.statfs(request, inode)
    const show = ({ blockBytes, blocks, blocksAvailable, blocksFree, inodes, inodesFree }: SpaceUse) =>
      `(${blocks * blockBytes},${blocksAvailable * blockBytes},${blocksFree * blockBytes},${inodes - inodesFree})`
    return this.#see(request, 'statfs', answer, () => `(${inode})`, show)
  }

  setxattr(request: Request, inode: number, name: string, value: Buffer, flags: number, killSetGid: boolean): Answer {
    const answer = this.#inner.setxattr(request, inode, name, value, flags, killSetGid)
    const bytes = value.length
    return this.#see(request, 'setxattr', answer, () => `(${inode},${utf8(name)},${bytes},${flags})`, nothing)
  }

  getxattr(request: Request, inode: number, name: string): Answer<Buffer> {
    const answer = this.#inner.getxattr(request, inode, name)
    return this.#see(request, 'getxattr', answer, () => `(${inode},${utf8(name)})`, nothing, keepBytes)
  }

  listxattr(request: Request, inode: number): Answer<Buffer> {
    const answer = this.#inner.listxattr(request, inode)
    return this.#see(request, 'listxattr', answer, () => `(${inode})`, nothing, keepBytes)
  }

  removexattr(request: Request, inode: number, name: string): Answer {
    const answer = this.#inner.removexattr(request, inode, name)
    return this.#see(request, 'removexattr', answer, () => `(${inode},${utf8(name)})`, nothing)
  }

  access(request: Request, inode: number, mask: number): Answer {
    const answer = this.#inner.access(request, inode, mask)
    return this.#see(request, 'access', answer, () => `(${inode},0x${mask.toString(16)})`, nothing)
  }

  getlk(request: Request, inode: number, handle: number, lockOwner: bigint, lock: RecordLock): Answer<RecordLock> {
    const answer = this.#inner.getlk(request, inode, handle, lockOwner, lock)
    const describe = () => `(${showLock(inode, lockOwner, lock)}) ${showHandle(handle)}`
    return this.#see(request, 'getlk', answer, describe, found => `(${showLock(inode, 0n, found)})`)
  }

  setlk(request: Request, inode: number, handle: number, lockOwner: bigint, lock: RecordLock, wait: boolean): Answer {
    const answer = this.#inner.setlk(request, inode, handle, lockOwner, lock, wait)
    const describe = () => `(${showLock(inode, lockOwner, lock)}) ${showHandle(handle)}`
    return this.#see(request, wait ? 'setlkw' : 'setlk', answer, describe, nothing)
  }

  flock(request: Request, inode: number, handle: number, lockOwner: bigint, type: number, wait: boolean): Answer {
    const answer = this.#inner.flock(request, inode, handle, lockOwner, type, wait)
    const kind =
      type === LockType.UNLOCK ? 'UNLOCK' : `${wait ? 'LOCK' : 'TRYLOCK'}${type === LockType.READ ? 'SH' : 'EX'}`
    const describe = () => `(${inode},${owner(lockOwner)},${kind}) ${showHandle(handle)}`
    return this.#see(request, 'flock', answer, describe, nothing)
  }

  fallocate(request: Request, inode: number, handle: number, mode: number, offset: number, length: number): Answer {
    const answer = this.#inner.fallocate(request, inode, handle, mode, offset, length)
    const describe = () => `(${inode},0x${mode.toString(16)},${offset},${length}) ${showHandle(handle)}`
    return this.#see(request, 'fallocate', answer, describe, nothing)
  }

  lseek(request: Request, inode: number, handle: number, offset: number, whence: number): Answer<{ offset: number }> {
    const answer = this.#inner.lseek(request, inode, handle, offset, whence)
    const describe = () => `(${inode},${offset},${whence}) ${showHandle(handle)}`
    return this.#see(request, 'lseek', answer, describe, found => `(${found.offset})`)
  }

  destroy(): void {
    this.#inner.destroy()
  }
}

const operations = [
  'statfs',
  'access',
  'lookup',
  'getattr',
  'setattr',
  'mknod',
  'unlink',
  'mkdir',
  'rmdir',
  'symlink',
  'readlink',
  'rename',
  'link',
  'opendir',
  'readdir',
  'releasedir',
  'create',
  'open',
  'release',
  'read',
  'write',
  'flush',
  'fsync',
  'setlk',
  'setlkw',
  'getlk',
  'flock',
  'removexattr',
  'listxattr',
  'getxattr',
  'setxattr',
  'fallocate',
  'lseek',
] as const

/** Made once: names that are put together for each operation would be looked up as new strings. */
const counterNames = Object.fromEntries(operations.map(name => [name, `fuse_ops.${name}`])) as Record<
  (typeof operations)[number],
  string
>

function utf8(name: string): string {
  // Lines must stay lines, whatever a file is called.
  return Buffer.from(name, 'latin1')
    .toString('utf8')
    .replace(/[\n\r]/g, '?')
}

function hex(handle: number): string {
  return handle.toString(16).toUpperCase().padStart(8, '0')
}

function owner(value: bigint): string {
  return value.toString(16).toUpperCase().padStart(16, '0')
}

function showHandle(handle: number | undefined): string {
  return handle === undefined ? '[no handle]' : `[handle:${hex(handle)}]`
}

const typeLetters: Record<number, string> = { 1: 'f', 2: 'c', 4: 'd', 6: 'b', 8: '-', 10: 'l', 12: 's' }

function showMode(mode: number): string {
  const bits = (shift: number, special: number, letter: string) => {
    const execute = mode & (1 << shift)
    const marked = mode & special
    const last = marked ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-'
    return `${mode & (4 << shift) ? 'r' : '-'}${mode & (2 << shift) ? 'w' : '-'}${last}`
  }
  const letter = typeLetters[(mode >>> 12) & 15] ?? '?'
  const permissions = `${bits(6, 0o4000, 's')}${bits(3, 0o2000, 's')}${bits(0, 0o1000, 't')}`
  return `${letter}${permissions}:${mode.toString(8).padStart(7, '0')}`
}

function showNode(a: Attributes): string {
  return `[${showMode(a.mode)},${a.nlink},${a.uid},${a.gid},${a.atime},${a.mtime},${a.ctime},${a.size}]`
}

function showAttributes({ attributes, attributeSeconds }: TimedAttributes): string {
  return `(${attributeSeconds.toFixed(1)},${showNode(attributes)})`
}

function showEntry({ attributes, entrySeconds, attributeSeconds }: Entry): string {
  const { inode } = attributes
  return `(${entrySeconds.toFixed(1)},${inode},${attributeSeconds.toFixed(1)},${showNode(attributes)})`
}

function showOpened({ handle, flags }: Opened): string {
  const direct = flags & OpenAnswerFlag.DIRECT_IO ? 1 : 0
  const keep = flags & OpenAnswerFlag.KEEP_CACHE ? 1 : 0
  return `(direct_io:${direct},keep_cache:${keep}) ${showHandle(handle)}`
}

function showChanges(changes: AttributeChanges): string {
  const { mode, uid, gid, size, atime, mtime } = changes
  const shown: string[] = []
  if (mode !== undefined) shown.push(`mode=${showMode(mode).slice(1, 10)}:${mode.toString(8).padStart(5, '0')}`)
  if (uid !== undefined) shown.push(`uid=${uid}`)
  if (gid !== undefined) shown.push(`gid=${gid}`)
  if (atime !== undefined) shown.push(`atime=${atime === 'now' ? 'NOW' : atime}`)
  if (mtime !== undefined) shown.push(`mtime=${mtime === 'now' ? 'NOW' : mtime}`)
  if (size !== undefined) shown.push(`size=${size}`)
  return shown.join(';')
}

function showOpenFlags(flags: number): string {
  const words = [['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][flags & 3]]
  for (const [bit, word] of [
    [0o100, 'O_CREAT'],
    [0o200, 'O_EXCL'],
    [0o1000, 'O_TRUNC'],
    [0o2000, 'O_APPEND'],
    [0o4000, 'O_NONBLOCK'],
    [0o40000, 'O_DIRECT'],
  ] as const) {
    if (flags & bit) words.push(word)
  }
  return words.join('|')
}

function showLock(inode: number, lockOwner: bigint, { start, end, type }: RecordLock): string {
  const letter = ['R', 'W', 'U'][type] ?? '?'
  return `inode:${inode} owner:${owner(lockOwner)} start:${start} end:${end} type:${letter}`
}

function keepBytes(data: Buffer | Buffer[] | number): unknown {
  if (typeof data === 'number') return data
  return `(${Array.isArray(data) ? data.reduce((sum, part) => sum + part.length, 0) : data.length})`
}

function keepCount(entries: { readonly length: number } | number): unknown {
  return typeof entries === 'number' ? entries : `(${entries.length} entries)`
}

function keepText(text: string | number): unknown {
  return typeof text === 'number' ? text : `(${utf8(text)})`
}
