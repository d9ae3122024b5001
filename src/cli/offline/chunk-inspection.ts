// Looks a chunk's file over without a chunkserver: its header against its name, its blocks against their CRCs.
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  chunkFileName,
  clearTable,
  decodeHeader,
  encodeHeader,
  HEADER_TEXT_BYTES,
  type Layout,
  layoutOf,
  parseChunkFileName,
  TABLE_BYTES,
  ZERO_BLOCK_CRC,
} from '../../chunkserver/disks/chunk-file.ts'
import { lockWholeFile } from '../../env/file-lock.ts'
import { MFSBLOCKSINCHUNK, MFSBLOCKSIZE } from '../../protocol/constants.ts'
import { crc32 } from '../../util/crc32.ts'

export interface Wishes {
  /** Of the blocks only the last one is read. */
  readonly isFast: boolean
  /** CRCs of blocks that are not there count in files of every version. */
  readonly isStrict: boolean
  /** The header is made anew from the name, CRCs from the blocks: whatever stands in them is right then. */
  readonly repairs: boolean
  /** A file whose name is no chunk's gets the one that its header tells. */
  readonly renames: boolean
}

/** How it went: bits of an exit code (spec daemons-and-config 11.4). */
export const Outcome = { HEADER_WRONG: 1, CRC_WRONG: 2, HEADER_MENDED: 4, CRC_MENDED: 8, FAILED: 16 } as const

/** Who hears what is wrong and what was mended, a line each. */
export interface Listener {
  wrong(line: string): void
  mended(line: string): void
}

interface Identity {
  readonly chunkId: number
  readonly version: number
}

const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0')

/** Nothing can be said of the file, or nothing be done. */
class Failed extends Error {}

/** @param path as Node takes it @returns bits of Outcome; 0: nothing was wrong */
export function inspectChunkFile(path: string, wishes: Wishes, listener: Listener): number {
  const file = openFile(path, wishes.repairs)
  if (file === undefined) {
    listener.wrong('error opening file !!!')
    return Outcome.FAILED
  }
  const inspection = new Inspection(path, file, wishes, listener)
  try {
    inspection.run()
  } catch (error) {
    if (!(error instanceof Failed) && (error as NodeJS.ErrnoException).code === undefined) throw error
    listener.wrong((error as Error).message)
    return inspection.outcome | Outcome.FAILED
  } finally {
    closeSync(file)
  }
  return inspection.outcome
}

function openFile(path: string, isWritten: boolean): number | undefined {
  try {
    return openSync(path, isWritten ? 'r+' : 'r')
  } catch {
    return undefined
  }
}

/** A chunkserver that runs has a lock on its folder, two levels up. @throws Failed */
function refuseWhenServed(path: string): void {
  const folder = dirname(dirname(path))
  const lock = join(folder, '.lock')
  if (!existsSync(lock)) return
  const file = openSync(lock, 'r+')
  try {
    lockWholeFile(file, lock)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    throw new Failed(`not changed: a chunkserver uses ${folder}, stop it first`)
  } finally {
    closeSync(file)
  }
}

class Inspection {
  readonly #path: string
  readonly #file: number
  readonly #wishes: Wishes
  readonly #listener: Listener
  outcome = 0

  constructor(path: string, file: number, wishes: Wishes, listener: Listener) {
    this.#path = path
    this.#file = file
    this.#wishes = wishes
    this.#listener = listener
  }

