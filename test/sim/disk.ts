// A disk that forgets. What a program wrote is visible to it at once, but a power cut takes back what was not synced:
// each un-synced write is kept, lost or torn by chance, and of the changes of names in a folder only a first part stays.
import type { Disk, DiskFile, DiskLock, DiskSpace, FileStat, OpenMode } from '../../src/env/disk.ts'
import type { Scheduler } from './scheduler.ts'

type Change = { kind: 'write'; position: number; bytes: Buffer } | { kind: 'truncate'; size: number }

class SimInode {
  current: Buffer = Buffer.alloc(0)
  durable: Buffer = Buffer.alloc(0)
  pending: Change[] = []

  change(change: Change): void {
    this.current = applied(this.current, change)
    this.pending.push(change)
  }

  sync(): void {
    this.durable = Buffer.from(this.current)
    this.pending = []
  }

  /** What a power cut leaves: synced bytes, and of the rest what chance had already put on the platter. */
  lose(scheduler: Scheduler): void {
    let left: Buffer = Buffer.from(this.durable)
    for (const change of this.pending) {
      const luck = scheduler.random()
      if (luck < 0.4) continue
      if (luck < 0.6 && change.kind === 'write') {
        const torn = change.bytes.subarray(0, scheduler.between(0, change.bytes.length))
        left = applied(left, { ...change, bytes: torn })
      } else left = applied(left, change)
    }
    this.current = left
    this.sync()
  }
}

function applied(contents: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') {
    const next = Buffer.alloc(change.size)
    contents.copy(next, 0, 0, Math.min(change.size, contents.length))
    return next
  }
  const end = change.position + change.bytes.length
  const next = end > contents.length ? Buffer.alloc(end) : contents
  if (next !== contents) contents.copy(next)
  change.bytes.copy(next, change.position)
  return next
}

