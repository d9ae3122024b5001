// One folder of mfshdd.cfg: its lock, its sub-folders, its space, its health (spec chunkserver 5.1, 6).
import type { Disk, DiskLock } from '../../env/disk.ts'
import type { Env } from '../../env/env.ts'
import { SharedRun } from '../../util/shared-run.ts'
import { errnoOf } from './chunk-error.ts'
import { chunkFileName, formatChunkId, parseChunkFileName, subfolderName } from './chunk-file.ts'
import type { FolderLine } from './folder-list.ts'
import { FolderStatistics } from './folder-statistics.ts'
import { GuardedDisk } from './guarded-disk.ts'
import { WriteMarks } from './write-marks.ts'

const SUBFOLDERS = 256
const SCANS_AT_A_TIME = 16
/** Errors of a folder that are remembered. */
const ERRORS_MAX = 30
/** Behind the name of a file that another one of the same chunk and version is preferred to. */
const ASIDE = '.duplicate'
const BUILDING = 'reptmp_chunk_'

export type FolderState = 'scanning' | 'ready' | 'damaged' | 'gone'

export interface FolderOptions {
  /** Bytes to leave free on folders without a size of their own. */
  leaveBytes: number
  /** New chunks put into one sub-folder before the next. */
  subfolderChunks: number
  errorsTolerated: number
  errorPeriodSeconds: number
  /** A disk that answers nothing for so long is given up. */
  hangSeconds: number
}

/** A folder that cannot be used; says why. */
export class FolderError extends Error {
  override readonly name = 'FolderError'
}

export interface FoundChunk {
  chunkId: number
  version: number
  subfolder: number
}

/** A file of a chunk that another file has too; removed later. */
export interface DuplicateFile {
  readonly path: string
  readonly removeAtMs: number
}

export class Folder {
  line: FolderLine
  readonly index: number
  /** Without the slash at the end. */
  readonly root: string
  state: FolderState = 'scanning'
  /** How much of the scan is done, 0..100. */
  scanPercent = 0
  totalBytes = 0
  availableBytes = 0
  chunkCount = 0
  /** Chunks whose number of blocks is known, and the sum of these. */
  examinedCount = 0
  examinedBlocks = 0
  duplicates: DuplicateFile[] = []
  lastError: { chunkId: number; seconds: number } = { chunkId: 0, seconds: 0 }
  /** New chunks placed elsewhere since the last one here, and the correction that keeps shares fair. */
  turn = { distance: 0, correction: 0, used: false }
  spaceChanged = true
  readonly statistics: FolderStatistics
  readonly marks: WriteMarks
  readonly #env: Env
  /** Everything on this folder goes through it. */
  #disk: GuardedDisk
  #lock: DiskLock | undefined
  #errors: { atMs: number; code: string }[] = []
  readonly #subfolderCounts = new Uint32Array(SUBFOLDERS)
  #subfolder = 0
  /** Changes of names by sub-folder, and how many of them are on the disk. What an earlier life left counts as one. */
  readonly #nameChanges = new Uint32Array(SUBFOLDERS).fill(1)
  readonly #nameChangesSynced = new Uint32Array(SUBFOLDERS)
  readonly #nameSyncs: SharedRun[] = []
  /** See Disk. */
  #syncsNewNames = false
  #firstTotalBytes = 0

