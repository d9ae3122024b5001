// The files in the root of every mount that no listing shows (spec tools-and-admin B.1): `.masterinfo` leads the
// command line tools to the master, the others tell about the mount. `.masterinfo` is found in every folder where the
// master knows no such name, the others in the root only (seen with 3.0.117).
import { randomBytes } from 'node:crypto'
import type { Clock } from '../env/env.ts'
import type { Answer, Attributes, Entry, Errno, Opened, Request } from './file-system.ts'
import { OpenAnswerFlag, ROOT_ID } from './fuse/abi.ts'
import * as errno from './fuse/errno.ts'
import { LogFile, type OperationLog } from './operation-log.ts'
import type { Statistics } from './statistics.ts'

/** Inodes from here on are ours. */
export const SPECIAL_INODE_MIN = 0x7ffffff0
const MASTERINFO = '.masterinfo'
const BELIEVE_SECONDS = 3600
const O_ACCMODE = 3
const S_IFREG = 0o100000
/** How long a reader of .oplog waits for something to happen before it gets a `#`. */
const QUIET_MS = 1000
const RANDOM_BYTES_MAX = 65536
const PICTURE = String.raw`
    \  \ |  /      \  | /  /
     \__\|_/   _    \_|/__/
         \____/ \____/
          \ o    o /
           \      /
            \ __ /
             (oo)    elk
`.slice(1)

/** What a process must be allowed to: everybody, or user 0 only. */
interface SpecialFile {
  readonly name: string
  readonly inode: number
  readonly mode: number
  readonly size: number
  open(request: Request): OpenSpecialFile
}

interface OpenSpecialFile {
  read(offset: number, size: number): Answer<Buffer>
  written?(): void
}

export interface MasterInfo {
  /** IPv4 address and port where the tools are served. */
  host: string
  port: number
  sessionId: number
  masterVersion: number
}

export interface SpecialFilesSources {
  masterInfo(): MasterInfo
  params(): string
  statistics: Statistics
  log: OperationLog
  clock: Clock
}

export class SpecialFiles {
  readonly #byName = new Map<string, SpecialFile>()
  readonly #byInode = new Map<number, SpecialFile>()
  readonly #open = new Map<number, { file: OpenSpecialFile; wasWritten: boolean }>()

  constructor(sources: SpecialFilesSources) {
    for (const file of declare(sources)) {
      this.#byName.set(file.name, file)
      this.#byInode.set(file.inode, file)
    }
  }

  /** Is this inode one of ours? */
  owns(inode: number): boolean {
    return inode >= SPECIAL_INODE_MIN
  }

  /** Does this name in this folder belong to one of ours, whatever the master says? */
  names(parent: number, name: string): boolean {
    return parent === ROOT_ID && this.#byName.has(name)
  }

  lookup(name: string): Entry {
    const file = this.#byName.get(name) as SpecialFile
    return { attributes: attributesOf(file), entrySeconds: BELIEVE_SECONDS, attributeSeconds: BELIEVE_SECONDS }
  }

  /** A name that the master does not know: is it `.masterinfo`, which every folder seems to have? */
  stepsIn(name: string): boolean {
    return name === MASTERINFO
  }

  getattr(inode: number): Answer<Entry> {
    const file = this.#byInode.get(inode)
    return file ? this.lookup(file.name) : errno.ENOENT
  }

  /** Changes of .stats and the like are taken and forgotten; .masterinfo may not even be asked. */
  setattr(inode: number): Answer<Entry> {
    const file = this.#byInode.get(inode)
    if (!file) return errno.ENOENT
    return (file.mode & 0o200) === 0 || file.name === MASTERINFO ? errno.EPERM : this.lookup(file.name)
  }

  access(request: Request, inode: number, mask: number): Errno {
    const file = this.#byInode.get(inode)
    if (!file) return errno.ENOENT
    return this.#allowed(request, file, mask) ? 0 : errno.EACCES
  }

