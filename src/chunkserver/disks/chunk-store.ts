// All chunks on all folders of this server, and what can be done with them (spec chunkserver 5, 6, 7).
import type { DiskFile } from '../../env/disk.ts'
import type { Env } from '../../env/env.ts'
import { MFSBLOCKSINCHUNK, MFSBLOCKSIZE, MFSCHUNKSIZE } from '../../protocol/constants.ts'
import { MARKED_FOR_REMOVAL } from '../../protocol/cstoma.ts'
import { Status } from '../../protocol/status.ts'
import type { Counts } from '../statistics.ts'
import { ChunkBuilder } from './chunk-builder.ts'
import { ChunkError, errnoOf } from './chunk-error.ts'
import {
  decodeHeader,
  emptyTable,
  formatChunkId,
  HEAD_BYTES,
  HEADER_TEXT_BYTES,
  isClearTable,
  type Layout,
  layoutOf,
  newLayout,
  TABLE_BYTES,
  VERSION_POSITION,
} from './chunk-file.ts'
import { ChunkTable, UNKNOWN_BLOCKS } from './chunk-table.ts'
import { Folder, FolderError, type FolderOptions, type FoundChunk } from './folder.ts'
import type { FolderLine } from './folder-list.ts'
import { noted } from './folder-statistics.ts'
import { type BlockPiece, headOf, OpenChunk, type WriteOptions, type WriteResult } from './open-chunk.ts'
import { chooseFolder } from './placement.ts'

const IDLE_CLOSE_MS = 3000
/** Files open at a time, sessions aside; when there are more, so many are closed together. */
const IDLE_OPEN_MAX = 512
const IDLE_CLOSED_TOGETHER = 64
const SPACE_EVERY_MS = 60_000
/** Blocks moved in one go by copies and tests. */
const COPY_BLOCKS = 16

export interface StoreOptions extends FolderOptions {
  sparsify: boolean
  /** Answers wait until the disk has the data. */
  sync: boolean
  keepDuplicatesHours: number
}

/** What the master must hear of. */
export interface StoreReports {
  damaged(chunkId: number): void
  lost(chunkIds: number[]): void
  /** Copies that are told next, and may lack what was written last. */
  unsure(chunkIds: number[]): void
  appeared(chunks: { chunkId: number; version: number }[]): void
  ioError(): void
  spaceChanged(): void
}

export interface Space {
  used: number
  total: number
  chunks: number
  removedUsed: number
  removedTotal: number
  removedChunks: number
}

export class ChunkStore {
  readonly table = new ChunkTable()
  /** By their number in the table; undefined where one was removed. */
  readonly folders: (Folder | undefined)[] = []
  options: StoreOptions
  readonly #env: Env
  readonly #reports: StoreReports
  readonly #counts: Counts
  readonly #open = new Map<number, OpenChunk>()
  readonly #opening = new Map<number, Promise<OpenChunk>>()
  /** Chunks that are being made: their ids are taken. */
  readonly #building = new Set<number>()
  #spaceAtMs = Number.NEGATIVE_INFINITY

  /** @param counts of what it does, for the charts */
  constructor(env: Env, options: StoreOptions, reports: StoreReports, counts: Counts) {
    this.#env = env
    this.options = options
    this.#reports = reports
    this.#counts = counts
  }

  // Folders

  get liveFolders(): Folder[] {
    return this.folders.filter(folder => folder !== undefined)
  }

