// From the kernel's messages to the file system and back. One message in, at most one answer out; nothing that the
// kernel sends can throw past `dispatch`.
import type { Clock, Timer } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import {
  type Answer,
  type AttributeChanges,
  type Created,
  type DirectoryEntries,
  type DirectoryEntry,
  type Entry,
  type Errno,
  type FileSystem,
  LockType,
  type Opened,
  type RecordLock,
  type Request,
  type SpaceUse,
  type TimedAttributes,
} from '../file-system.ts'
import * as abi from './abi.ts'
import { Opcode, opcodeName, SetattrValid } from './abi.ts'
import { viewOf, writeDirectoryEntry, writeEntry, writeRawEntry, writeTimedAttributes } from './entry-writer.ts'
import * as errno from './errno.ts'
import type { Struct } from './struct.ts'

/** Where answers go: the FUSE device. Neither method blocks, and both have taken the bytes when they return. */
export interface AnswerSink {
  send(message: Buffer): void
  sendParts(parts: Buffer[]): void
}

export const WHOLE_SECONDS_NS = 1_000_000_000

export interface DispatcherOptions {
  /** Let the kernel gather writes in its page cache (faster; other clients see them later). */
  writebackCache: boolean
  /** Pages are dropped only when we say so, not whenever the modification time or the size has changed. */
  explicitInvalidation: boolean
  posixLocks: boolean
  flocks: boolean
  /**
   * The kernel tests permissions too, by mode and ACL, before it asks. It opens fifos, sockets and devices without
   * asking anybody, so only this way their permissions count.
   */
  kernelPermissions: boolean
  /** Finest step of times: the kernel cuts others to it. */
  timeGranularityNs: number
  maxReadAheadBytes: number
}

export const defaultOptions: DispatcherOptions = {
  writebackCache: false,
  explicitInvalidation: false,
  posixLocks: true,
  flocks: true,
  kernelPermissions: false,
  timeGranularityNs: WHOLE_SECONDS_NS,
  maxReadAheadBytes: 1024 * 1024,
}

/** Largest payload of a READ or WRITE: what 256 pages hold, the kernel's own limit. */
export const MAX_IO_BYTES = 1024 * 1024
/** A buffer of this size takes every message: header, write_in and the data. */
export const MESSAGE_BYTES_MAX = MAX_IO_BYTES + 8192

const PAGE_BYTES = 4096
const SCRATCH_BYTES = 256 * 1024
const IN_HEADER_BYTES = abi.inHeader.bytes
const OUT_HEADER_BYTES = abi.outHeader.bytes
/** Answers shorter than this are copied behind their header: one system call argument instead of several. */
const COPY_BYTES_MAX = 16 * 1024
/**
 * A caller with a signal pending gets EINTR when its request is still unanswered after this time. Short waits are
 * seen through, as programs expect of files; a process that is killed while the servers are gone can end.
 */
export const INTERRUPT_PATIENCE_MS = 5000

/** What the kernel sent is not what the interface says. Answered EINVAL. */
class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
}

class PendingRequest implements Request {
  readonly unique: number
  readonly opcode: number
  readonly uid: number
  readonly gid: number
  readonly pid: number
  interrupted = false
  onInterrupt: (() => void) | undefined = undefined
  answered = false
  patience: Timer | undefined = undefined

  constructor(message: Buffer) {
    this.opcode = message.readUInt32LE(abi.inHeader.at.opcode)
    this.unique = readU64(message, abi.inHeader.at.unique)
    this.uid = message.readUInt32LE(abi.inHeader.at.uid)
    this.gid = message.readUInt32LE(abi.inHeader.at.gid)
    this.pid = message.readUInt32LE(abi.inHeader.at.pid)
  }
}

function readU64(view: Buffer, at: number): number {
  return view.readUInt32LE(at) + view.readUInt32LE(at + 4) * 0x100000000
}

/** The parts of one message behind its header, taken in order and checked. */
class Body {
  readonly #message: Buffer
  #position = IN_HEADER_BYTES

  constructor(message: Buffer) {
    this.#message = message
  }