  open(request: Request, inode: number, flags: number, handle: number): Answer<Opened> {
    const file = this.#byInode.get(inode)
    if (!file) return errno.ENOENT
    const mask = [4, 2, 6, 6][flags & O_ACCMODE] as number
    if (!this.#allowed(request, file, mask)) return errno.EACCES
    this.#open.set(handle, { file: file.open(request), wasWritten: false })
    return { handle, flags: OpenAnswerFlag.DIRECT_IO }
  }

  /** Nobody writes where the mode has no w, not even user 0; what only user 0 reads, nobody else does. */
  #allowed(request: Request, file: SpecialFile, mask: number): boolean {
    const bits = request.uid === 0 ? (file.mode >> 6) & 7 : file.mode & 7
    return (mask & ~bits) === 0
  }

  read(handle: number, offset: number, size: number): Answer<Buffer> {
    return this.#open.get(handle)?.file.read(offset, size) ?? errno.EBADF
  }

  write(handle: number): Errno {
    const open = this.#open.get(handle)
    if (!open) return errno.EBADF
    open.wasWritten = true
    return 0
  }

  release(handle: number): void {
    const open = this.#open.get(handle)
    this.#open.delete(handle)
    if (open?.wasWritten) open.file.written?.()
  }
}

function declare({ masterInfo, params, statistics, log, clock }: SpecialFilesSources): SpecialFile[] {
  return [
    { name: '.stats', inode: 0x7ffffff0, mode: 0o644, size: 0, open: () => statisticsFile(statistics) },
    { name: '.oplog', inode: LogFile.OPLOG, mode: 0o400, size: 0, open: () => logFile(log, log.end, clock) },
    { name: '.ophistory', inode: LogFile.OPHISTORY, mode: 0o400, size: 0, open: () => logFile(log, log.start, clock) },
    { name: '.mooseart', inode: 0x7ffffff3, mode: 0o644, size: 0, open: () => textFile(PICTURE) },
    { name: '.random', inode: 0x7ffffff4, mode: 0o444, size: 0, open: () => randomFile },
    { name: '.params', inode: 0x7ffffff5, mode: 0o400, size: 0, open: () => textFile(params()) },
    {
      name: MASTERINFO,
      inode: 0x7fffffff,
      mode: 0o444,
      size: 14,
      open: () => contentFile(packMasterInfo(masterInfo())),
    },
  ]
}

function attributesOf({ inode, mode, size }: SpecialFile): Attributes {
  return {
    inode,
    mode: S_IFREG | mode,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size,
    blocks: Math.ceil(size / 512),
    atime: 0,
    mtime: 0,
    ctime: 0,
  }
}

function packMasterInfo({ host, port, sessionId, masterVersion }: MasterInfo): Buffer {
  const content = Buffer.alloc(14)
  host.split('.').forEach((part, index) => {
    content[index] = Number(part)
  })
  content.writeUInt16BE(port, 4)
  content.writeUInt32BE(sessionId, 6)
  content.writeUInt32BE(masterVersion, 10)
  return content
}

function contentFile(content: Buffer): OpenSpecialFile {
  return { read: (offset, size) => content.subarray(offset, offset + size) }
}

function textFile(text: string): OpenSpecialFile {
  return contentFile(Buffer.from(text))
}

function statisticsFile(statistics: Statistics): OpenSpecialFile {
  return { ...textFile(statistics.text()), written: () => statistics.reset() }
}

const randomFile: OpenSpecialFile = {
  read: (_offset, size) => randomBytes(Math.min(size, RANDOM_BYTES_MAX)),
}

/** Endless: each read gets the lines since the last one, or waits for the next; `#` when nothing happens. */
function logFile(log: OperationLog, from: number, clock: Clock): OpenSpecialFile {
  let next = from
  let left = ''
  const take = (size: number): Buffer => {
    while (left.length < size && next < log.end) left += log.line(next++) ?? ''
    const taken = Buffer.from(left).subarray(0, size)
    left = Buffer.from(left).subarray(taken.length).toString()
    return taken
  }
  return {
    read(_offset, size) {
      if (left !== '' || next < log.end) return take(size)
      return new Promise(resolve => {
        const ignore = log.wait(() => {
          quiet.cancel()
          resolve(take(size))
        })
        const quiet = clock.after(QUIET_MS, () => {
          ignore()
          resolve(Buffer.from('#\n').subarray(0, size))
        })
      })
    },
  }
}
