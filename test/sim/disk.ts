// A disk that forgets. What a program wrote is visible to it at once, but a power cut takes back what was not synced:
// each un-synced write is kept, lost or torn by chance, in any order, and of the changes of names only a first part stays.
import type { Disk, DiskFile, DiskLock, DiskSpace, FileChange, FileStat, OpenMode } from '../../src/env/disk.ts'
import { failure } from './failure.ts'
import type { Scheduler } from './scheduler.ts'

/** A change of a file's contents, with what it replaced. Without `bytes` the file gets the size `position`. */
interface Change {
  atMs: number
  position: number
  bytes: Buffer | undefined
  sizeBefore: number
  overwritten: Buffer
}

/** What becomes of un-synced things: gone, or kept, lost and torn by chance. */
export type Loss = 'everything' | 'chance'

const SECTOR_BYTES = 512
/** The system writes back by itself what comes before these. */
const PENDING_MAX = 64
/** And what is older: Linux after 30 s, looking every 5 s. */
const WRITTEN_BACK_MS = 60_000
const FIRST_BYTES = 4096
const NOTHING = Buffer.alloc(0)

class SimInode {
  links = 0
  #bytes: Buffer = NOTHING
  #size = 0
  /** Not synced, oldest first, each with what it replaced. */
  #pending: Change[] = []
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  get size(): number {
    return this.#size
  }

  get contents(): Buffer {
    return this.#bytes.subarray(0, this.#size)
  }