  /**
   * Takes a folder and begins to look for chunks in it.
   *
   * @returns when the scan is over
   * @throws FolderError when it cannot be used
   */
  async addFolder(line: FolderLine, metaId: bigint | undefined): Promise<{ metaId?: bigint; scanned: Promise<void> }> {
    const free = this.folders.indexOf(undefined)
    const folder = new Folder(this.#env, line, free < 0 ? this.folders.length : free)
    this.folders[folder.index] = folder
    try {
      const itsMetaId = await folder.take()
      if (itsMetaId !== undefined && metaId !== undefined && itsMetaId !== metaId) {
        throw new FolderError(`'${line.path}' holds chunks of another instance`)
      }
      if (itsMetaId === undefined && metaId !== undefined && !line.markedForRemoval) await this.#claim(folder, metaId)
      const known = itsMetaId ?? metaId
      return { ...(known === undefined ? {} : { metaId: known }), scanned: this.#scan(folder) }
    } catch (error) {
      this.folders[folder.index] = undefined
      await folder.release()
      if (error instanceof FolderError) throw error
      throw new FolderError(`'${line.path}': ${errnoOf(error)}`, { cause: error })
    }
  }

  /** On a full disk the id waits for a later start: the chunks there are needed, and no others come. */
  async #claim(folder: Folder, metaId: bigint): Promise<void> {
    try {
      await folder.writeMetaId(metaId)
    } catch (error) {
      if (errnoOf(error) !== 'ENOSPC') throw error
      this.#env.log.warning(`folder ${folder.line.path}: no room for .metaid, it is written at a later start`)
    }
  }

  /** Lets go of a folder: its chunks are lost to the master. */
  async removeFolder(folder: Folder): Promise<void> {
    this.#forgetChunks(folder)
    folder.state = 'gone'
    this.folders[folder.index] = undefined
    this.#reports.spaceChanged()
    await folder.release()
  }

  /** Makes a folder go by another line of mfshdd.cfg; one that is damaged is tried again. */
  changeFolder(folder: Folder, line: FolderLine): Promise<void> | undefined {
    const wasMarked = folder.line.markedForRemoval
    folder.line = line
    folder.spaceChanged = true
    if (folder.state === 'damaged') {
      folder.forgetErrors()
      return this.#scan(folder)
    }
    if (wasMarked !== line.markedForRemoval) {
      const rows = this.#chunksOf(folder)
      this.#reports.appeared(rows.map(row => this.#entry(row)))
      for (const row of rows) this.table.observer?.(this.table.id(row))
    }
    return undefined
  }

  async #scan(folder: Folder): Promise<void> {
    folder.state = 'scanning'
    folder.scanPercent = 0
    const { log } = this.#env
    const found: { chunkId: number; version: number }[] = []
    const twins: FoundChunk[] = []
    try {
      await folder.refreshSpace(this.options.leaveBytes)
      const take = (chunk: FoundChunk) => {
        if (folder.state === 'scanning' && this.#found(folder, chunk, twins)) found.push(this.#entryOf(folder, chunk))
      }
      await folder.scan(take, path => this.#duplicate(folder, path))
      for (const twin of twins) await this.#setAside(folder, twin)
      if (folder.state !== 'scanning') return
      folder.marks.keepOnly(chunkId => this.#isIn(folder, this.table.find(chunkId)))
      folder.state = 'ready'
      log.notice(`folder ${folder.line.path}: ${folder.chunkCount} chunks found`)
    } catch (error) {
      if (folder.state === 'scanning') this.#markDamaged(folder, `scan failed (${errnoOf(error) ?? error})`)
      return
    } finally {
      this.#reports.unsure([...folder.marks.unsure])
      this.#reports.appeared(found)
      this.#reports.spaceChanged()
    }
  }

  #entryOf(folder: Folder, { chunkId, version }: FoundChunk): { chunkId: number; version: number } {
    const flag = folder.line.markedForRemoval ? MARKED_FOR_REMOVAL : 0
    return { chunkId, version: (version | flag) >>> 0 }
  }

  /**
   * Of two files of one chunk the newer counts; the other is removed later (spec chunkserver 6.5).
   * @param twins takes the chunk when the other file has the same version, and is the one that counts
   */
  #found(folder: Folder, chunk: FoundChunk, twins: FoundChunk[]): boolean {
    const { chunkId, version, subfolder } = chunk
    const path = folder.path(chunkId, version, subfolder)
    const row = this.table.find(chunkId)
    if (row !== 0) {
      const isNewer = version > this.table.version.get(row) && !this.#open.has(chunkId)
      const other = this.#folderOf(row)
      if (!isNewer) {
        if (path === this.#pathOf(row)) return false
        if (version === this.table.version.get(row)) twins.push(chunk)
        else this.#duplicate(folder, path)
        return false
      }
      this.#duplicate(other, this.#pathOf(row))
      this.#reports.lost([chunkId])
      this.#forget(row)
    }
    this.table.add(chunkId, version, folder.index, subfolder, UNKNOWN_BLOCKS)
    folder.chunkAdded(subfolder)
    return true
  }

  /**
   * A kill in the middle of a move between disks leaves two files with one version. They are alike then, but only one is
   * written from now on, and a later start must not find the other one first.
   */
  async #setAside(folder: Folder, twin: FoundChunk): Promise<void> {
    try {
      this.#duplicate(folder, await folder.setAside(twin))
    } catch (error) {
      const path = folder.path(twin.chunkId, twin.version, twin.subfolder)
      this.#env.log.warning(
        `${path} can't be set aside (${errnoOf(error)}): another file of the same version is in use`,
      )
      this.#duplicate(folder, path)
    }
  }