  constructor(env: Env, line: FolderLine, index: number) {
    this.#env = env
    this.#disk = new GuardedDisk(env.disk, env.clock)
    this.line = line
    this.statistics = new FolderStatistics(env.clock)
    this.index = index
    this.root = line.path === '/' ? '/' : line.path.slice(0, -1)
    this.marks = new WriteMarks(env, () => this.#disk, line.path)
  }

  /**
   * Takes the folder for this program. @returns the id of the instance whose chunks it holds; undefined: none yet
   * @throws FolderError when another program has it, or it is not there
   */
  async take(): Promise<bigint | undefined> {
    try {
      this.#lock = await this.#disk.lock(`${this.line.path}.lock`)
    } catch (error) {
      // Nobody writes to a disk that is mounted for reading only; it may be emptied like that.
      if (this.line.markedForRemoval && errnoOf(error) === 'EROFS') return this.readMetaId()
      const reason = errnoOf(error) === 'EAGAIN' ? 'another process uses this folder' : String(errnoOf(error))
      throw new FolderError(`can't lock '${this.line.path}.lock': ${reason}`, { cause: error })
    }
    return this.readMetaId()
  }

  async readMetaId(): Promise<bigint | undefined> {
    try {
      const bytes = await this.#disk.readFile(`${this.line.path}.metaid`)
      // Zeros are what a power cut left of an id that was being written; no instance has that id.
      return bytes.length === 8 ? bytes.readBigUInt64BE() || undefined : undefined
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw new FolderError(`can't read '${this.line.path}.metaid': ${errnoOf(error)}`, { cause: error })
    }
  }

  /** Half an id would be a foreign one: whatever happens, the file has the old contents or the new. */
  async writeMetaId(metaId: bigint): Promise<void> {
    const path = `${this.line.path}.metaid`
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(metaId)
    const file = await this.#disk.open(`${path}.tmp`, 'w+')
    try {
      await file.write(bytes, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#disk.rename(`${path}.tmp`, path)
  }

  /** @param isAtRest nobody is changing a file here */
  async release(isAtRest = false): Promise<void> {
    await this.marks.close(isAtRest)
    await this.#lock?.release()
    this.#lock = undefined
  }

  path(chunkId: number, version: number, subfolder: number): string {
    return `${this.subfolderPath(subfolder)}/${chunkFileName(chunkId, version)}`
  }

  subfolderPath(subfolder: number): string {
    return `${this.line.path}${subfolderName(subfolder)}`
  }

  /**
   * Takes a file for no chunk any more: the next start shall not prefer it to the one that is used.
   * @returns where it lies now @throws Error of the system
   */
  async setAside({ chunkId, version, subfolder }: FoundChunk): Promise<string> {
    const path = this.path(chunkId, version, subfolder)
    await this.#disk.rename(path, path + ASIDE)
    await this.#disk.syncFolder(this.subfolderPath(subfolder))
    return path + ASIDE
  }

  /** Where a chunk is built that is not complete yet; what a crash leaves there is removed at the next scan. */
  buildingPath(chunkId: number): string {
    return `${this.line.path}${BUILDING}${formatChunkId(chunkId)}`
  }

  /**
   * Finds all chunks by their files' names.
   * @param setAside hears of files that setAside() has renamed
   * @throws Error of the system when the folder cannot be read
   */
  async scan(found: (chunk: FoundChunk) => void, setAside: (path: string) => void): Promise<void> {
    const disk = this.#disk
    this.#syncsNewNames = await disk.syncsNewNames(this.root)
    await this.marks.load()
    const names = await disk.list(this.root)
    for (const name of names) {
      // What the original wrote at its last stop would be wrong from the first change on.
      const isStale = name === '.chunkdb' || name === '.tmp_chunkdb' || name.startsWith(BUILDING)
      if (isStale) await this.#unlessReadOnly(disk.unlink(`${this.line.path}${name}`))
    }
    const present = new Set(names)
    for (let i = 0; i < SUBFOLDERS && !this.line.markedForRemoval; i++) {
      if (!present.has(subfolderName(i))) await disk.makeFolder(this.subfolderPath(i))
    }
    for (const name of names) if (/^[0-9A-F]$/.test(name)) await this.#convertOldSubfolder(`${this.line.path}${name}`)
    let next = 0
    let deletedAgain = 0
    const scanSome = async () => {
      while (next < SUBFOLDERS) {
        const subfolder = next++
        const deleted = await this.#scanSubfolder(subfolder, present, found, setAside)
        deletedAgain += deleted
        this.scanPercent = Math.floor((100 * next) / SUBFOLDERS)
      }
    }
    await Promise.all(Array.from({ length: SCANS_AT_A_TIME }, scanSome))
    if (deletedAgain === 0) return
    const what = deletedAgain === 1 ? 'a chunk' : `${deletedAgain} chunks`
    this.#env.log.notice(`folder ${this.line.path}: deleted ${what} again, deleted before the power was lost`)
  }

  async #unlessReadOnly(action: Promise<void>): Promise<void> {
    await action.catch(error => {
      if (!this.line.markedForRemoval || errnoOf(error) !== 'EROFS') throw error
    })
  }

  /** @returns how many chunks were there that had been deleted */
  async #scanSubfolder(
    subfolder: number,
    present: Set<string>,
    found: (chunk: FoundChunk) => void,
    setAside: (path: string) => void,
  ): Promise<number> {
    if (this.line.markedForRemoval && !present.has(subfolderName(subfolder))) return 0
    let deletedAgain = 0
    for (const name of await this.#disk.list(this.subfolderPath(subfolder))) {
      const chunk = parseChunkFileName(name)
      if (name.endsWith(ASIDE)) setAside(`${this.subfolderPath(subfolder)}/${name}`)
      if (!chunk) continue
      if (this.marks.wasDeleted(chunk.chunkId)) {
        await this.#unlessReadOnly(this.#disk.unlink(`${this.subfolderPath(subfolder)}/${name}`))
        deletedAgain++
        continue
      }
      const marking = this.marks.markThere(chunk.chunkId)
      if (marking) await marking
      found({ ...chunk, subfolder })
    }
    return deletedAgain
  }

  /** Very old versions had sixteen sub-folders (spec chunkserver 5.1). */
  async #convertOldSubfolder(path: string): Promise<void> {
    const disk = this.#disk
    for (const name of await disk.list(path)) {
      const chunk = parseChunkFileName(name)
      if (chunk) await disk.rename(`${path}/${name}`, `${this.subfolderPath(chunk.chunkId % 256)}/${name}`)
    }
    await disk.removeFolder(path).catch(() => undefined)
  }

