// An open chunk file: its blocks and their CRCs. The table in memory is what counts while the file is open; every
// change of a block is followed by the change of its CRC in the file before anybody hears that it was done, so that a
// killed server loses nothing that it acknowledged.
//
// The file grows and shrinks by whole blocks. Only a kill in the middle of appending can leave a part of a block, which
// has no CRC yet and is cut off when the file is opened.
import type { DiskFile, FileChange } from '../../env/disk.ts'
import { MFSBLOCKSINCHUNK, MFSBLOCKSIZE } from '../../protocol/constants.ts'
import { Status } from '../../protocol/status.ts'
import { crc32, patchedCrc32 } from '../../util/crc32.ts'
import { Mutex } from '../../util/mutex.ts'
import { SharedRun } from '../../util/shared-run.ts'
import type { Counts } from '../statistics.ts'
import { ChunkError, errnoOf } from './chunk-error.ts'
import {
  clearTable,
  emptyTable,
  encodeHeader,
  HEAD_BYTES,
  type Layout,
  newLayout,
  TABLE_BYTES,
  VERSION_POSITION,
} from './chunk-file.ts'
import { hasSolidEnds, nonZeroRange } from './sparse.ts'

/** Blocks moved in one go. */
const COPY_BLOCKS = 16
const ZEROS = Buffer.alloc(MFSBLOCKSIZE)

/** Bytes for one block, as they came: in pieces. */
export interface BlockPiece {
  readonly blockIndex: number
  readonly offset: number
  readonly size: number
  /** Of exactly these bytes. */
  readonly crc: number
  readonly parts: readonly Buffer[]
}

export interface WriteOptions {
  /** Leave holes where zeros would be. */
  readonly sparsify: boolean
  /** Nothing counts as written before it is on the disk. */
  readonly sync: boolean
}

export interface WriteResult {
  /** So many pieces, from the first, are written. */
  readonly done: number
  /** Why the next one is not. */
  readonly error?: ChunkError
}

interface TableRange {
  readonly from: number
  readonly to: number
}

interface CachedBlock {
  index: number
  bytes: Buffer
}

/** Changes of one file in their order; writes of consecutive bytes are one. */
class Changes {
  readonly #file: DiskFile
  #changes: FileChange[] = []
  #run: { position: number; end: number; parts: Buffer[] } | undefined

  constructor(file: DiskFile) {
    this.#file = file
  }

  resize(size: number): void {
    this.#run = undefined
    this.#changes.push({ size })
  }

  write(position: number, bytes: number, parts: readonly Buffer[]): void {
    if (this.#run?.end !== position) {
      this.#run = { position, end: position, parts: [] }
      this.#changes.push(this.#run)
    }
    this.#run.parts.push(...parts)
    this.#run.end += bytes
  }

  /** All are in the file. @throws what the first one that failed did; those after it are not made */
  async done(): Promise<void> {
    const changes = this.#changes
    this.#changes = []
    this.#run = undefined
    if (changes.length > 0) await this.#file.change(changes)
  }
}

export class OpenChunk {
  readonly chunkId: number
  /** In the table of chunks; 0 for a chunk that is being made. */
  row: number
  /** Held for one operation on the file. */
  readonly mutex = new Mutex()
  /** Sessions that have it open. */
  users = 0
  lastUseMs = 0
  /** It was deleted, or its folder went away. */
  gone = false
  /** Nothing of it was put on the disk yet. */
  isNew = false
  blockCount: number
  headerBytes: number
  readonly table: Buffer
  file: DiskFile
  readonly #counts: Counts
  #cached: CachedBlock | undefined
  readonly #sync = new SharedRun(() => this.file.sync())

  constructor(chunkId: number, row: number, file: DiskFile, layout: Layout, table: Buffer, counts: Counts) {
    this.chunkId = chunkId
    this.row = row
    this.file = file
    this.#counts = counts
    this.headerBytes = layout.headerBytes
    this.blockCount = layout.blockCount
    this.table = table
    clearTable(table, layout.blockCount)
  }