  run(): void {
    const header = this.#read(0, HEADER_TEXT_BYTES, 'error reading header !!!')
    const identity = this.#identify(header)
    const layout = layoutOf(fstatSync(this.#file).size)
    if (!layout) throw new Failed('wrong file size')
    const table = this.#read(layout.headerBytes, TABLE_BYTES, 'error reading CRCs !!!')
    const isStrict = this.#wishes.isStrict || header.toString('latin1', 0, 8) === 'MFSC 1.1'
    if (this.#wishes.isFast && !this.#wishes.repairs) this.#checkLast(table, layout, isStrict)
    else this.#checkAll(table, layout, isStrict)
    if (this.#wishes.repairs) this.#mend(identity, table, layout)
  }

  #wrong(bit: number, text: string): void {
    this.outcome |= bit
    this.#listener.wrong(text)
  }

  /** @throws Failed */
  #read(position: number, bytes: number, complaint: string): Buffer {
    const buffer = Buffer.allocUnsafe(bytes)
    let length = 0
    try {
      length = readSync(this.#file, buffer, 0, bytes, position)
    } catch {}
    if (length < bytes) throw new Failed(complaint)
    return buffer
  }

  /** Which chunk it is by its name; undefined when that tells nothing. */
  #identify(header: Buffer): Identity | undefined {
    const named = parseChunkFileName(basename(this.#path))
    const told = decodeHeader(header)
    if (!named) {
      if (this.#wishes.renames) this.#rename(told)
      else this.#wrong(Outcome.HEADER_WRONG, 'wrong chunk name format !!! (skip header)')
      return undefined
    }
    if (!told) this.#wrong(Outcome.HEADER_WRONG, 'wrong chunk header !!!')
    if (told && told.chunkId !== named.chunkId) this.#wrong(Outcome.HEADER_WRONG, 'wrong chunk number in header !!!')
    if (told && told.version !== named.version) this.#wrong(Outcome.HEADER_WRONG, 'wrong chunk version in header !!!')
    return named
  }

  #rename(told: Identity | undefined): void {
    this.#listener.wrong('wrong chunk name - try to fix it using header data')
    if (!told) return this.#wrong(Outcome.HEADER_WRONG, 'wrong chunk header !!!')
    const path = join(dirname(this.#path), chunkFileName(told.chunkId, told.version))
    if (existsSync(path)) throw new Failed(`not renamed: there is a file ${path}`)
    refuseWhenServed(this.#path)
    renameSync(this.#path, path)
    this.#listener.wrong(`changed name to: ${path}`)
  }

  #checkLast(table: Buffer, { headerBytes, blockCount }: Layout, isStrict: boolean): void {
    const last = blockCount - 1
    if (last >= 0) {
      const [noted, found] = [table.readUInt32BE(last * 4), this.#crcOf(headerBytes, last)]
      if (noted !== found)
        this.#wrong(Outcome.CRC_WRONG, `crc error (last block ; header crc: ${hex(noted)} ; block crc: ${hex(found)})`)
    }
    if (!isStrict || blockCount === MFSBLOCKSINCHUNK) return
    const noted = table.readUInt32BE(blockCount * 4)
    if (isEmpty(noted)) return
    const text = `crc error (first empty block (${blockCount}) has 'non zero' crc: ${hex(noted)})`
    this.#wrong(Outcome.CRC_WRONG, text)
  }

  /** Wrong CRCs are right in `table` afterwards. */
  #checkAll(table: Buffer, { headerBytes, blockCount }: Layout, isStrict: boolean): void {
    for (let block = 0; block < (isStrict ? MFSBLOCKSINCHUNK : blockCount); block++) {
      const noted = table.readUInt32BE(block * 4)
      const found = block < blockCount ? this.#crcOf(headerBytes, block) : ZERO_BLOCK_CRC
      if (noted === found || (block >= blockCount && isEmpty(noted))) continue
      const text = `crc error (block: ${block} ; header crc: ${hex(noted)} ; block crc: ${hex(found)})`
      this.#wrong(Outcome.CRC_WRONG, text)
      table.writeUInt32BE(found, block * 4)
    }
  }

  #crcOf(headerBytes: number, block: number): number {
    const position = headerBytes + TABLE_BYTES + block * MFSBLOCKSIZE
    return crc32(this.#read(position, MFSBLOCKSIZE, `error reading block ${block} !!!`))
  }

  #mend(identity: Identity | undefined, table: Buffer, { headerBytes, blockCount }: Layout): void {
    const mendsHeader = identity !== undefined && (this.outcome & Outcome.HEADER_WRONG) !== 0
    const mendsTable = (this.outcome & Outcome.CRC_WRONG) !== 0
    if (!mendsHeader && !mendsTable) return
    refuseWhenServed(this.#path)
    if (mendsHeader) {
      const header = encodeHeader(identity.chunkId, identity.version)
      writeSync(this.#file, header, 0, HEADER_TEXT_BYTES, 0)
    }
    if (mendsTable) {
      clearTable(table, blockCount)
      writeSync(this.#file, table, 0, TABLE_BYTES, headerBytes)
    }
    fsyncSync(this.#file)
    if (mendsHeader) this.#mended(Outcome.HEADER_MENDED, 'header fixed')
    if (mendsTable) this.#mended(Outcome.CRC_MENDED, 'crc fixed')
  }

  #mended(bit: number, text: string): void {
    this.outcome |= bit
    this.#listener.mended(text)
  }
}

/** Blocks that were never written have one of these. */
const isEmpty = (crc: number) => crc === ZERO_BLOCK_CRC || crc === 0