  struct<V>(layout: Struct<V>): V {
    return layout.read(this.#message, this.skip(layout.bytes))
  }

  /** A name or a path: up to and without its zero byte, latin1. */
  text(): string {
    const end = this.#message.indexOf(0, this.#position)
    if (end < 0) throw new MalformedMessage('text without its end')
    const text = this.#message.toString('latin1', this.#position, end)
    this.#position = end + 1
    return text
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Buffer {
    const at = this.skip(count)
    return this.#message.subarray(at, at + count)
  }

  skip(count: number): number {
    const at = this.#position
    if (count > this.#message.length - at) {
      throw new MalformedMessage(`${count} bytes wanted, ${this.#message.length - at} left`)
    }
    this.#position = at + count
    return at
  }
}

export class Dispatcher {
  readonly #fs: FileSystem
  readonly #sink: AnswerSink
  readonly #log: Log
  readonly #clock: Clock
  readonly #options: DispatcherOptions
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES)
  readonly #view = viewOf(this.#scratch)
  /** Requests whose answer is still to come, for INTERRUPT. Bounded by the kernel's own limits. */
  readonly #pending = new Map<number, PendingRequest>()
  #destroyed = false
  /** SETXATTR_EXT was agreed on. */
  #longSetxattr = false
  #onReady: (() => void) | undefined
  /** The kernel has accepted the mount: resolves after INIT. */
  readonly ready: Promise<void>

  constructor(fs: FileSystem, sink: AnswerSink, log: Log, clock: Clock, options: DispatcherOptions = defaultOptions) {
    this.#fs = fs
    this.#sink = sink
    this.#log = log
    this.#clock = clock
    this.#options = options
    this.ready = new Promise(resolve => {
      this.#onReady = resolve
    })
  }

  /** Requests read and not yet answered. */
  get pendingCount(): number {
    return this.#pending.size
  }

  /**
   * Handles one message of the kernel. When a promise comes back, the file system is still using the bytes of
   * `message`: they must stay as they are until it resolves (it never rejects).
   */
  dispatch(message: Buffer): Promise<void> | undefined {
    if (message.length < IN_HEADER_BYTES || message.readUInt32LE(0) !== message.length) {
      this.#log.error(`message of ${message.length} bytes from the kernel does not fit its header, ignored`)
      return undefined
    }
    const request = new PendingRequest(message)
    try {
      return this.#handle(request, readU64(message, abi.inHeader.at.nodeid), new Body(message), message)
    } catch (error) {
      if (error instanceof MalformedMessage) {
        this.#log.warning(`${opcodeName(request.opcode)} from the kernel is malformed: ${error.message}`)
        this.#replyError(request, errno.EINVAL)
      } else {
        this.#failed(request, error)
      }
      return undefined
    }
  }

  /** The device is closed: no more requests. */
  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#fs.destroy()
  }