  /** A file was made in this sub-folder. */
  nameMade(subfolder: number): void {
    if (!this.#syncsNewNames) this.namesChanged(subfolder)
  }

  /** A file of this sub-folder was renamed. */
  namesChanged(subfolder: number): void {
    this.#nameChanges[subfolder] = ((this.#nameChanges[subfolder] ?? 0) + 1) >>> 0
  }

  /** Puts the names of a sub-folder on the disk, but those of new files that are to be synced. @throws Error of the system */
  async syncNames(subfolder: number): Promise<void> {
    if (this.#nameChanges[subfolder] === this.#nameChangesSynced[subfolder]) return
    this.#nameSyncs[subfolder] ??= new SharedRun(async () => {
      const changes = this.#nameChanges[subfolder] as number
      await this.#disk.syncFolder(this.subfolderPath(subfolder))
      this.#nameChangesSynced[subfolder] = changes
    })
    await this.#nameSyncs[subfolder].run()
  }

  /** Keeps count of the chunks here. */
  chunkAdded(subfolder: number): void {
    this.chunkCount++
    this.#subfolderCounts[subfolder] = (this.#subfolderCounts[subfolder] ?? 0) + 1
    this.spaceChanged = true
  }

  chunkRemoved(subfolder: number): void {
    this.chunkCount--
    this.#subfolderCounts[subfolder] = Math.max(0, (this.#subfolderCounts[subfolder] ?? 0) - 1)
    this.spaceChanged = true
  }

  /** All its chunks are forgotten. */
  forgetChunks(): void {
    this.chunkCount = this.examinedCount = this.examinedBlocks = 0
    this.#subfolderCounts.fill(0)
    this.duplicates = []
  }

  /** The sub-folder for a new chunk: one until it is well ahead of the emptiest, then the emptiest. */
  nextSubfolder(subfolderChunks: number): number {
    const counts = this.#subfolderCounts
    const least = counts.indexOf(counts.reduce((a, b) => Math.min(a, b)))
    const ahead = (counts[this.#subfolder] ?? 0) - (counts[least] ?? 0)
    if (ahead >= subfolderChunks) this.#subfolder = least
    return this.#subfolder
  }

  /** Reads how full the disk is. @throws Error of the system */
  async refreshSpace(defaultLeaveBytes: number): Promise<void> {
    this.spaceChanged = false
    const { totalBytes, availableBytes, freeBytes } = await this.#disk.space(this.root)
    if (this.#firstTotalBytes === 0) this.#firstTotalBytes = totalBytes
    const { limitBytes, leaveBytes } = this.line
    if (limitBytes !== undefined && limitBytes <= totalBytes) {
      this.totalBytes = limitBytes
      this.availableBytes = Math.max(0, limitBytes - this.#chunkBytes())
    } else {
      this.totalBytes = totalBytes - (freeBytes - availableBytes)
      this.availableBytes = Math.max(0, availableBytes - (leaveBytes ?? defaultLeaveBytes))
    }
    const changed = Math.abs(totalBytes - this.#firstTotalBytes) > this.#firstTotalBytes / 10
    if (changed && !this.line.ignoreSize) throw new FolderError('the size of the disk changed')
  }

  /** What its chunks take, as far as they are known (spec chunkserver 6.3). */
  #chunkBytes(): number {
    const average = this.examinedCount > 0 ? this.examinedBlocks / this.examinedCount : 1
    return Math.round(1024 * (64 * average * this.chunkCount + 8 * this.chunkCount))
  }

  /** @returns whether there were too many errors of late: the folder is damaged then */
  noteError(code: string, chunkId: number, options: FolderOptions): boolean {
    const nowMs = this.#env.clock.monotonicMs()
    this.lastError = { chunkId, seconds: Math.floor(this.#env.clock.nowMs() / 1000) }
    this.#errors.push({ atMs: nowMs, code })
    if (this.#errors.length > ERRORS_MAX) this.#errors.shift()
    const grave = this.#errors.filter(error => {
      const recent = nowMs - error.atMs <= options.errorPeriodSeconds * 1000
      return recent && ['EIO', 'EROFS', 'ENOENT'].includes(error.code)
    })
    return grave.length > options.errorsTolerated
  }

  get disk(): Disk {
    return this.#disk
  }

  /** Whether the disk has just been found to hang. */
  watch(hangSeconds: number): boolean {
    return this.#disk.watch(hangSeconds)
  }

  /** Everything that went wrong is forgotten, and a disk that hung is asked again. */
  forgetErrors(): void {
    this.#errors = []
    this.#disk = new GuardedDisk(this.#env.disk, this.#env.clock)
    this.#firstTotalBytes = 0
  }
}
