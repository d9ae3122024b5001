// A chunk's file (spec chunkserver 5.2, 5.3):
//
//   0         signature "MFSC 1.0", chunk id:64, version:32, zeros up to H
//   H         1024 CRCs, one for each block of 64 KiB, as if every block were whole
//   H + 4096  the blocks; the file always ends at the end of one
//
// H is 4096, or 1024 in files of old versions; it is not stored but follows from the size of the file.
import { MFSBLOCKSINCHUNK, MFSBLOCKSIZE } from '../../protocol/constants.ts'

export const TABLE_BYTES = 4 * MFSBLOCKSINCHUNK
const HEADER_BYTES = 4096
const OLD_HEADER_BYTES = 1024
/** What stands before the blocks of a new file. */
export const HEAD_BYTES = HEADER_BYTES + TABLE_BYTES
/** The part of the header that says something. */
export const HEADER_TEXT_BYTES = 20
/** Where the version stands in the header. */
export const VERSION_POSITION = 16
/** CRC of a block of zeros. */
export const ZERO_BLOCK_CRC = 0xd7978eeb

const NAME = /^chunk_([0-9A-F]{8})([0-9A-F]{8})_([0-9A-F]{8})\.mfs$/

const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0')

/** `00`…`FF`. */
export function subfolderName(subfolder: number): string {
  return hex(subfolder, 2)
}

export function formatChunkId(chunkId: number): string {
  return hex(chunkId, 16)
}

export function chunkFileName(chunkId: number, version: number): string {
  return `chunk_${formatChunkId(chunkId)}_${hex(version, 8)}.mfs`
}

/** Undefined for any other file, and for an id that is 0 or beyond 2^53: no master gives out such. */
export function parseChunkFileName(name: string): { chunkId: number; version: number } | undefined {
  const match = NAME.exec(name)
  if (!match) return undefined
  const [, high = '', low = '', version = ''] = match
  const highHalf = Number.parseInt(high, 16)
  const chunkId = highHalf * 0x100000000 + Number.parseInt(low, 16)
  if (highHalf > 0x1fffff || chunkId === 0) return undefined
  return { chunkId, version: Number.parseInt(version, 16) }
}

export interface Layout {
  readonly headerBytes: number
  readonly blockCount: number
}

export const newLayout: Layout = { headerBytes: HEADER_BYTES, blockCount: 0 }

/** What the size of a file says about it; undefined when no chunk's file has that size. */
export function layoutOf(sizeBytes: number): Layout | undefined {
  const headerBytes = (sizeBytes - TABLE_BYTES) % MFSBLOCKSIZE
  if (headerBytes !== HEADER_BYTES && headerBytes !== OLD_HEADER_BYTES) return undefined
  const blockCount = (sizeBytes - TABLE_BYTES - headerBytes) / MFSBLOCKSIZE
  return blockCount >= 0 && blockCount <= MFSBLOCKSINCHUNK ? { headerBytes, blockCount } : undefined
}

/** A whole header of today's size. */
export function encodeHeader(chunkId: number, version: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write('MFSC 1.0', 'latin1')
  header.writeUInt32BE(Math.floor(chunkId / 0x100000000), 8)
  header.writeUInt32BE(chunkId % 0x100000000, 12)
  header.writeUInt32BE(version, VERSION_POSITION)
  return header
}

/** Chunk and version in a header; undefined when it is none. */
export function decodeHeader(header: Buffer): { chunkId: number; version: number } | undefined {
  const signature = header.toString('latin1', 0, 8)
  if (signature !== 'MFSC 1.0' && signature !== 'MFSC 1.1') return undefined
  const chunkId = header.readUInt32BE(8) * 0x100000000 + header.readUInt32BE(12)
  return { chunkId, version: header.readUInt32BE(VERSION_POSITION) }
}

const EMPTY_TABLE = Buffer.alloc(TABLE_BYTES)
for (let at = 0; at < TABLE_BYTES; at += 4) EMPTY_TABLE.writeUInt32BE(ZERO_BLOCK_CRC, at)

/** CRCs of a chunk without blocks. */
export function emptyTable(): Buffer {
  return Buffer.from(EMPTY_TABLE)
}

/** Sets the entries from `blockIndex` on to that of a block of zeros. */
export function clearTable(table: Buffer, blockIndex: number): void {
  EMPTY_TABLE.copy(table, blockIndex * 4, blockIndex * 4)
}

/** Whether no block from `blockIndex` on ever got a CRC; new files of the original have zeros there. */
export function isClearTable(table: Buffer, blockIndex: number): boolean {
  const from = blockIndex * 4
  if (table.compare(EMPTY_TABLE, from, TABLE_BYTES, from, TABLE_BYTES) === 0) return true
  for (let i = blockIndex; i < MFSBLOCKSINCHUNK; i++) {
    const crc = table.readUInt32BE(i * 4)
    if (crc !== ZERO_BLOCK_CRC && crc !== 0) return false
  }
  return true
}

/** One number for all CRCs (spec chunkserver 3.6). */
export function tableChecksum(table: Buffer): number {
  let checksum = 1
  for (let at = 0; at < TABLE_BYTES; at += 4) checksum = Math.imul(checksum, 426265243) ^ table.readInt32BE(at)
  return checksum >>> 0
}