  #handle(request: PendingRequest, inode: number, body: Body, message: Buffer): Promise<void> | undefined {
    const fs = this.#fs
    switch (request.opcode) {
      case Opcode.LOOKUP:
        return this.#entry(request, fs.lookup(request, inode, body.text()))
      case Opcode.FORGET:
        fs.forget(inode, body.struct(abi.forgetIn).nlookup)
        return undefined
      case Opcode.BATCH_FORGET:
        return this.#batchForget(body)
      case Opcode.GETATTR: {
        const { getattr_flags, fh } = body.struct(abi.getattrIn)
        const handle = getattr_flags & abi.GETATTR_FH ? fh : undefined
        return this.#settle(request, fs.getattr(request, inode, handle), this.#replyAttributes)
      }
      case Opcode.SETATTR:
        return this.#settle(request, fs.setattr(request, inode, attributeChanges(body)), this.#replyAttributes)
      case Opcode.READLINK:
        return this.#settle(request, fs.readlink(request, inode), this.#replyText)
      case Opcode.SYMLINK: {
        const name = body.text()
        return this.#entry(request, fs.symlink(request, inode, name, body.text()))
      }
      case Opcode.MKNOD: {
        const { mode, rdev, umask } = body.struct(abi.mknodIn)
        return this.#entry(request, fs.mknod(request, inode, body.text(), mode, rdev, umask))
      }
      case Opcode.MKDIR: {
        const { mode, umask } = body.struct(abi.mkdirIn)
        return this.#entry(request, fs.mkdir(request, inode, body.text(), mode, umask))
      }
      case Opcode.UNLINK:
        return this.#done(request, fs.unlink(request, inode, body.text()))
      case Opcode.RMDIR:
        return this.#done(request, fs.rmdir(request, inode, body.text()))
      case Opcode.RENAME: {
        const { newdir } = body.struct(abi.renameIn)
        const name = body.text()
        return this.#done(request, fs.rename(request, inode, name, newdir, body.text(), 0))
      }
      case Opcode.RENAME2: {
        const { newdir, flags } = body.struct(abi.rename2In)
        const name = body.text()
        return this.#done(request, fs.rename(request, inode, name, newdir, body.text(), flags))
      }
      case Opcode.LINK: {
        const { oldnodeid } = body.struct(abi.linkIn)
        return this.#entry(request, fs.link(request, oldnodeid, inode, body.text()))
      }
      case Opcode.OPEN: {
        const { flags, open_flags } = body.struct(abi.openIn)
        const kill = (open_flags & abi.OPEN_KILL_SUIDGID) !== 0
        return this.#settle(request, fs.open(request, inode, flags, kill), this.#replyOpened)
      }
      case Opcode.CREATE: {
        const { flags, mode, umask } = body.struct(abi.createIn)
        return this.#settle(request, fs.create(request, inode, body.text(), mode, umask, flags), this.#replyCreated)
      }
      case Opcode.READ: {
        const { fh, offset, size } = body.struct(abi.readIn)
        return this.#read(request, fs.read(request, inode, fh, offset, Math.min(size, MAX_IO_BYTES)), size)
      }
      case Opcode.WRITE:
        return this.#write(request, inode, body)
      case Opcode.STATFS:
        return this.#settle(request, fs.statfs(request, inode), this.#replyStatfs)
      case Opcode.FLUSH: {
        const { fh, lock_owner } = body.struct(abi.flushIn)
        return this.#done(request, fs.flush(request, inode, fh, lock_owner))
      }
      case Opcode.RELEASE: {
        const { fh, release_flags, lock_owner } = body.struct(abi.releaseIn)
        const flockOwner = release_flags & abi.RELEASE_FLOCK_UNLOCK ? lock_owner : undefined
        return this.#done(request, fs.release(request, inode, fh, flockOwner))
      }
      case Opcode.FSYNC: {
        const { fh, fsync_flags } = body.struct(abi.fsyncIn)
        return this.#done(request, fs.fsync(request, inode, fh, (fsync_flags & abi.FSYNC_FDATASYNC) !== 0))
      }
      case Opcode.OPENDIR:
        return this.#settle(request, fs.opendir(request, inode), this.#replyOpened)
      case Opcode.READDIR:
      case Opcode.READDIRPLUS:
        return this.#readdir(request, inode, body)
      case Opcode.RELEASEDIR:
        return this.#done(request, fs.releasedir(request, inode, body.struct(abi.releaseIn).fh))
      case Opcode.SETXATTR:
        return this.#setxattr(request, inode, body)
      case Opcode.GETXATTR: {
        const { size } = body.struct(abi.getxattrIn)
        return this.#sized(request, fs.getxattr(request, inode, body.text()), size)
      }
      case Opcode.LISTXATTR:
        return this.#sized(request, fs.listxattr(request, inode), body.struct(abi.getxattrIn).size)
      case Opcode.REMOVEXATTR:
        return this.#done(request, fs.removexattr(request, inode, body.text()))
      case Opcode.ACCESS:
        return this.#done(request, fs.access(request, inode, body.struct(abi.accessIn).mask))
      case Opcode.GETLK: {
        const { fh, owner, lk } = body.struct(abi.lkIn)
        return this.#settle(request, fs.getlk(request, inode, fh, owner, fromKernelLock(lk)), this.#replyLock)
      }
      case Opcode.SETLK:
      case Opcode.SETLKW:
        return this.#setlk(request, inode, body)
      case Opcode.FALLOCATE: {
        const { fh, mode, offset, length } = body.struct(abi.fallocateIn)
        return this.#done(request, fs.fallocate(request, inode, fh, mode, offset, length))
      }
      case Opcode.LSEEK: {
        const { fh, offset, whence } = body.struct(abi.lseekIn)
        return this.#settle(request, fs.lseek(request, inode, fh, offset, whence), this.#replyOffset)
      }
      case Opcode.INIT:
        return this.#init(request, body, message)
      case Opcode.INTERRUPT:
        this.#interrupt(body.struct(abi.interruptIn).unique)
        return undefined
      case Opcode.DESTROY:
        this.#replyError(request, 0)
        this.destroy()
        return undefined
      case Opcode.NOTIFY_REPLY:
        return undefined
      case Opcode.IOCTL:
        this.#replyError(request, errno.ENOTTY)
        return undefined
      default:
        // ENOSYS makes the kernel fall back and mostly not ask again: it copies by reading and writing
        // (COPY_FILE_RANGE), takes files as always ready (POLL), fsync of a folder as done (FSYNCDIR: the master has
        // answered each change already), stat for STATX, EOPNOTSUPP for O_TMPFILE, EINVAL for BMAP.
        this.#replyError(request, errno.ENOSYS)
        return undefined
    }
  }

  // ---- requests with something of their own ----

  #init(request: PendingRequest, body: Body, message: Buffer): undefined {
    const { major, minor, max_readahead, flags } = body.struct(abi.initIn)
    if (major !== abi.KERNEL_VERSION || minor < abi.OLDEST_MINOR_VERSION) {
      // A newer major is told ours and asks again; an older one cannot be served.
      if (major > abi.KERNEL_VERSION) {
        this.#reply(request, abi.initOut, { major: abi.KERNEL_VERSION, minor: abi.KERNEL_MINOR_VERSION })
      } else {
        this.#log.error(
          `the kernel speaks FUSE ${major}.${minor}, at least 7.${abi.OLDEST_MINOR_VERSION} (Linux 5.4) is needed`,
        )
        this.#replyError(request, errno.EPROTO)
      }
      return undefined
    }
    const extended = (flags & abi.InitFlag.INIT_EXT) !== 0 && message.length >= IN_HEADER_BYTES + 20
    const flags2 = extended ? message.readUInt32LE(IN_HEADER_BYTES + abi.INIT_IN_FLAGS2_AT) : 0
    this.#longSetxattr = (flags & abi.InitFlag.SETXATTR_EXT) !== 0
    this.#reply(request, abi.initOut, {
      major: abi.KERNEL_VERSION,
      minor: Math.min(minor, abi.KERNEL_MINOR_VERSION),
      max_readahead: Math.min(max_readahead, this.#options.maxReadAheadBytes),
      flags: (flags & wantedFlags(this.#options)) >>> 0,
      max_background: 128,
      congestion_threshold: 96,
      max_write: MAX_IO_BYTES,
      time_gran: this.#options.timeGranularityNs,
      max_pages: MAX_IO_BYTES / PAGE_BYTES,
      flags2: (flags2 & abi.InitFlag2.DIRECT_IO_ALLOW_MMAP) >>> 0,
    })
    this.#onReady?.()
    return undefined
  }

  #batchForget(body: Body): undefined {
    const { count } = body.struct(abi.batchForgetIn)
    for (let i = 0; i < count; i++) {
      const { nodeid, nlookup } = body.struct(abi.forgetOne)
      this.#fs.forget(nodeid, nlookup)
    }
    return undefined
  }

  #interrupt(unique: number): void {
    const request = this.#pending.get(unique)
    if (!request || request.interrupted) return
    request.interrupted = true
    request.onInterrupt?.()
    if (request.answered) return
    request.patience = this.#clock.after(INTERRUPT_PATIENCE_MS, () => this.#replyError(request, errno.EINTR))
  }

  #write(request: PendingRequest, inode: number, body: Body): Promise<void> | undefined {
    const { fh, offset, size, write_flags } = body.struct(abi.writeIn)
    const kill = (write_flags & abi.WRITE_KILL_SUIDGID) !== 0
    const mapped = (write_flags & abi.WRITE_CACHE) !== 0
    const answer = this.#fs.write(request, inode, fh, offset, body.bytes(size), kill, mapped)
    if (answer instanceof Promise) {
      this.#pending.set(request.unique, request)
      return answer.then(
        status => this.#written(request, status, size),
        error => this.#failed(request, error),
      )
    }
    this.#written(request, answer, size)
    return undefined
  }

  #written(request: PendingRequest, status: Errno, size: number): void {
    if (status === 0) this.#reply(request, abi.writeOut, { size })
    else this.#replyError(request, status)
  }

  #read(request: PendingRequest, answer: Answer<Buffer | Buffer[]>, size: number): undefined {
    return this.#settle(request, answer, (pending, data) => {
      const parts = Array.isArray(data) ? data : [data]
      let bytes = 0
      for (const part of parts) bytes += part.length
      if (bytes > size) throw new Error(`${bytes} bytes read for a request of ${size}`)
      this.#replyParts(pending, parts, bytes)
    })
  }

  #setxattr(request: PendingRequest, inode: number, body: Body): undefined {
    const { size, flags, setxattr_flags } = this.#longSetxattr
      ? body.struct(abi.setxattrIn)
      : { ...body.struct(abi.shortSetxattrIn), setxattr_flags: 0 }
    const name = body.text()
    // Small and rare: copied, so that the message need not be kept.
    const value = Buffer.from(body.bytes(size))
    const killSetGid = (setxattr_flags & abi.SETXATTR_ACL_KILL_SGID) !== 0
    return this.#done(request, this.#fs.setxattr(request, inode, name, value, flags, killSetGid))
  }

  #readdir(request: PendingRequest, inode: number, body: Body): undefined {
    const { fh, offset, size } = body.struct(abi.readIn)
    const plus = request.opcode === Opcode.READDIRPLUS
    const answer = this.#fs.readdir(request, inode, fh, offset, plus)
    return this.#settle(request, answer, (pending, entries) =>
      this.#replyDirectory(pending, entries, offset, size, plus),
    )
  }

  #setlk(request: PendingRequest, inode: number, body: Body): undefined {
    const { fh, owner, lk, lk_flags } = body.struct(abi.lkIn)
    const lock = fromKernelLock(lk)
    const wait = request.opcode === Opcode.SETLKW
    if (lk_flags & abi.LK_FLOCK) return this.#done(request, this.#fs.flock(request, inode, fh, owner, lock.type, wait))
    return this.#done(request, this.#fs.setlk(request, inode, fh, owner, lock, wait))
  }

  /** Extended attributes: a size of 0 asks how many bytes there are; too few is ERANGE. */
  #sized(request: PendingRequest, answer: Answer<Buffer>, size: number): undefined {
    return this.#settle(request, answer, (pending, value) => {
      if (size === 0) this.#reply(pending, abi.getxattrOut, { size: value.length })
      else if (value.length > size) this.#replyError(pending, errno.ERANGE)
      else this.#replyParts(pending, [value], value.length)
    })
  }

  // ---- answers ----

  /** Sends the answer when it is there: `reply` for data, the errno otherwise. */
  #settle<T extends object | string>(
    request: PendingRequest,
    answer: Answer<T>,
    reply: (request: PendingRequest, value: T) => void,
  ): undefined {
    if (answer instanceof Promise) {
      this.#pending.set(request.unique, request)
      answer.then(
        value => this.#settled(request, value, reply),
        error => this.#failed(request, error),
      )
    } else {
      this.#settled(request, answer, reply)
    }
    return undefined
  }

  #settled<T extends object | string>(
    request: PendingRequest,
    value: T | Errno,
    reply: (request: PendingRequest, value: T) => void,
  ): void {
    if (typeof value === 'number') {
      this.#replyError(request, value)
      return
    }
    if (request.answered) return
    try {
      reply(request, value)
    } catch (error) {
      this.#failed(request, error)
    }
  }

  #done(request: PendingRequest, answer: Answer): undefined {
    return this.#settle<never>(request, answer, () => {})
  }

  #entry(request: PendingRequest, answer: Answer<Entry>): undefined {
    return this.#settle(request, answer, this.#replyEntry)
  }

  #failed(request: PendingRequest, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#log.error(`${opcodeName(request.opcode)} failed: ${text}`)
    this.#replyError(request, errno.EIO)
  }

  #replyError(request: PendingRequest, status: Errno): void {
    this.#finish(request, 0, status)
  }

  /** Sends the header and the `bytes` that stand behind it in the scratch buffer. Only the first answer goes out. */
  #finish(request: PendingRequest, bytes: number, status: Errno = 0): void {
    if (request.answered) return
    this.#forget(request)
    this.#sink.send(this.#header(request, bytes, status).subarray(0, OUT_HEADER_BYTES + bytes))
  }

  #forget(request: PendingRequest): void {
    request.answered = true
    request.patience?.cancel()
    this.#pending.delete(request.unique)
  }

  #header(request: PendingRequest, bytes: number, status: Errno): Buffer {
    const scratch = this.#scratch
    scratch.writeUInt32LE(OUT_HEADER_BYTES + bytes, 0)
    scratch.writeInt32LE(-status, 4)
    scratch.writeUInt32LE(request.unique >>> 0, 8)
    scratch.writeUInt32LE(Math.floor(request.unique / 0x100000000), 12)
    return scratch
  }

  #reply<V>(request: PendingRequest, layout: Struct<V>, values: Partial<V>): void {
    layout.write(this.#scratch, OUT_HEADER_BYTES, values)
    this.#finish(request, layout.bytes)
  }

  #replyParts(request: PendingRequest, parts: Buffer[], bytes: number): void {
    if (request.answered) return
    if (bytes <= COPY_BYTES_MAX) {
      let at = OUT_HEADER_BYTES
      for (const part of parts) at += part.copy(this.#scratch, at)
      this.#finish(request, bytes)
      return
    }
    this.#forget(request)
    this.#sink.sendParts([this.#header(request, bytes, 0).subarray(0, OUT_HEADER_BYTES), ...parts])
  }

  readonly #replyEntry = (request: PendingRequest, entry: Entry): void => {
    writeEntry(this.#view, OUT_HEADER_BYTES, entry)
    this.#finish(request, abi.entryOut.bytes)
  }

  readonly #replyAttributes = (request: PendingRequest, { attributes, attributeSeconds }: TimedAttributes): void => {
    writeTimedAttributes(this.#view, OUT_HEADER_BYTES, attributes, attributeSeconds)
    this.#finish(request, abi.attrOut.bytes)
  }

  readonly #replyText = (request: PendingRequest, text: string): void => {
    const bytes = this.#scratch.write(text, OUT_HEADER_BYTES, 'latin1')
    this.#finish(request, bytes)
  }

  readonly #replyOpened = (request: PendingRequest, { handle, flags }: Opened): void => {
    this.#reply(request, abi.openOut, { fh: handle, open_flags: flags })
  }

  readonly #replyCreated = (request: PendingRequest, created: Created): void => {
    writeEntry(this.#view, OUT_HEADER_BYTES, created)
    abi.openOut.write(this.#scratch, OUT_HEADER_BYTES + abi.entryOut.bytes, {
      fh: created.handle,
      open_flags: created.flags,
    })
    this.#finish(request, abi.entryOut.bytes + abi.openOut.bytes)
  }

  readonly #replyStatfs = (request: PendingRequest, space: SpaceUse): void => {
    this.#reply(request, abi.statfsOut, {
      blocks: space.blocks,
      bfree: space.blocksFree,
      bavail: space.blocksAvailable,
      files: space.inodes,
      ffree: space.inodesFree,
      bsize: space.blockBytes,
      frsize: space.blockBytes,
      namelen: space.nameBytesMax,
    })
  }

  readonly #replyLock = (request: PendingRequest, { type, start, end, pid }: RecordLock): void => {
    this.#reply(request, abi.lkOut, { lk: { type, start, end, pid } })
  }

  readonly #replyOffset = (request: PendingRequest, { offset }: { offset: number }): void => {
    this.#reply(request, abi.lseekOut, { offset })
  }

  /** As many entries as fit, from index `offset` on. No entry at all is the end of the folder. */
  #replyDirectory(
    request: PendingRequest,
    entries: DirectoryEntries,
    offset: number,
    size: number,
    plus: boolean,
  ): void {
    const limit = OUT_HEADER_BYTES + Math.min(size, SCRATCH_BYTES - OUT_HEADER_BYTES)
    const page = { bytes: this.#scratch, view: this.#view, limit }
    const { raw } = entries
    let at = OUT_HEADER_BYTES
    for (let index = offset; index < entries.length; index++) {
      const end = raw
        ? writeRawEntry(page, at, raw, index, plus)
        : writeDirectoryEntry(page, at, entries.at(index) as DirectoryEntry, index + 1, plus)
      if (end === 0) break
      at = end
    }
    this.#finish(request, at - OUT_HEADER_BYTES)
  }
}