  write(position: number, bytes: Buffer): void {
    const overwritten = Buffer.from(this.contents.subarray(position, position + bytes.length))
    this.#note({
      atMs: this.#scheduler.nowMs,
      position,
      bytes: Buffer.from(bytes),
      sizeBefore: this.#size,
      overwritten,
    })
    this.#put(position, bytes)
  }

  truncate(size: number): void {
    const overwritten = Buffer.from(this.contents.subarray(size))
    this.#note({ atMs: this.#scheduler.nowMs, position: size, bytes: undefined, sizeBefore: this.#size, overwritten })
    this.#resize(size)
  }

  /** Whether all of it is on the platter. */
  get isSynced(): boolean {
    this.#pending.splice(0, writtenBack(this.#pending, 'chance', this.#scheduler.nowMs))
    return this.#pending.length === 0
  }

  sync(): void {
    this.#pending = []
  }

  /** What a power cut leaves: synced bytes, and of the rest what chance had already put on the platter. */
  lose(loss: Loss): void {
    const pending = this.#pending.slice(writtenBack(this.#pending, loss, this.#scheduler.nowMs))
    this.#pending = []
    for (const { position, sizeBefore, overwritten } of pending.toReversed()) {
      overwritten.copy(this.#bytes, position)
      this.#size = Math.max(this.#size, position + overwritten.length)
      this.#resize(sizeBefore)
    }
    if (loss === 'everything') return
    for (const { position, bytes } of pending) {
      if (bytes) this.#keepSome(position, bytes)
      else if (this.#scheduler.random() < 0.5) this.#resize(position)
    }
  }

  #keepSome(position: number, bytes: Buffer): void {
    const scheduler = this.#scheduler
    const luck = scheduler.random()
    if (luck < 0.35) return
    if (luck < 0.55) return this.#put(position, bytes)
    if (luck < 0.7) return this.#put(position, bytes.subarray(0, scheduler.between(0, bytes.length)))
    // The new size is there before the contents: zeros.
    if (luck < 0.85) {
      if (position + bytes.length > this.#size) this.#resize(position + bytes.length)
      return
    }
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + SECTOR_BYTES - ((position + from) % SECTOR_BYTES))
      if (scheduler.random() < 0.5) this.#put(position + from, bytes.subarray(from, to))
      from = to
    }
  }

  /** Flips one bit, on the platter and in every cache. */
  flip(bit: number): void {
    this.#pending = []
    const at = bit >> 3
    if (at < this.#size) this.#bytes[at] = (this.#bytes[at] as number) ^ (1 << (bit & 7))
  }

  #note(change: Change): void {
    this.#pending.push(change)
    if (this.#pending.length > PENDING_MAX) this.#pending.splice(0, PENDING_MAX / 2)
  }

  #put(position: number, bytes: Buffer): void {
    const end = position + bytes.length
    if (end > this.#size) this.#resize(end)
    bytes.copy(this.#bytes, position)
  }

  #resize(size: number): void {
    if (size > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(size, 2 * this.#bytes.length, FIRST_BYTES))
      this.#bytes.copy(grown, 0, 0, this.#size)
      this.#bytes = grown
    } else if (size < this.#size) this.#bytes.fill(0, size, this.#size)
    this.#size = size
  }
}

type Names = Map<string, SimInode>
/** A change of names in one folder: one goes, one comes, or both. */
interface NameChange {
  folder: string
  removed?: string
  added?: string
  inode: SimInode
}

/** How many of these changes, oldest first, are on the platter by themselves. */
function writtenBack(changes: readonly { atMs: number }[], loss: Loss, nowMs: number): number {
  const since = loss === 'everything' ? 0 : nowMs - WRITTEN_BACK_MS
  const first = changes.findIndex(({ atMs }) => atMs >= since)
  return first < 0 ? changes.length : first
}

function rename(names: Names, { removed, added, inode }: NameChange): void {
  if (removed !== undefined) names.delete(removed)
  if (added !== undefined) names.set(added, inode)
}

/** Kinds of operations that a watcher hears of. */
export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'rename'
  | 'unlink'
  | 'syncFolder'
  | 'list'

interface InFlight {
  run: () => unknown
  /** Does a part only, as a write that was killed. */
  runPart?: (() => unknown) | undefined
}

const folderOf = (path: string) => path.slice(0, Math.max(1, path.lastIndexOf('/')))
const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
const always = () => true

/** The disks of one simulated host. Paths are absolute; every folder knows the folders and files in it. */
export class SimDisk implements Disk {
  /** Files that are the system's and on no disk, as those of /proc. */
  readonly system = new Map<string, Buffer>()
  /** Set to make the next operations fail: ENOSPC on writes, EIO on anything; or never end. Of one folder, or of all. */
  fault: { writes?: string; reads?: string; syncs?: string; closes?: string; hangs?: boolean; below?: string } = {}
  capacityBytes = 1 << 30
  /** Taken by files of others. */
  othersBytes = 0
  maxDelayMs = 0.2
  /** The sync of a new file is one of its name. */
  keepsNewNames = false
  /** Hears of every operation of a program, before and after: for crashes at every point. */
  watcher: ((operation: DiskOperation, path: string, when: 'before' | 'after') => void) | undefined
  readonly #scheduler: Scheduler
  #names: Names = new Map()
  #durableNames: Names = new Map()
  /** Names of files and folders in each folder. */
  #folders = new Map<string, Set<string>>([['/', new Set()]])
  /** Changes of names not yet on disk, in order. */
  #pendingNames: (NameChange & { atMs: number })[] = []
  readonly #inFlight = new Set<InFlight>()
  #usedBytes = 0

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  // --- what happens to it

  /** The programs are dead: what they had asked for is done, done in part or not done, and nobody hears of it. */
  abandon(manner: 'nothing' | 'chance' = 'chance'): void {
    const left = [...this.#inFlight]
    this.#inFlight.clear()
    if (manner === 'nothing') return
    for (const { run, runPart } of left) {
      const luck = this.#scheduler.random()
      if (luck < 0.4) continue
      try {
        if (luck < 0.7 && runPart) runPart()
        else run()
      } catch {
        // Nobody is left to be told.
      }
    }
  }

  /** The power goes: everything un-synced is lost, torn or kept. */
  powerCut(loss: Loss = 'chance'): void {
    const least = writtenBack(this.#pendingNames, loss, this.#scheduler.nowMs)
    const kept = loss === 'everything' ? 0 : this.#scheduler.between(least, this.#pendingNames.length)
    for (const change of this.#pendingNames.slice(0, kept)) rename(this.#durableNames, change)
    this.#pendingNames = []
    const before = new Set(this.#names.values())
    this.#names = new Map(this.#durableNames)
    for (const inode of new Set([...before, ...this.#names.values()])) inode.lose(loss)
    this.#recount()
  }

  /** Nothing of what was written to the file since its last sync has come to the disk yet, and the power goes now. */
  revert(path: string): void {
    const inode = this.#inode(path)
    if (!inode.isSynced) inode.lose('everything')
  }

  /** Flips one bit of a file, on disk and in every cache: for tests of checksums. */
  flipBit(path: string, bit: number): void {
    this.#inode(path).flip(bit)
  }

  /** As readFile(), at once and whatever fault there is. */
  peek(path: string): Buffer {
    return Buffer.from(this.#inode(path).contents)
  }

  /** All files below a folder. */
  files(folder: string): string[] {
    return [...this.#names.keys()].filter(path => path.startsWith(`${folder}/`)).sort()
  }

  /** A file that is wholly on the disk, at once: for setting up and for damage. */
  plant(path: string, contents: Buffer): void {
    this.#addFolder(folderOf(path))
    const inode = new SimInode(this.#scheduler)
    inode.write(0, contents)
    inode.sync()
    for (const names of [this.#names, this.#durableNames]) names.set(path, inode)
    this.#folders.get(folderOf(path))?.add(nameOf(path))
    this.#recount()
  }

  /** Whether a loss of power takes nothing of what the file holds. */
  isSynced(path: string): boolean {
    return this.#names.get(path)?.isSynced ?? true
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  // --- as programs see it

  /** The disk for one program, while `isAlive`: then nothing it asks for happens, nor is it answered. */
  door(isAlive: () => boolean): Disk {
    return new Door(this, isAlive)
  }

  async create(path: string, changes: readonly FileChange[], isAlive = always): Promise<DiskFile> {
    const file = await this.open(path, 'wx+', isAlive)
    await file.change(changes)
    return file
  }

  open(path: string, mode: OpenMode, isAlive = always): Promise<DiskFile> {
    return this.#later('open', path, isAlive, () => {
      let inode = this.#names.get(path)
      if (!inode && (mode === 'r' || mode === 'r+')) throw failure('ENOENT', path)
      if (inode && mode === 'wx+') throw failure('EEXIST', path)
      if (!inode) {
        if (!this.#folders.has(folderOf(path))) throw failure('ENOENT', path)
        inode = new SimInode(this.#scheduler)
        this.#changeNames({ folder: folderOf(path), added: path, inode })
      } else if (mode === 'w+') {
        this.#resized(inode, 0)
        inode.truncate(0)
      }
      return this.#file(inode, path, mode === 'a+', isAlive)
    })
  }

  readFile(path: string, isAlive = always): Promise<Buffer> {
    return this.#later('read', path, isAlive, () => {
      this.#failIf('reads', path)
      return Buffer.from(this.system.get(path) ?? this.#inode(path).contents)
    })
  }

  rename(from: string, to: string, isAlive = always): Promise<void> {
    return this.#later('rename', to, isAlive, () => {
      const inode = this.#inode(from)
      if (from !== to) this.#changeNames({ folder: folderOf(to), removed: from, added: to, inode })
    })
  }

  /** The space comes back at once, however it was asked for. */
  unlink(path: string, _gently?: 'gently', isAlive = always): Promise<void> {
    return this.#later('unlink', path, isAlive, () => {
      this.#changeNames({ folder: folderOf(path), removed: path, inode: this.#inode(path) })
    })
  }

  async makeFolder(path: string): Promise<void> {
    this.#addFolder(path)
  }

  list(path: string, isAlive = always): Promise<string[]> {
    return this.#later('list', path, isAlive, () => {
      const names = this.#folders.get(path)
      if (!names) throw failure('ENOENT', path)
      return [...names]
    })
  }

  stat(path: string, isAlive = always): Promise<FileStat> {
    return this.#later('read', path, isAlive, () => {
      if (this.#folders.has(path)) return { size: 0, blocksBytes: 0, mtimeMs: 0, kind: 'folder' } as const
      return statOf(this.#inode(path))
    })
  }

  syncFolder(path: string, isAlive = always): Promise<void> {
    return this.#later('syncFolder', path, isAlive, () => {
      this.#failIf('syncs', path)
      const others = this.#pendingNames.filter(({ folder }) => folder !== path)
      for (const change of this.#pendingNames) if (change.folder === path) rename(this.#durableNames, change)
      this.#pendingNames = others
    })
  }

  async syncsNewNames(): Promise<boolean> {
    return this.keepsNewNames
  }

  async space(): Promise<DiskSpace> {
    const availableBytes = this.#freeBytes
    return { totalBytes: this.capacityBytes, availableBytes, freeBytes: availableBytes }
  }

  async removeFolder(path: string): Promise<void> {
    if ((this.#folders.get(path)?.size ?? 0) > 0) throw failure('ENOTEMPTY', path)
    this.#folders.delete(path)
    this.#folders.get(folderOf(path))?.delete(nameOf(path))
  }

  /** One program at a time uses a simulated disk, and a kill frees its locks: always granted. */
  async lock(path: string, isAlive = always): Promise<DiskLock> {
    await this.open(path, 'w+', isAlive)
    return { release: async () => {} }
  }

  // --- inside

  get #freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#usedBytes - this.othersBytes)
  }

  #isFaulty(path: string): boolean {
    return path.startsWith(this.fault.below ?? '/')
  }

  #failIf(kind: 'reads' | 'writes' | 'syncs' | 'closes', path: string): void {
    const code = this.fault[kind]
    if (code && this.#isFaulty(path)) throw failure(code, path)
  }

  #inode(path: string): SimInode {
    const inode = this.#names.get(path)
    if (!inode) throw failure('ENOENT', path)
    return inode
  }

  #addFolder(path: string): void {
    for (let folder = path; !this.#folders.has(folder); folder = folderOf(folder)) this.#folders.set(folder, new Set())
    for (let folder = path; folder !== '/'; folder = folderOf(folder)) {
      this.#folders.get(folderOf(folder))?.add(nameOf(folder))
    }
  }

  #changeNames(change: NameChange): void {
    const { removed, added, inode } = change
    if (added !== undefined) {
      const replaced = this.#names.get(added)
      if (replaced) this.#unlinked(replaced)
      this.#folders.get(folderOf(added))?.add(nameOf(added))
      inode.links++
      if (removed === undefined) this.#usedBytes += inode.size
    }
    if (removed !== undefined) {
      this.#folders.get(folderOf(removed))?.delete(nameOf(removed))
      this.#unlinked(inode)
    }
    rename(this.#names, change)
    this.#pendingNames.push({ ...change, atMs: this.#scheduler.nowMs })
  }

  /** The name that a file was made with; what it is renamed to comes later. */
  #syncNewName(inode: SimInode): void {
    const at = this.#pendingNames.findIndex(change => change.inode === inode && change.removed === undefined)
    const [change] = at < 0 ? [] : this.#pendingNames.splice(at, 1)
    if (change) rename(this.#durableNames, change)
  }

  #unlinked(inode: SimInode): void {
    if (--inode.links === 0) this.#usedBytes -= inode.size
  }

  #resized(inode: SimInode, size: number): void {
    if (inode.links > 0) this.#usedBytes += size - inode.size
  }

  /** After a power cut: what is in which folder, and how much it takes. */
  #recount(): void {
    for (const names of this.#folders.values()) names.clear()
    for (const path of this.#folders.keys()) if (path !== '/') this.#folders.get(folderOf(path))?.add(nameOf(path))
    const inodes = new Set(this.#names.values())
    this.#usedBytes = 0
    for (const inode of inodes) {
      inode.links = 0
      this.#usedBytes += inode.size
    }
    for (const [path, inode] of this.#names) {
      inode.links++
      this.#folders.get(folderOf(path))?.add(nameOf(path))
    }
  }

  #later<T>(
    operation: DiskOperation,
    path: string,
    isAlive: () => boolean,
    run: () => T,
    runPart?: () => unknown,
  ): Promise<T> {
    if (!isAlive() || (this.fault.hangs && this.#isFaulty(path))) return new Promise(() => {})
    return new Promise((resolve, reject) => {
      const inFlight: InFlight = { run, runPart }
      this.#inFlight.add(inFlight)
      this.#scheduler.at(this.#scheduler.random() * this.maxDelayMs, () => {
        if (!this.#inFlight.has(inFlight)) return
        this.watcher?.(operation, path, 'before')
        if (!this.#inFlight.delete(inFlight)) return
        try {
          const result = run()
          this.watcher?.(operation, path, 'after')
          if (isAlive()) resolve(result)
        } catch (error) {
          if (isAlive()) reject(error)
        }
      })
    })
  }

  #file(inode: SimInode, path: string, append: boolean, isAlive: () => boolean): DiskFile {
    const write = (bytes: Buffer, position: number) => this.#write(inode, path, bytes, append ? inode.size : position)
    const later = <T>(operation: DiskOperation, run: () => T, runPart?: () => unknown) =>
      this.#later(operation, path, isAlive, run, runPart)
    const writeLater = (bytes: Buffer, position: number) => {
      const part = () => write(bytes.subarray(0, this.#scheduler.between(0, bytes.length)), position)
      return later('write', () => write(bytes, position), part)
    }
    const read = (target: Buffer, position: number) => {
      this.#failIf('reads', path)
      return inode.contents.copy(target, 0, Math.min(position, inode.contents.length), position + target.length)
    }
    // Memory holds all, a first part or nothing of what is wanted; errors are for read() to find.
    const readNow = (target: Buffer, position: number) => {
      if (!isAlive() || this.fault.reads || this.fault.hangs) return 0
      const luck = this.#scheduler.random()
      if (luck < 0.3) return 0
      return read(luck < 0.5 ? target.subarray(0, this.#scheduler.between(0, target.length)) : target, position)
    }
    const sync = () =>
      later('sync', () => {
        this.#failIf('syncs', path)
        inode.sync()
        if (this.keepsNewNames) this.#syncNewName(inode)
      })
    const truncate = (size: number) =>
      later('truncate', () => {
        // A file can be made shorter on a full disk.
        const isFree = this.fault.writes === 'ENOSPC' && size <= inode.size
        if (!isFree) this.#failIf('writes', path)
        this.#resized(inode, size)
        inode.truncate(size)
      })
    const writev = (sources: readonly Buffer[], position: number) => writeLater(Buffer.concat(sources), position)
    return {
      read: (target, position) => later('read', () => read(target, position)),
      write: writeLater,
      writev,
      readNow,
      writeSync: write,
      truncate,
      // Whoever is killed may have made some of the changes.
      async change(changes) {
        for (const change of changes) {
          if ('size' in change) await truncate(change.size)
          else await writev(change.parts, change.position)
        }
      },
      sync,
      writeLittle: writeLater,
      syncLittle: sync,
      stat: async () => statOf(inode),
      close: async () => this.#failIf('closes', path),
    }
  }

  #write(inode: SimInode, path: string, bytes: Buffer, position: number): void {
    this.#failIf('writes', path)
    const size = Math.max(inode.size, position + bytes.length)
    const missing = size - inode.size - this.#freeBytes
    if (missing > 0) {
      // What there is room for is written before the error comes.
      const fits = bytes.length - missing
      if (fits > 0) this.#write(inode, path, bytes.subarray(0, fits), position)
      throw failure('ENOSPC', path)
    }
    this.#resized(inode, size)
    inode.write(position, bytes)
  }
}

/** What one program sees of the disk. */
class Door implements Disk {
  readonly #disk: SimDisk
  readonly #isAlive: () => boolean

  constructor(disk: SimDisk, isAlive: () => boolean) {
    this.#disk = disk
    this.#isAlive = isAlive
  }

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.#disk.open(path, mode, this.#isAlive)
  }

  create(path: string, changes: readonly FileChange[]): Promise<DiskFile> {
    return this.#disk.create(path, changes, this.#isAlive)
  }

  readFile(path: string): Promise<Buffer> {
    return this.#disk.readFile(path, this.#isAlive)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to, this.#isAlive)
  }

  unlink(path: string): Promise<void> {
    return this.#disk.unlink(path, undefined, this.#isAlive)
  }

  async makeFolder(path: string): Promise<void> {
    if (this.#isAlive()) await this.#disk.makeFolder(path)
  }

  list(path: string): Promise<string[]> {
    return this.#disk.list(path, this.#isAlive)
  }

  stat(path: string): Promise<FileStat> {
    return this.#disk.stat(path, this.#isAlive)
  }

  syncFolder(path: string): Promise<void> {
    return this.#disk.syncFolder(path, this.#isAlive)
  }

  syncsNewNames(): Promise<boolean> {
    return this.#disk.syncsNewNames()
  }

  space(): Promise<DiskSpace> {
    return this.#disk.space()
  }

  async removeFolder(path: string): Promise<void> {
    if (this.#isAlive()) await this.#disk.removeFolder(path)
  }

  lock(path: string): Promise<DiskLock> {
    return this.#disk.lock(path, this.#isAlive)
  }
}

function statOf(inode: SimInode): FileStat {
  return { size: inode.size, blocksBytes: inode.size, mtimeMs: 0, kind: 'file' }
}