type Names = Map<string, SimInode>
type Rename = (names: Names) => void
/** A change of names in one folder that a power cut may still take back. */
interface PendingName {
  folder: string
  change: Rename
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

const folderOf = (path: string) => path.slice(0, Math.max(1, path.lastIndexOf('/')))

/** The disks of one simulated host. Paths are absolute; every folder knows the folders and files in it. */
export class SimDisk implements Disk {
  /** Set to make the next operations fail: ENOSPC on writes, EIO on anything. */
  fault: { writes?: string; reads?: string; syncs?: string } = {}
  capacityBytes = 1 << 30
  readonly #scheduler: Scheduler
  #names: Names = new Map()
  #durableNames: Names = new Map()
  #folders = new Set<string>(['/'])
  /** Changes of names not yet on disk, by folder, in order. */
  #pendingNames: PendingName[] = []
  #usedBytes = 0

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** The power goes: everything un-synced is lost, torn or kept, as chance will have it. */
  powerCut(): void {
    const kept = this.#scheduler.between(0, this.#pendingNames.length)
    for (const { change } of this.#pendingNames.slice(0, kept)) change(this.#durableNames)
    this.#pendingNames = []
    this.#names = new Map(this.#durableNames)
    for (const inode of new Set(this.#names.values())) inode.lose(this.#scheduler)
  }

  /** Flips one bit of a file, on disk and in every cache: for tests of checksums. */
  flipBit(path: string, bit: number): void {
    const inode = this.#inode(path)
    for (const contents of [inode.current, inode.durable]) {
      const at = bit >> 3
      if (at < contents.length) contents[at] = (contents[at] as number) ^ (1 << (bit & 7))
    }
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    await this.#delay()
    let inode = this.#names.get(path)
    if (!inode && (mode === 'r' || mode === 'r+')) throw failure('ENOENT', path)
    if (inode && mode === 'wx+') throw failure('EEXIST', path)
    if (!inode) {
      if (!this.#folders.has(folderOf(path))) throw failure('ENOENT', path)
      inode = new SimInode()
      const created = inode
      this.#changeNames(folderOf(path), names => names.set(path, created))
    } else if (mode === 'w+') inode.change({ kind: 'truncate', size: 0 })
    return this.#file(inode, path, mode === 'a+')
  }

  async readFile(path: string): Promise<Buffer> {
    await this.#delay()
    if (this.fault.reads) throw failure(this.fault.reads, path)
    return Buffer.from(this.#inode(path).current)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#delay()
    const inode = this.#inode(from)
    this.#changeNames(folderOf(to), names => {
      names.delete(from)
      names.set(to, inode)
    })
  }

  async unlink(path: string): Promise<void> {
    await this.#delay()
    this.#inode(path)
    this.#changeNames(folderOf(path), names => names.delete(path))
  }

  async makeFolder(path: string): Promise<void> {
    for (let folder = path; !this.#folders.has(folder); folder = folderOf(folder)) this.#folders.add(folder)
  }

  async list(path: string): Promise<string[]> {
    await this.#delay()
    if (!this.#folders.has(path)) throw failure('ENOENT', path)
    const inside = (name: string) => name !== path && folderOf(name) === path
    const all = [...this.#names.keys(), ...this.#folders].filter(inside)
    return all.map(name => name.slice(name.lastIndexOf('/') + 1))
  }

  async stat(path: string): Promise<FileStat> {
    await this.#delay()
    if (this.#folders.has(path)) return { size: 0, blocksBytes: 0, mtimeMs: 0, kind: 'folder' }
    return statOf(this.#inode(path))
  }

  async syncFolder(path: string): Promise<void> {
    await this.#delay()
    if (this.fault.syncs) throw failure(this.fault.syncs, path)
    const others: PendingName[] = []
    for (const pending of this.#pendingNames) {
      if (pending.folder === path) pending.change(this.#durableNames)
      else others.push(pending)
    }
    this.#pendingNames = others
  }

  async space(): Promise<DiskSpace> {
    const availableBytes = Math.max(0, this.capacityBytes - this.#usedBytes)
    return { totalBytes: this.capacityBytes, availableBytes, freeBytes: availableBytes }
  }

  async removeFolder(path: string): Promise<void> {
    if ((await this.list(path)).length > 0) throw failure('ENOTEMPTY', path)
    this.#folders.delete(path)
  }

  /** One program at a time uses a simulated disk, and a kill frees its locks: always granted. */
  async lock(path: string): Promise<DiskLock> {
    await this.open(path, 'w+')
    return { release: async () => {} }
  }

  #inode(path: string): SimInode {
    const inode = this.#names.get(path)
    if (!inode) throw failure('ENOENT', path)
    return inode
  }

  #changeNames(folder: string, change: Rename): void {
    change(this.#names)
    this.#pendingNames.push({ folder, change })
  }

  #delay(): Promise<void> {
    return new Promise(resolve => this.#scheduler.at(this.#scheduler.random() * 0.2, resolve))
  }

  #file(inode: SimInode, path: string, append: boolean): DiskFile {
    const disk = this
    const write = (bytes: Buffer, position: number) => {
      if (disk.fault.writes) throw failure(disk.fault.writes, path)
      const at = append ? inode.current.length : position
      const growth = Math.max(0, at + bytes.length - inode.current.length)
      if (disk.#usedBytes + growth > disk.capacityBytes) throw failure('ENOSPC', path)
      disk.#usedBytes += growth
      inode.change({ kind: 'write', position: at, bytes: Buffer.from(bytes) })
    }
    const read = (target: Buffer, position: number) => {
      if (disk.fault.reads) throw failure(disk.fault.reads, path)
      return inode.current.copy(target, 0, position, position + target.length)
    }
    return {
      async read(target, position) {
        await disk.#delay()
        return read(target, position)
      },
      async write(source, position) {
        await disk.#delay()
        write(source, position)
      },
      async writev(sources, position) {
        await disk.#delay()
        write(Buffer.concat(sources), position)
      },
      readSync: read,
      writeSync: write,
      async truncate(size) {
        await disk.#delay()
        // A file can be made shorter on a full disk.
        const isFree = disk.fault.writes === 'ENOSPC' && size <= inode.current.length
        if (disk.fault.writes && !isFree) throw failure(disk.fault.writes, path)
        inode.change({ kind: 'truncate', size })
      },
      async sync() {
        await disk.#delay()
        if (disk.fault.syncs) throw failure(disk.fault.syncs, path)
        inode.sync()
      },
      async stat() {
        return statOf(inode)
      },
      async close() {},
    }
  }
}

function statOf(inode: SimInode): FileStat {
  return { size: inode.current.length, blocksBytes: inode.current.length, mtimeMs: 0, kind: 'file' }
}