function wantedFlags(options: DispatcherOptions): number {
  const { InitFlag } = abi
  return (
    InitFlag.ASYNC_READ |
    InitFlag.BIG_WRITES |
    InitFlag.MAX_PAGES |
    InitFlag.INIT_EXT |
    // Open with O_TRUNC is one message to the master instead of two.
    InitFlag.ATOMIC_O_TRUNC |
    // `.` and `..` can be looked up: the kernel's NFS server needs it.
    InitFlag.EXPORT_SUPPORT |
    // The umask travels to the master, which ignores it below a folder with a default ACL.
    InitFlag.DONT_MASK |
    InitFlag.DO_READDIRPLUS |
    InitFlag.READDIRPLUS_AUTO |
    InitFlag.ASYNC_DIO |
    InitFlag.PARALLEL_DIROPS |
    // A link's target never changes while its inode lives.
    InitFlag.CACHE_SYMLINKS |
    // We clear set-uid, set-gid and capabilities on writes. Else the kernel asks for `security.capability` before
    // every single write.
    InitFlag.HANDLE_KILLPRIV_V2 |
    InitFlag.SETXATTR_EXT |
    (options.kernelPermissions ? InitFlag.POSIX_ACL : 0) |
    (options.posixLocks ? InitFlag.POSIX_LOCKS : 0) |
    (options.flocks ? InitFlag.FLOCK_LOCKS : 0) |
    (options.writebackCache ? InitFlag.WRITEBACK_CACHE : 0) |
    (options.explicitInvalidation ? InitFlag.EXPLICIT_INVAL_DATA : InitFlag.AUTO_INVAL_DATA)
  )
}