  crcOf(blockIndex: number): number {
    return this.table.readUInt32BE(blockIndex * 4)
  }

  /** Reading that serves no client: heads of files, and blocks that are copied. */
  #countHeadRead(bytes: number, operations = 1): void {
    this.#counts.hdrbytesr += bytes
    this.#counts.hdrllopr += operations
  }

  #countHeadWrite(bytes: number, operations = 1): void {
    this.#counts.hdrbytesw += bytes
    this.#counts.hdrllopw += operations
  }

  #position(blockIndex: number): number {
    return this.headerBytes + TABLE_BYTES + blockIndex * MFSBLOCKSIZE
  }

  /**
   * Reads whole blocks and checks their CRCs; what lies beyond the last block is zeros.
   *
   * @param target as many bytes as the blocks have
   * @throws ChunkError CRC; or the error of the disk
   */
  async read(blockIndex: number, target: Buffer): Promise<void> {
    const there = this.thereOf(blockIndex, target)
    if (there.length > 0) await this.#readAll(there, this.#position(blockIndex))
    if (!this.#isRight(blockIndex, there)) throw new ChunkError(Status.CRC, this.chunkId)
    target.fill(0, there.length)
  }

  /** As read(), at once when memory holds the blocks. @returns false when it does not, or when they are wrong */
  readNow(blockIndex: number, target: Buffer): boolean {
    const there = this.thereOf(blockIndex, target)
    if (there.length > 0 && this.file.readNow(there, this.#position(blockIndex)) < there.length) return false
    if (!this.#isRight(blockIndex, there)) return false
    target.fill(0, there.length)
    return true
  }

  /** The part of `target` for blocks that the file has. */
  thereOf(blockIndex: number, target: Buffer): Buffer {
    const count = Math.max(0, this.blockCount - blockIndex)
    return target.subarray(0, count * MFSBLOCKSIZE)
  }

  /** Fills `target`, from memory as far as that goes. @throws ChunkError IO when the file ends before */
  async #readAll(target: Buffer, position: number): Promise<void> {
    const got = this.file.readNow(target, position)
    if (got === target.length) return
    const more = await this.file.read(target.subarray(got), position + got)
    if (got + more < target.length) throw new ChunkError(Status.IO, this.chunkId)
  }

  #isRight(blockIndex: number, blocks: Buffer): boolean {
    for (let at = 0, index = blockIndex; at < blocks.length; at += MFSBLOCKSIZE, index++) {
      if (crc32(blocks.subarray(at, at + MFSBLOCKSIZE)) !== this.crcOf(index)) return false
    }
    return true
  }

  /** Writes pieces in order, with as few system calls as they allow. Stops at the first that is wrong. */
  async write(pieces: readonly BlockPiece[], options: WriteOptions): Promise<WriteResult> {
    const good = pieces.findIndex(piece => checkPiece(piece) !== Status.OK)
    const usable = good < 0 ? pieces : pieces.slice(0, good)
    const wrong = good < 0 ? undefined : new ChunkError(checkPiece(pieces[good] as BlockPiece), this.chunkId)
    if (usable.length === 0) return wrong ? { done: 0, error: wrong } : { done: 0 }
    const before = this.blockCount
    try {
      const blockCount = usable.reduce((most, { blockIndex }) => Math.max(most, blockIndex + 1), before)
      const changes = new Changes(this.file)
      // Whole blocks at the end make the file as long as it must be.
      if (blockCount > before && !this.#isAppend(usable)) changes.resize(this.#position(blockCount))
      this.blockCount = blockCount
      await this.#writeBlocks(usable, before, options.sparsify, changes)
      if (options.sync) await this.file.sync()
    } catch (error) {
      this.#cached = undefined
      this.blockCount = before
      if (error instanceof ChunkError) return { done: 0, error }
      return { done: 0, error: await this.#afterFailure(usable, before, error) }
    }
    return { done: usable.length, ...(wrong ? { error: wrong } : {}) }
  }

  /** On a full disk growth is taken back; if no other block changed either, nothing happened and nothing is damaged. */
  async #afterFailure(pieces: readonly BlockPiece[], before: number, error: unknown): Promise<ChunkError> {
    if (errnoOf(error) === undefined) throw error
    const failed = new ChunkError(Status.IO, this.chunkId, { cause: error })
    if (errnoOf(error) !== 'ENOSPC' && errnoOf(error) !== 'EDQUOT') return failed
    try {
      await this.#shrink(before)
      const block = Buffer.allocUnsafeSlow(MFSBLOCKSIZE)
      for (const { blockIndex } of pieces) if (blockIndex < before) await this.read(blockIndex, block)
      return new ChunkError(Status.NOSPACE, this.chunkId, { cause: error })
    } catch {
      return failed
    }
  }

  /** Whole blocks after the last one, without holes. */
  #isAppend(pieces: readonly BlockPiece[]): boolean {
    return pieces.every(
      ({ blockIndex, size, parts }, i) =>
        blockIndex === this.blockCount + i && size === MFSBLOCKSIZE && hasSolidEnds(parts),
    )
  }

  async #grow(blockCount: number): Promise<void> {
    if (blockCount <= this.blockCount) return
    await this.file.truncate(this.#position(blockCount))
    this.blockCount = blockCount
  }

  async #shrink(blockCount: number): Promise<void> {
    await this.file.truncate(this.#position(blockCount))
    this.blockCount = blockCount
    clearTable(this.table, blockCount)
    this.#cached = undefined
  }

  /**
   * Data first, then the CRCs: a kill between them in an append leaves a part of a block that has no CRC yet.
   *
   * @param firstNew blocks from this one on did not exist before: they are holes until something is written there
   */
  async #writeBlocks(
    pieces: readonly BlockPiece[],
    firstNew: number,
    sparsify: boolean,
    changes: Changes,
  ): Promise<void> {
    const crcs = new Map<number, number>()
    for (const piece of pieces) {
      if (piece.size === 0) continue
      const { blockIndex, offset, size } = piece
      // A second part of a block may need the first to be there.
      if (crcs.has(blockIndex)) await changes.done()
      const isHole = blockIndex >= firstNew && !crcs.has(blockIndex)
      if (size === MFSBLOCKSIZE) {
        crcs.set(blockIndex, piece.crc)
        if (this.#cached?.index === blockIndex) this.#cached = undefined
      } else crcs.set(blockIndex, await this.#patched(piece, isHole, crcs.get(blockIndex)))
      const { from, to, parts } = nonZeroRange(piece.parts, offset, size, isHole && sparsify)
      if (from < to) changes.write(this.#position(blockIndex) + from, to - from, parts)
    }
    await this.#writeCrcs(crcs, this.#tableRange(pieces, firstNew), changes)
  }

  /** Puts the CRCs into the table and, behind the data, into the file; into the table again as before when that fails. */
  async #writeCrcs(crcs: ReadonlyMap<number, number>, range: TableRange, changes: Changes): Promise<void> {
    const before = [...crcs.keys()].map(blockIndex => [blockIndex, this.crcOf(blockIndex)] as const)
    for (const [blockIndex, crc] of crcs) this.table.writeUInt32BE(crc, blockIndex * 4)
    const { from, to } = range
    const bytes = this.table.subarray(from * 4, to * 4)
    changes.write(this.headerBytes + from * 4, bytes.length, [bytes])
    try {
      await changes.done()
      this.#countHeadWrite(bytes.length)
    } catch (error) {
      for (const [blockIndex, crc] of before) this.table.writeUInt32BE(crc, blockIndex * 4)
      throw error
    }
  }

  /** The CRC of a block once a part of it is changed. The rest must be right: a wrong block is not made right. */
  async #patched(piece: BlockPiece, isHole: boolean, crcNow = this.crcOf(piece.blockIndex)): Promise<number> {
    const { blockIndex, offset, size, crc } = piece
    const behind = MFSBLOCKSIZE - offset - size
    if (isHole) return patchedCrc32(crcNow, crc32(ZEROS.subarray(0, size)), crc, behind)
    const { bytes, isNew } = await this.#wholeBlock(blockIndex, crcNow)
    if (isNew) {
      this.#counts.databytesr += bytes.length
      this.#counts.datallopr++
    }
    const before = crc32(bytes.subarray(offset, offset + size))
    let at = offset
    for (const part of piece.parts) at += part.copy(bytes, at)
    return patchedCrc32(crcNow, before, crc, behind)
  }

  /** A block as it stands, from the disk when it is not that of the last call: `isNew`. @throws ChunkError CRC */
  async #wholeBlock(blockIndex: number, crcNow: number): Promise<{ bytes: Buffer; isNew: boolean }> {
    if (this.#cached?.index === blockIndex) return { bytes: this.#cached.bytes, isNew: false }
    const bytes = this.#cached?.bytes ?? Buffer.allocUnsafeSlow(MFSBLOCKSIZE)
    this.#cached = undefined
    await this.#readAll(bytes, this.#position(blockIndex))
    if (crc32(bytes) !== crcNow) {
      throw new ChunkError(Status.CRC, this.chunkId, { cause: new Error('the block on the disk is wrong') })
    }
    this.#cached = { index: blockIndex, bytes }
    return { bytes, isNew: true }
  }

  /** Of the CRCs of these blocks, of all between them and of those that growth made. */
  #tableRange(pieces: readonly BlockPiece[], firstNew: number): TableRange {
    let [first, last] = [firstNew < this.blockCount ? firstNew : MFSBLOCKSINCHUNK, -1]
    for (const { blockIndex } of pieces) {
      first = Math.min(first, blockIndex)
      last = Math.max(last, blockIndex)
    }
    return { from: first, to: last + 1 }
  }

  async writeTableRange(from: number, to: number): Promise<void> {
    await this.file.write(this.table.subarray(from * 4, to * 4), this.headerBytes + from * 4)
    this.#countHeadWrite((to - from) * 4)
  }

  /** Resolves when everything that was written before this call is on the disk. */
  sync(): Promise<void> {
    return this.#sync.run()
  }

  /** Puts a new version into the header. The name of the file is the caller's. */
  async writeVersion(version: number): Promise<void> {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(version)
    await this.file.write(bytes, VERSION_POSITION)
    this.#countHeadWrite(bytes.length)
  }

  /** Whole blocks as they stand, right or wrong. */
  async readUnchecked(blockIndex: number, target: Buffer): Promise<void> {
    const bytes = await this.file.read(target, this.#position(blockIndex))
    if (bytes < target.length) throw new ChunkError(Status.IO, this.chunkId)
    this.#countHeadRead(bytes, bytes / MFSBLOCKSIZE)
  }

  /**
   * Gives every block the CRC of what lies there. For a chunk that was being written when the server or its power went:
   * what was synced is right.
   *
   * @returns how many blocks had another one
   */
  async adoptBlocks(): Promise<number> {
    const buffer = Buffer.allocUnsafeSlow(COPY_BLOCKS * MFSBLOCKSIZE)
    let adopted = 0
    for (let i = 0; i < this.blockCount; i += COPY_BLOCKS) {
      const blocks = buffer.subarray(0, Math.min(COPY_BLOCKS, this.blockCount - i) * MFSBLOCKSIZE)
      await this.readUnchecked(i, blocks)
      for (let index = i, at = 0; at < blocks.length; index++, at += MFSBLOCKSIZE) {
        const crc = crc32(blocks.subarray(at, at + MFSBLOCKSIZE))
        if (crc === this.crcOf(index)) continue
        this.table.writeUInt32BE(crc, index * 4)
        adopted++
      }
    }
    if (adopted > 0) await this.writeTableRange(0, this.blockCount)
    return adopted
  }

  /** Adds whole blocks at the end, with CRCs that are known. Runs of zeros become holes. */
  async appendUnchecked(blockIndex: number, bytes: Buffer, table: Buffer, sparsify: boolean): Promise<void> {
    const count = bytes.length / MFSBLOCKSIZE
    await this.#grow(blockIndex + count)
    table.copy(this.table, blockIndex * 4, blockIndex * 4, (blockIndex + count) * 4)
    const { from, to } = nonZeroRange([bytes], 0, bytes.length, sparsify)
    if (from < to) await this.file.write(bytes.subarray(from, to), this.#position(blockIndex) + from)
    this.#countHeadWrite(bytes.length, count)
  }

  /** Makes the chunk `length` bytes long: whole blocks, zeros after the end (spec chunkserver 7.5). */
  async truncate(length: number): Promise<void> {
    const blockCount = Math.ceil(length / MFSBLOCKSIZE)
    const tail = length % MFSBLOCKSIZE
    const before = this.blockCount
    if (blockCount > before) {
      await this.#grow(blockCount)
      // New blocks have the CRC of zeros, which must be in the file as well.
      return this.writeTableRange(before, blockCount)
    }
    if (blockCount < before) await this.#shrink(blockCount)
    if (tail > 0) await this.#clearTail(blockCount - 1, tail)
    await this.writeTableRange(Math.max(0, blockCount - 1), before)
  }

  async #clearTail(blockIndex: number, from: number): Promise<void> {
    const zeros = Buffer.alloc(MFSBLOCKSIZE - from)
    const piece = { blockIndex, offset: from, size: zeros.length, crc: crc32(zeros), parts: [zeros] }
    if ((await this.#wholeBlock(blockIndex, this.crcOf(blockIndex))).isNew) this.#countHeadRead(MFSBLOCKSIZE)
    const crc = await this.#patched(piece, false)
    if (crc === this.crcOf(blockIndex)) return
    await this.file.write(zeros, this.#position(blockIndex) + from)
    this.table.writeUInt32BE(crc, blockIndex * 4)
  }

  /** Writes the whole chunk to a new file. @throws ChunkError CRC when a block is wrong */
  async copyTo(file: DiskFile, version: number, sparsify: boolean): Promise<void> {
    const copy = new OpenChunk(this.chunkId, 0, file, newLayout, emptyTable(), this.#counts)
    const buffer = Buffer.allocUnsafeSlow(COPY_BLOCKS * MFSBLOCKSIZE)
    for (let i = 0; i < this.blockCount; i += COPY_BLOCKS) {
      const bytes = buffer.subarray(0, Math.min(COPY_BLOCKS, this.blockCount - i) * MFSBLOCKSIZE)
      await this.read(i, bytes)
      this.#countHeadRead(bytes.length, bytes.length / MFSBLOCKSIZE)
      await copy.appendUnchecked(i, bytes, this.table, sparsify)
    }
    await copy.writeHead(version)
  }

  /** From now on this file, a copy made by copyTo(), is the chunk's. The old one is closed. */
  goOnWith(file: DiskFile): void {
    void this.file.close().catch(() => undefined)
    this.file = file
    this.headerBytes = newLayout.headerBytes
  }

  /** Writes the header and the CRCs of a chunk that is new. */
  async writeHead(version: number): Promise<void> {
    await this.file.change([headOf(this.chunkId, version, this.table)])
    this.#countHeadWrite(HEAD_BYTES)
  }
}

/** The header and the CRCs of a new file. */
export function headOf(chunkId: number, version: number, table: Buffer): FileChange {
  return { position: 0, parts: [encodeHeader(chunkId, version), table] }
}

function checkPiece({ blockIndex, offset, size, crc, parts }: BlockPiece): Status {
  if (blockIndex >= MFSBLOCKSINCHUNK) return Status.BNUMTOOBIG
  if (size > MFSBLOCKSIZE) return Status.WRONGSIZE
  if (offset >= MFSBLOCKSIZE || offset + size > MFSBLOCKSIZE) return Status.WRONGOFFSET
  let got = 0
  for (const part of parts) got = crc32(part, got)
  return got === crc ? Status.OK : Status.CRC
}