  #duplicate(folder: Folder, path: string): void {
    const removeAtMs = this.#env.clock.monotonicMs() + this.options.keepDuplicatesHours * 3600_000
    folder.duplicates.push({ path, removeAtMs })
  }

  #markDamaged(folder: Folder, why: string): void {
    if (folder.state === 'damaged' || folder.state === 'gone') return
    this.#env.log.error(`folder ${folder.line.path}: ${why}: marked as damaged, its chunks count as lost`)
    folder.state = 'damaged'
    this.#forgetChunks(folder)
    this.#reports.spaceChanged()
  }

  #isIn(folder: Folder, row: number): boolean {
    return row !== 0 && this.table.folder.get(row) === folder.index
  }

  #chunksOf(folder: Folder): number[] {
    return [...this.table.rows()].filter(row => this.#isIn(folder, row))
  }

  #forgetChunks(folder: Folder): void {
    const rows = this.#chunksOf(folder)
    this.#reports.lost(rows.map(row => this.table.id(row)))
    for (const row of rows) this.#forget(row)
    folder.forgetChunks()
  }

  /** Takes a chunk out of the table; its file is the caller's. */
  #forget(row: number): void {
    const chunkId = this.table.id(row)
    const open = this.#open.get(chunkId)
    if (open) {
      open.gone = true
      if (open.users === 0) this.#close(open)
      else this.#open.delete(chunkId)
    }
    const folder = this.#folderOf(row)
    this.#noteBlocks(row, UNKNOWN_BLOCKS)
    folder.chunkRemoved(this.table.subfolder.get(row))
    this.table.remove(row)
  }

  #folderOf(row: number): Folder {
    const folder = this.folders[this.table.folder.get(row)]
    if (!folder) throw new ChunkError(Status.NOCHUNK, this.table.id(row))
    return folder
  }

  #pathOf(row: number): string {
    const { table } = this
    return this.#folderOf(row).path(table.id(row), table.version.get(row), table.subfolder.get(row))
  }

  #entry(row: number): { chunkId: number; version: number } {
    const flag = this.#folderOf(row).line.markedForRemoval ? MARKED_FOR_REMOVAL : 0
    return { chunkId: this.table.id(row), version: (this.table.version.get(row) | flag) >>> 0 }
  }

  /** Every chunk, with its version as the master is told it. */
  *entries(): Generator<{ chunkId: number; version: number }> {
    for (const row of this.table.rows()) yield this.#entry(row)
  }

  /** A chunk as a master is told it; undefined: it is not here. */
  entryOf(chunkId: number): { chunkId: number; version: number } | undefined {
    const row = this.table.find(chunkId)
    return row === 0 ? undefined : this.#entry(row)
  }

  /** Chunks that were reported as damaged and are still there. */
  *damagedChunks(): Generator<number> {
    if (this.table.damagedCount === 0) return
    for (const row of this.table.rows()) if (this.table.isDamaged(row)) yield this.table.id(row)
  }

  /** Chunks that may lack what was written last, since the power was lost. */
  *unsureChunks(): Generator<number> {
    for (const { marks } of this.liveFolders) yield* marks.unsure
  }

  /** The master counts on the copies of these chunks. */
  vouch(chunkIds: Iterable<number>): void {
    const all = [...chunkIds]
    for (const { marks } of this.liveFolders) marks.vouch(all)
  }

  space(): Space {
    const sum = { used: 0, total: 0, chunks: 0, removedUsed: 0, removedTotal: 0, removedChunks: 0 }
    for (const folder of this.liveFolders) {
      if (folder.state === 'damaged') continue
      const isReady = folder.state === 'ready'
      const total = isReady ? folder.totalBytes : 0
      const used = isReady ? folder.totalBytes - folder.availableBytes : 0
      if (folder.line.markedForRemoval) {
        sum.removedUsed += used
        sum.removedTotal += total
        sum.removedChunks += folder.chunkCount
      } else {
        sum.used += used
        sum.total += total
        sum.chunks += folder.chunkCount
      }
    }
    return sum
  }

  /** Gives up disks that hang. For a clock of its own: tick() may be waiting for one. */
  watch(): void {
    const { hangSeconds } = this.options
    for (const folder of this.liveFolders) {
      if (folder.watch(hangSeconds)) this.#markDamaged(folder, `the disk did not answer for ${hangSeconds} s`)
    }
  }

  /** Once a second: space, idle files, old duplicates. */
  async tick(): Promise<void> {
    const nowMs = this.#env.clock.monotonicMs()
    const all = nowMs - this.#spaceAtMs >= SPACE_EVERY_MS
    if (all) this.#spaceAtMs = nowMs
    this.#closeIdle(nowMs)
    for (const folder of this.liveFolders) {
      if (folder.state !== 'ready') continue
      folder.marks.tick()
      if (all || folder.spaceChanged) await this.#refreshSpace(folder)
      await this.#removeDuplicates(folder, nowMs)
    }
  }

  async #refreshSpace(folder: Folder): Promise<void> {
    try {
      await folder.refreshSpace(this.options.leaveBytes)
      this.#reports.spaceChanged()
    } catch (error) {
      this.#markDamaged(folder, error instanceof FolderError ? error.message : `no space numbers (${errnoOf(error)})`)
    }
  }

  async #removeDuplicates(folder: Folder, nowMs: number): Promise<void> {
    const due = folder.duplicates.filter(({ removeAtMs }) => removeAtMs <= nowMs).slice(0, 290)
    if (due.length === 0) return
    folder.duplicates = folder.duplicates.filter(file => !due.includes(file))
    for (const { path } of due) await folder.disk.unlink(path).catch(() => undefined)
  }

  #closeIdle(nowMs: number): void {
    const most = this.#open.size > IDLE_OPEN_MAX ? IDLE_OPEN_MAX - IDLE_CLOSED_TOGETHER : IDLE_OPEN_MAX
    for (const open of this.#open.values()) {
      const many = this.#open.size > most
      if (isIdle(open) && (many || nowMs - open.lastUseMs > IDLE_CLOSE_MS)) this.#close(open)
    }
  }

  #close(open: OpenChunk): void {
    if (this.#open.get(open.chunkId) === open) this.#open.delete(open.chunkId)
    void open.file.close().catch(error => this.#notClosed(open, error))
  }

  /** A disk that fails only now may have lost what it took before without a complaint. */
  #notClosed({ gone, chunkId, row }: OpenChunk, error: unknown): void {
    if (!gone && this.table.id(row) === chunkId) this.#failed(chunkId, this.#folderOf(row), error)
  }

  /** Closes all files and gives the folders back. */
  async stop(): Promise<void> {
    const files = [...this.#open.values()]
    const isAtRest = files.every(({ mutex }) => mutex.isFree)
    for (const open of files) this.#close(open)
    for (const folder of this.liveFolders) await folder.release(isAtRest)
  }

  // Opening

  /** Row of a chunk in this version (0: any). @throws ChunkError NOCHUNK, WRONGVERSION */
  #rowOf(chunkId: number, version: number): number {
    const row = this.table.find(chunkId)
    if (row === 0) {
      this.#reports.lost([chunkId])
      throw new ChunkError(Status.NOCHUNK, chunkId)
    }
    if (version !== 0 && this.table.version.get(row) !== version) throw new ChunkError(Status.WRONGVERSION, chunkId)
    return row
  }

  /**
   * Opens a chunk for a client; each open() needs a done(). Reading and writing check the version again.
   *
   * @throws ChunkError NOCHUNK, WRONGVERSION, IO
   */
  async open(chunkId: number, version: number): Promise<OpenChunk> {
    if (this.#isUnsure(this.table.find(chunkId), chunkId)) throw new ChunkError(Status.WRONGVERSION, chunkId)
    return this.#acquire(chunkId, version)
  }

  /** Whether the master must say first that the copy counts. */
  #isUnsure(row: number, chunkId: number): boolean {
    return row !== 0 && this.#folderOf(row).marks.unsure.has(chunkId)
  }

  async #acquire(chunkId: number, version: number): Promise<OpenChunk> {
    const open = await this.#opened(chunkId, version)
    open.users++
    return open
  }

  done(open: OpenChunk): void {
    open.users--
    open.lastUseMs = this.#env.clock.monotonicMs()
    if (open.gone && open.users === 0) this.#close(open)
  }

  /** As open(), at once when the chunk is open already. */
  openNow(chunkId: number, version: number): OpenChunk | undefined {
    const open = this.#open.get(chunkId)
    if (!open || open.gone || !this.#isVersion(open, version) || this.#isUnsure(open.row, chunkId)) return undefined
    open.users++
    open.lastUseMs = this.#env.clock.monotonicMs()
    return open
  }

  #isVersion(open: OpenChunk, version: number): boolean {
    return version === 0 || this.table.version.get(open.row) === version
  }

  async #opened(chunkId: number, version: number): Promise<OpenChunk> {
    const row = this.#rowOf(chunkId, version)
    const open = this.#open.get(chunkId)
    if (open) {
      open.lastUseMs = this.#env.clock.monotonicMs()
      return open
    }
    const already = this.#opening.get(chunkId)
    if (already) return already
    const opening = this.#openFile(row).finally(() => this.#opening.delete(chunkId))
    this.#opening.set(chunkId, opening)
    return opening
  }

  async #openFile(row: number): Promise<OpenChunk> {
    const chunkId = this.table.id(row)
    const folder = this.#folderOf(row)
    const version = this.table.version.get(row)
    const fresh = this.table.blockCount.get(row) === UNKNOWN_BLOCKS
    if (this.#open.size > IDLE_OPEN_MAX) this.#closeIdle(this.#env.clock.monotonicMs())
    try {
      const file = await this.#openPath(this.#pathOf(row), folder)
      try {
        const { size } = await file.stat()
        const isSuspect = folder.marks.isSuspect(chunkId)
        const layout = await (isSuspect ? this.#layoutAfterCrash(file, size) : this.#layoutOf(file, size))
        if (!layout) throw new ChunkError(Status.NOCHUNK, chunkId)
        const head = Buffer.allocUnsafeSlow(layout.headerBytes + TABLE_BYTES)
        if (file.readNow(head, 0) < head.length && (await file.read(head, 0)) < head.length) {
          throw new ChunkError(Status.IO, chunkId)
        }
        await this.#checkHeader(head.subarray(0, HEADER_TEXT_BYTES), chunkId, version, file)
        if (this.table.id(row) !== chunkId) throw new ChunkError(Status.NOCHUNK, chunkId)
        const counted = noted(file, folder.statistics, this.#env.clock)
        this.#counts.hdrbytesr += head.length
        this.#counts.hdrllopr++
        const table = head.subarray(layout.headerBytes)
        const open = new OpenChunk(chunkId, row, counted, layout, table, this.#counts)
        if (isSuspect) await this.#mend(open, folder)
        this.#noteBlocks(row, layout.blockCount)
        open.lastUseMs = this.#env.clock.monotonicMs()
        this.#open.set(chunkId, open)
        return open
      } catch (error) {
        await file.close()
        throw error
      }
    } catch (error) {
      const missing = errnoOf(error) === 'ENOENT' && fresh
      throw this.#failed(chunkId, folder, error, missing ? Status.NOCHUNK : Status.IO)
    }
  }

  #layoutOf(file: DiskFile, size: number): Layout | undefined | Promise<Layout | undefined> {
    return layoutOf(size) ?? this.#cutTail(file, size)
  }

  /** A file that lost its end may have the size of one with a short header; where that has its first CRC are zeros then. */
  async #layoutAfterCrash(file: DiskFile, size: number): Promise<Layout | undefined> {
    const layout = layoutOf(size)
    if (!layout || layout.headerBytes === newLayout.headerBytes || layout.blockCount === 0) {
      return layout ?? this.#fillTail(file, size)
    }
    const firstCrc = Buffer.alloc(4)
    await file.read(firstCrc, layout.headerBytes)
    return firstCrc.readUInt32BE() === 0 ? this.#fillTail(file, size) : layout
  }

  /**
   * Cuts off the part of a block that a kill in the middle of appending left. Only if no block that is not wholly
   * there ever got a CRC: otherwise the file lost something, and stays as it is.
   */
  async #cutTail(file: DiskFile, size: number): Promise<Layout | undefined> {
    const dataStart = newLayout.headerBytes + TABLE_BYTES
    const blockCount = Math.floor((size - dataStart) / MFSBLOCKSIZE)
    if (blockCount < 0) return undefined
    const table = Buffer.alloc(TABLE_BYTES)
    await file.read(table, newLayout.headerBytes)
    if (!isClearTable(table, blockCount)) return undefined
    await file.truncate(dataStart + blockCount * MFSBLOCKSIZE)
    return { ...newLayout, blockCount }
  }

  /** As #cutTail(), where other blocks may lack their CRCs as well: what is missing of the last block is zeros. */
  async #fillTail(file: DiskFile, size: number): Promise<Layout | undefined> {
    const dataStart = newLayout.headerBytes + TABLE_BYTES
    const blockCount = Math.ceil((size - dataStart) / MFSBLOCKSIZE)
    if (blockCount < 0 || blockCount > MFSBLOCKSINCHUNK) return undefined
    await file.truncate(dataStart + blockCount * MFSBLOCKSIZE)
    return { ...newLayout, blockCount }
  }

  /** A crash may have come between a block and its CRC (write-marks.ts). */
  async #mend(open: OpenChunk, { marks }: Folder): Promise<void> {
    const { chunkId } = open
    const adopted = await open.adoptBlocks()
    if (adopted > 0) {
      const blocks = adopted === 1 ? 'one block was' : `${adopted} blocks were`
      const text = `${blocks} being written at a crash: what was synced is there, of the rest maybe a part`
      this.#env.log.notice(`chunk ${formatChunkId(chunkId)}: ${text}`)
    }
    await open.file.sync()
    marks.mended(chunkId)
  }

  /** A disk that is to be removed may be mounted for reading only. */
  async #openPath(path: string, { line, disk }: Folder): Promise<DiskFile> {
    return disk.open(path, 'r+').catch(error => {
      if (line.markedForRemoval && errnoOf(error) === 'EROFS') return disk.open(path, 'r')
      throw error
    })
  }

  /**
   * A header that differs from the name was left by a crash between renaming and writing it, or by a power cut that
   * kept only one of the two. It is the name that the master was told and went by, so the header is made to fit.
   */
  async #checkHeader(header: Buffer, chunkId: number, version: number, file: DiskFile): Promise<void> {
    const written = decodeHeader(header)
    if (written?.chunkId !== chunkId) throw new ChunkError(Status.IO, chunkId)
    if (written.version === version) return
    this.#env.log.notice(`chunk ${formatChunkId(chunkId)}: finished an interrupted change to version ${version}`)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(version)
    await file.write(bytes, VERSION_POSITION)
  }

  #noteBlocks(row: number, blockCount: number): void {
    const before = this.table.blockCount.get(row)
    if (before === blockCount) return
    const folder = this.#folderOf(row)
    if (before !== UNKNOWN_BLOCKS) {
      folder.examinedCount--
      folder.examinedBlocks -= before
    }
    if (blockCount !== UNKNOWN_BLOCKS) {
      folder.examinedCount++
      folder.examinedBlocks += blockCount
    }
    this.table.blockCount.set(row, blockCount)
    folder.spaceChanged = true
  }

  /** Reports what went wrong with a chunk's file, and gives the error that its user sees. */
  #failed(chunkId: number, folder: Folder, error: unknown, status: Status = Status.IO): ChunkError {
    const code = errnoOf(error) ?? errnoOf(error instanceof Error ? error.cause : undefined)
    if (code === undefined && !(error instanceof ChunkError)) throw error
    const chunkError = error instanceof ChunkError ? error : new ChunkError(status, chunkId, { cause: error })
    this.#env.log.warning(`folder ${folder.line.path}: ${chunkError.message}${code ? ` (${code})` : ''}`)
    const row = this.table.find(chunkId)
    if (row !== 0) this.table.setDamaged(row)
    this.#reports.ioError()
    this.#reports.damaged(chunkId)
    if (folder.noteError(code ?? 'damaged', chunkId, this.options)) this.#markDamaged(folder, 'too many errors')
    return chunkError
  }

  /** Runs one operation on the file of a chunk, alone. @throws ChunkError, after reporting it */
  async #alone<T>(open: OpenChunk, version: number, action: () => Promise<T>): Promise<T> {
    return open.mutex.run(async () => {
      const { chunkId, row } = open
      if (open.gone) throw new ChunkError(Status.NOCHUNK, chunkId)
      if (version !== 0 && this.table.version.get(row) !== version) throw new ChunkError(Status.WRONGVERSION, chunkId)
      const folder = this.#folderOf(row)
      try {
        return await action()
      } catch (error) {
        if (open.gone) throw new ChunkError(Status.NOCHUNK, chunkId, { cause: error })
        throw this.#failed(chunkId, folder, error)
      } finally {
        if (!open.gone) this.#noteBlocks(row, open.blockCount)
        open.lastUseMs = this.#env.clock.monotonicMs()
      }
    })
  }

  /** Opens a chunk for one operation. */
  async #with<T>(chunkId: number, version: number, action: (open: OpenChunk) => Promise<T>): Promise<T> {
    const open = await this.#acquire(chunkId, version)
    try {
      return await this.#alone(open, version, () => action(open))
    } finally {
      this.done(open)
    }
  }

  // Data

  /** For a client: whole blocks into `target`, checked. @throws ChunkError CRC, IO, NOCHUNK, WRONGVERSION */
  read(open: OpenChunk, version: number, blockIndex: number, target: Buffer): Promise<void> {
    return this.#alone(open, version, async () => {
      const startMs = this.#env.clock.monotonicMs()
      await open.read(blockIndex, target)
      this.#countRead(open, blockIndex, target, startMs)
    })
  }

  #countRead(open: OpenChunk, blockIndex: number, target: Buffer, startMs: number): void {
    const { length } = open.thereOf(blockIndex, target)
    this.#counts.databytesr += length
    this.#counts.datallopr += length / MFSBLOCKSIZE
    this.#counts.rtime += this.#nanosecondsSince(startMs)
  }

  #nanosecondsSince(startMs: number): number {
    return Math.round((this.#env.clock.monotonicMs() - startMs) * 1e6)
  }

  /** As read(), at once when memory holds the blocks and nobody else is at the chunk. @returns false when read() must do it */
  readNow(open: OpenChunk, version: number, blockIndex: number, target: Buffer): boolean {
    if (open.gone || !open.mutex.isFree || !this.#isVersion(open, version)) return false
    const startMs = this.#env.clock.monotonicMs()
    const done = open.readNow(blockIndex, target)
    if (done) this.#countRead(open, blockIndex, target, startMs)
    return done
  }

  /** For a client: writes pieces in order; all that are done are in the file, each with its CRC. */
  async write(open: OpenChunk, version: number, pieces: readonly BlockPiece[]): Promise<WriteResult> {
    try {
      return await this.#alone(open, version, async () => {
        await this.#announce(open)
        const result = await this.#write(open, pieces, this.options)
        // What the sender sent wrong is no fault of the disk, and a full disk has taken everything back.
        if (result.done === 0 && result.error && isOurs(result.error)) throw result.error
        return result
      })
    } catch (error) {
      if (error instanceof ChunkError) return { done: 0, error }
      throw error
    }
  }

  /** Blocks of the chunk are going to change. Where nothing of it is on the disk nothing can be lost. */
  #announce(open: OpenChunk): Promise<void> | undefined {
    const { marks } = this.#folderOf(open.row)
    if (open.isNew && !this.options.sync) {
      marks.markSoon(open.chunkId)
      return undefined
    }
    open.isNew = false
    return marks.mark(open.chunkId)
  }

  async #write(open: OpenChunk, pieces: readonly BlockPiece[], options: WriteOptions): Promise<WriteResult> {
    const startMs = this.#env.clock.monotonicMs()
    const result = await open.write(pieces, options)
    for (const { size } of pieces.slice(0, result.done)) this.#counts.databytesw += size
    this.#counts.datallopw += result.done
    this.#counts.wtime += this.#nanosecondsSince(startMs)
    return result
  }

  /**
   * Puts a chunk on the disk, bytes and name, for all who ask at a time. Reads and writes go on meanwhile.
   *
   * @throws ChunkError IO: what was written may be lost, and the chunk is reported as damaged
   */
  async sync(chunkId: number, version: number): Promise<void> {
    const open = await this.open(chunkId, version)
    try {
      await this.syncOpen(open)
    } finally {
      this.done(open)
    }
  }

  /** As sync(), of a chunk that the caller has open. */
  async syncOpen(open: OpenChunk): Promise<void> {
    const { chunkId, row } = open
    if (open.gone) throw new ChunkError(Status.NOCHUNK, chunkId)
    const folder = this.#folderOf(row)
    // Who is just writing has not announced it.
    const isAnnounced = !open.isNew || open.mutex.isFree
    open.isNew = false
    try {
      if (!isAnnounced) await folder.marks.mark(chunkId)
      await this.#putOnDisk(open, folder)
      folder.marks.settled(chunkId)
    } catch (error) {
      throw open.gone ? new ChunkError(Status.NOCHUNK, chunkId, { cause: error }) : this.#failed(chunkId, folder, error)
    }
  }

  /** Bytes and name. */
  async #putOnDisk(open: OpenChunk, folder: Folder): Promise<void> {
    await Promise.all([open.sync(), folder.syncNames(this.table.subfolder.get(open.row))])
  }

  blockCount(chunkId: number, version: number): Promise<number> {
    return this.#with(chunkId, version, async open => open.blockCount)
  }

  /** A copy of the CRCs. */
  crcTable(chunkId: number, version: number): Promise<Buffer> {
    return this.#with(chunkId, version, async open => Buffer.from(open.table))
  }

  /** Reads everything and checks it. @returns how many blocks there are @throws ChunkError CRC, IO */
  async test(chunkId: number, version: number): Promise<number> {
    this.#counts.test++
    // What is tested is the file that lies on the disk under its name, not one that is only kept open.
    const kept = this.#open.get(chunkId)
    if (kept && isIdle(kept)) this.#close(kept)
    const open = await this.#acquire(chunkId, version)
    const buffer = Buffer.allocUnsafeSlow(COPY_BLOCKS * MFSBLOCKSIZE)
    try {
      for (let i = 0; i < open.blockCount; i += COPY_BLOCKS) {
        const count = Math.min(COPY_BLOCKS, open.blockCount - i)
        await this.#alone(open, version, () => open.read(i, buffer.subarray(0, count * MFSBLOCKSIZE)))
      }
      if (!open.gone) this.table.tested.set(open.row, Math.floor(this.#env.clock.nowMs() / 1000))
      return open.blockCount
    } finally {
      this.done(open)
    }
  }

  // Commands of the master, who gives none but for copies that it counts on

  /** An empty chunk. @throws ChunkError CHUNKEXIST, NOSPACE, IO */
  async create(chunkId: number, version: number): Promise<void> {
    this.#counts.create++
    const folder = this.#placeFor(chunkId)
    const subfolder = folder.nextSubfolder(this.options.subfolderChunks)
    const path = folder.path(chunkId, version, subfolder)
    this.#building.add(chunkId)
    try {
      const table = emptyTable()
      const made = folder.disk.create(path, [headOf(chunkId, version, table)])
      this.#counts.hdrbytesw += HEAD_BYTES
      this.#counts.hdrllopw++
      const file = noted(
        await made.catch(error => this.#unmade(error, folder, path)),
        folder.statistics,
        this.#env.clock,
      )
      const open = new OpenChunk(chunkId, 0, file, newLayout, table, this.#counts)
      open.isNew = true
      folder.nameMade(subfolder)
      try {
        await this.#synced(folder, subfolder, file)
      } catch (error) {
        await file.close().catch(() => undefined)
        return await this.#unmade(error, folder, path)
      }
      await folder.marks.markThere(chunkId)
      open.row = this.#added(chunkId, version, folder, subfolder, 0)
      // The write that it was created for comes soon.
      open.lastUseMs = this.#env.clock.monotonicMs()
      this.#open.set(chunkId, open)
      if (this.#open.size > IDLE_OPEN_MAX) this.#closeIdle(open.lastUseMs)
    } catch (error) {
      throw this.#notMade(chunkId, folder, error)
    } finally {
      this.#building.delete(chunkId)
    }
  }

  /** Removes what there is of a new file, unless it is another one's. */
  async #unmade(error: unknown, { disk }: Folder, path: string): Promise<never> {
    if (errnoOf(error) !== 'EEXIST') await disk.unlink(path).catch(() => undefined)
    throw error
  }

  #added(chunkId: number, version: number, folder: Folder, subfolder: number, blockCount: number): number {
    const row = this.table.add(chunkId, version, folder.index, subfolder, UNKNOWN_BLOCKS)
    folder.chunkAdded(subfolder)
    this.#noteBlocks(row, blockCount)
    return row
  }

  #notMade(chunkId: number, folder: Folder, error: unknown): ChunkError {
    if (error instanceof ChunkError) return error
    const code = errnoOf(error)
    if (code === undefined) throw error
    this.#env.log.warning(`folder ${folder.line.path}: can't make chunk ${formatChunkId(chunkId)} (${code})`)
    if (code === 'ENOSPC' || code === 'EDQUOT') return new ChunkError(Status.NOSPACE, chunkId, { cause: error })
    if (code === 'EEXIST') return new ChunkError(Status.CHUNKEXIST, chunkId, { cause: error })
    this.#reports.ioError()
    if (folder.noteError(code, chunkId, this.options)) this.#markDamaged(folder, 'too many errors')
    return new ChunkError(Status.IO, chunkId, { cause: error })
  }

  async #synced(folder: Folder, subfolder: number, file: { sync(): Promise<void> }): Promise<void> {
    if (!this.options.sync) return
    await file.sync()
    await folder.syncNames(subfolder)
  }

  /** Where a new chunk goes. @throws ChunkError CHUNKEXIST, NOSPACE */
  #placeFor(chunkId: number): Folder {
    if (this.table.find(chunkId) !== 0 || this.#building.has(chunkId)) throw new ChunkError(Status.CHUNKEXIST, chunkId)
    const folder = chooseFolder(this.liveFolders)
    if (!folder) throw new ChunkError(Status.NOSPACE, chunkId)
    return folder
  }

  /** A new chunk that nobody sees until it is complete. @throws ChunkError CHUNKEXIST, NOSPACE, IO */
  async build(chunkId: number): Promise<ChunkBuilder> {
    const folder = this.#placeFor(chunkId)
    this.#building.add(chunkId)
    const subfolder = folder.nextSubfolder(this.options.subfolderChunks)
    const path = folder.buildingPath(chunkId)
    const { disk } = folder
    try {
      const file = await disk.open(path, 'w+')
      const chunk = new OpenChunk(chunkId, 0, file, newLayout, emptyTable(), this.#counts)
      const { sparsify } = this.options
      return new ChunkBuilder(chunk, sparsify, {
        // What is new is put on the disk as a whole, at the end.
        write: pieces => this.#write(chunk, pieces, { sparsify, sync: false }),
        failed: error => this.#notMade(chunkId, folder, error),
        keep: async version => {
          await chunk.writeHead(version)
          await file.sync()
          await file.close()
          if (folder.state !== 'ready') throw new ChunkError(Status.IO, chunkId)
          await disk.rename(path, folder.path(chunkId, version, subfolder))
          folder.namesChanged(subfolder)
          await folder.syncNames(subfolder)
          await folder.marks.markThere(chunkId)
          this.#building.delete(chunkId)
          this.#added(chunkId, version, folder, subfolder, chunk.blockCount)
        },
        drop: async () => {
          await file.close().catch(() => undefined)
          await disk.unlink(path).catch(() => undefined)
          this.#building.delete(chunkId)
        },
      })
    } catch (error) {
      this.#building.delete(chunkId)
      throw this.#notMade(chunkId, folder, error)
    }
  }

  /** When the chunk was last read as a whole and right, in seconds since 1970; 0: not since the start. */
  testedAt(chunkId: number, version: number): number {
    return this.table.tested.get(this.#rowOf(chunkId, version))
  }

  /**
   * Moves a chunk to another folder of this server, checking every block on the way. Whoever uses it waits meanwhile,
   * and goes on with the new file.
   *
   * @throws ChunkError CRC, IO: the chunk is where it was
   */
  move(chunkId: number, target: Folder): Promise<void> {
    return this.#with(chunkId, 0, async open => {
      const { row } = open
      if (this.#isUnsure(row, chunkId)) throw new ChunkError(Status.WRONGVERSION, chunkId)
      const source = this.#folderOf(row)
      const oldPath = this.#pathOf(row)
      const subfolder = target.nextSubfolder(this.options.subfolderChunks)
      const version = this.table.version.get(row)
      const temporary = target.buildingPath(chunkId)
      try {
        const file = noted(await target.disk.open(temporary, 'w+'), target.statistics, this.#env.clock)
        try {
          await open.copyTo(file, version, this.options.sparsify)
          await file.sync()
          await target.disk.rename(temporary, target.path(chunkId, version, subfolder))
          target.namesChanged(subfolder)
          // The old file may go only when a power cut can't take the new one.
          await target.syncNames(subfolder)
          await target.marks.markThere(chunkId)
        } catch (error) {
          await file.close().catch(() => undefined)
          throw error
        }
        if (open.gone || target.state !== 'ready') throw new ChunkError(Status.IO, chunkId)
        open.goOnWith(file)
        open.isNew = false
      } catch (error) {
        await target.disk.unlink(temporary).catch(() => undefined)
        throw error
      }
      this.#moved(row, source, target, subfolder)
      this.#counts.movels++
      // Nobody writes to the new file before that: a power cut may bring the old one back.
      await source.marks.markDeleted(chunkId)
      await source.disk.unlink(oldPath).catch(() => this.#duplicate(source, oldPath))
    })
  }

  #moved(row: number, source: Folder, target: Folder, subfolder: number): void {
    const blockCount = this.table.blockCount.get(row)
    this.#noteBlocks(row, UNKNOWN_BLOCKS)
    source.chunkRemoved(this.table.subfolder.get(row))
    this.table.folder.set(row, target.index)
    this.table.subfolder.set(row, subfolder)
    target.chunkAdded(subfolder)
    this.#noteBlocks(row, blockCount)
  }

  /** @throws ChunkError NOCHUNK, WRONGVERSION, IO */
  async remove(chunkId: number, version: number): Promise<void> {
    this.#counts.delete++
    const row = this.#rowOf(chunkId, version)
    const open = this.#open.get(chunkId)
    const action = async () => {
      const folder = this.#folderOf(row)
      await folder.marks.markDeleted(chunkId)
      if (this.table.find(chunkId) !== row) throw new ChunkError(Status.NOCHUNK, chunkId)
      try {
        await folder.disk.unlink(this.#pathOf(row))
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw this.#failed(chunkId, folder, error)
      }
      if (this.table.find(chunkId) === row) this.#forget(row)
    }
    return open ? open.mutex.run(action) : action()
  }

  setVersion(chunkId: number, version: number, previousVersion: number): Promise<void> {
    this.#counts.version++
    this.vouch([chunkId])
    return this.#with(chunkId, previousVersion, open => this.#setVersion(open, version))
  }

  /** Name first, then header; a crash between the two is mended when the file is opened. */
  async #setVersion(open: OpenChunk, version: number): Promise<void> {
    const { row, chunkId } = open
    const folder = this.#folderOf(row)
    const subfolder = this.table.subfolder.get(row)
    const before = this.#pathOf(row)
    const after = folder.path(chunkId, version, subfolder)
    await folder.disk.rename(before, after)
    folder.namesChanged(subfolder)
    try {
      await open.writeVersion(version)
      await this.#synced(folder, subfolder, open.file)
    } catch (error) {
      await folder.disk.rename(after, before)
      throw error
    }
    this.table.setVersion(row, version)
  }

  async truncate(chunkId: number, length: number, version: number, previousVersion: number): Promise<void> {
    this.#counts.truncate++
    this.vouch([chunkId])
    if (length > MFSCHUNKSIZE) throw new ChunkError(Status.EINVAL, chunkId)
    await this.#with(chunkId, previousVersion, async open => {
      await this.#announce(open)
      await this.#setVersion(open, version)
      await open.truncate(length)
      // What is cut off must not come back when the file grows again.
      open.isNew = false
      await this.#putOnDisk(open, this.#folderOf(open.row))
    })
  }

  /**
   * Makes `chunkId` a copy of another chunk, cut or stretched to `length` when given. When `sourceNewVersion` differs
   * from the source's version, the source gets it.
   */
  async duplicate(request: {
    chunkId: number
    version: number
    sourceChunkId: number
    sourceVersion: number
    sourceNewVersion?: number
    length?: number
  }): Promise<void> {
    const { chunkId, version, sourceChunkId, sourceVersion, sourceNewVersion, length } = request
    this.#counts[length === undefined ? 'duplicate' : 'duptrunc']++
    if (length !== undefined && length > MFSCHUNKSIZE) throw new ChunkError(Status.EINVAL, chunkId)
    this.vouch([sourceChunkId])
    const source = await this.#acquire(sourceChunkId, sourceVersion)
    try {
      const builder = await this.build(chunkId)
      await builder.during(async () => {
        await source.mutex.run(async () => {
          if (source.gone) throw new ChunkError(Status.NOCHUNK, sourceChunkId)
          if (sourceNewVersion !== undefined && sourceNewVersion !== sourceVersion) {
            await this.#setVersion(source, sourceNewVersion)
          }
          await builder.copyFrom(source, Math.min(source.blockCount, blocksOf(length)))
        })
        if (length !== undefined) await builder.truncate(length)
        // A file is told to hold this one in place of the other, which may have been synced.
        await builder.keep(version)
      })
    } finally {
      this.done(source)
    }
  }
}

/** Nobody uses it: it is only kept for the next one. */
const isIdle = (open: OpenChunk) => open.users === 0 && open.mutex.isFree

/** Of an endless length, all. */
function blocksOf(length: number | undefined): number {
  return length === undefined ? Number.POSITIVE_INFINITY : Math.ceil(length / MFSBLOCKSIZE)
}

/** Whether an error of a write says something about the file, and not about what was sent. */
function isOurs(error: ChunkError): boolean {
  const { status, cause } = error
  return status !== Status.NOSPACE && (cause !== undefined || status === Status.IO)
}