function attributeChanges(body: Body): AttributeChanges {
  const from = body.struct(abi.setattrIn)
  const { valid } = from
  const changes: AttributeChanges = { killPrivileges: (valid & SetattrValid.KILL_SUIDGID) !== 0 }
  if (valid & SetattrValid.MODE) changes.mode = from.mode & 0o7777
  if (valid & SetattrValid.UID) changes.uid = from.uid
  if (valid & SetattrValid.GID) changes.gid = from.gid
  if (valid & SetattrValid.SIZE) changes.size = from.size
  if (valid & SetattrValid.ATIME) changes.atime = valid & SetattrValid.ATIME_NOW ? 'now' : from.atime
  if (valid & SetattrValid.MTIME) changes.mtime = valid & SetattrValid.MTIME_NOW ? 'now' : from.mtime
  if (valid & SetattrValid.FH) changes.handle = from.fh
  changes.atimeNs = from.atimensec
  changes.mtimeNs = from.mtimensec
  return changes
}

// F_RDLCK, F_WRLCK and F_UNLCK are 0, 1 and 2 on every Linux that Node runs on.
function fromKernelLock(lock: { type: number; start: bigint; end: bigint; pid: number }): RecordLock {
  if (lock.type > LockType.UNLOCK) throw new MalformedMessage(`lock of type ${lock.type}`)
  return lock
}
