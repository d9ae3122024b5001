// The end of the changelog once more, in a file whose length never changes: changelog.tail.
//
// When a file grows, its sync writes contents, then its new length, and the disk is told to keep both: one wait more than
// for bytes that replace others. So a commit goes here. The changelog gets the same lines in memory, and its own sync
// when this file is full, and once a second. After a power cut its end may be missing: recovery takes it from here,
// before it looks at anything else.
//
//   record: magic u32, crc32 u32 of all that follows, bytes u32, first change in that changelog u64, offset in it u64, lines
//
// Numbers are big endian. Records lie behind each other from the beginning of the file, and those that lead on from the
// first one count. What is behind them is older, and in the changelog for sure.
import type { Disk, DiskFile } from '../env/disk.ts'
import { crc32 } from '../util/crc32.ts'
import { changelogName } from './changelog-files.ts'
import { changeIdOf } from './changelog-reader.ts'

export const TAIL_NAME = 'changelog.tail'
const TAIL_BYTES = 1 << 20

const MAGIC = 0x454c4b54
const HEADER_BYTES = 28
/** Of a changelog, for the number of its first change: up to 16 digits, and what stands behind them. */
const HEAD_BYTES = 18
/** More than a line that another master may have begun with. */
const LINE_BYTES = 1 << 16
const NEWLINE = 0x0a

/** Writes the tail while a journal is open. */
export class CommitTail {
  readonly #disk: Disk
  readonly #folder: string
  readonly #file: DiskFile
  readonly #size: number
  /** Change that the changelog begins with. */
  #first: number | undefined
  #position = 0
  #record = Buffer.alloc(4096)

  /** @returns undefined when there is no room for one: the changelog itself has to be synced */
  static async create(disk: Disk, folder: string, size = TAIL_BYTES): Promise<CommitTail | undefined> {
    const path = `${folder}/${TAIL_NAME}`
    let file: DiskFile | undefined
    try {
      file = await disk.open(path, 'w+')
      await file.write(Buffer.alloc(size), 0)
      await file.sync()
      await disk.syncFolder(folder)
      return new CommitTail(disk, folder, file, size)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      await file?.close()
      if (file) await disk.unlink(path)
      return undefined
    }
  }

  private constructor(disk: Disk, folder: string, file: DiskFile, size: number) {
    this.#disk = disk
    this.#folder = folder
    this.#file = file
    this.#size = size
  }

  /**
   * What comes from now on is of another changelog, all of which so far is on the disk.
   * @param first change that it begins with; undefined: recovery could not tell whose lines these are
   */
  begin(first: number | undefined): void {
    this.#first = first
    this.#position = 0
  }

  /** All of the changelog so far is on the disk. */
  restart(): void {
    this.#position = 0
  }

  hasRoomFor(lines: Buffer): boolean {
    return this.#first !== undefined && this.#position + HEADER_BYTES + lines.length <= this.#size
  }

  /**
   * Lines that stand at `offset` of the changelog are on the disk when this is done, at once where the disk is quick.
   * There must be room for them.
   */
  async commit(lines: Buffer, offset: number): Promise<void> {
    const record = this.#recordOf(lines, offset)
    await this.#file.writeLittle(record, this.#position)
    this.#position += record.length
    await this.#file.syncLittle()
  }

  #recordOf(lines: Buffer, offset: number): Buffer {
    const length = HEADER_BYTES + lines.length
    if (this.#record.length < length) this.#record = Buffer.alloc(2 * length)
    const record = this.#record.subarray(0, length)
    record.writeUInt32BE(MAGIC, 0)
    record.writeUInt32BE(lines.length, 8)
    record.writeBigUInt64BE(BigInt(this.#first ?? 0), 12)
    record.writeBigUInt64BE(BigInt(offset), 20)
    lines.copy(record, HEADER_BYTES)
    record.writeUInt32BE(crc32(record.subarray(8)), 4)
    return record
  }

  /** All of the changelog is on the disk: nobody needs this any more, and nobody may find it when other lines stand there. */
  async remove(): Promise<void> {
    await this.#file.close()
    await this.#disk.unlink(`${this.#folder}/${TAIL_NAME}`)
    await this.#disk.syncFolder(this.#folder)
  }

  /** Leaves it for recovery. */
  close(): Promise<void> {
    return this.#file.close()
  }
}

/** Lines that were acknowledged, and where they belong. */
interface Tail {
  /** Of the changelog. */
  readonly first: number
  readonly offset: number
  readonly lines: Buffer
}

function parseTail(bytes: Buffer): Tail | undefined {
  const parts: Buffer[] = []
  let [first, offset, end] = [0, 0, 0]
  for (let at = 0; at + HEADER_BYTES <= bytes.length && bytes.readUInt32BE(at) === MAGIC; ) {
    const next = at + HEADER_BYTES + bytes.readUInt32BE(at + 8)
    if (next > bytes.length || crc32(bytes.subarray(at + 8, next)) !== bytes.readUInt32BE(at + 4)) break
    const [itsFirst, itsOffset] = [at + 12, at + 20].map(from => Number(bytes.readBigUInt64BE(from))) as [
      number,
      number,
    ]
    if (at === 0) [first, offset, end] = [itsFirst, itsOffset, itsOffset]
    else if (itsFirst !== first || itsOffset !== end) break
    const lines = bytes.subarray(at + HEADER_BYTES, next)
    parts.push(lines)
    end += lines.length
    at = next
  }
  return parts.length > 0 ? { first, offset, lines: Buffer.concat(parts) } : undefined
}

/**
 * The change that a changelog begins with; undefined when it begins with none.
 * @returns isBlank: its first line never came to the disk
 */
export async function beginningOf(file: DiskFile): Promise<{ first: number | undefined; isBlank: boolean }> {
  const bytes = Buffer.alloc(HEAD_BYTES)
  const head = bytes.subarray(0, await file.read(bytes, 0))
  return { first: changeIdOf(head.toString('latin1')), isBlank: head.length < HEAD_BYTES || head.includes(0) }
}

async function beginningIn(disk: Disk, folder: string, names: readonly string[], age: number) {
  if (!names.includes(changelogName(age))) return undefined
  const file = await disk.open(`${folder}/${changelogName(age)}`, 'r')
  try {
    return await beginningOf(file)
  } finally {
    await file.close()
  }
}

/** The tail of a folder, if it is of the newest changelog there. */
async function findTail(disk: Disk, folder: string, names: readonly string[]): Promise<Tail | undefined> {
  if (!names.includes(TAIL_NAME)) return undefined
  const tail = parseTail(await disk.readFile(`${folder}/${TAIL_NAME}`))
  if (!tail) return undefined
  const current = await beginningIn(disk, folder, names, 0)
  const former = await beginningIn(disk, folder, names, 1)
  // A finished changelog has everything.
  if (!current || former?.first === tail.first) return undefined
  return current.first === tail.first || (current.isBlank && tail.offset === 0) ? tail : undefined
}

/** How the newest changelog of a folder stands to the tail beside it. */
type Standing =
  | 'whole'
  /** A power cut took lines that are in the tail. */
  | 'lacking'
  /** Another master has gone on: other lines stand where those of the tail belong. */
  | 'foreign'

interface Inspected extends Tail {
  readonly standing: Standing
}

/** The tail of a folder and what has become of its lines; undefined when there is nothing of the newest changelog in it. */
export async function inspectTail(disk: Disk, folder: string): Promise<Inspected | undefined> {
  const tail = await findTail(disk, folder, await disk.list(folder))
  if (!tail) return undefined
  const file = await disk.open(`${folder}/${changelogName(0)}`, 'r')
  try {
    return { ...tail, standing: await standingOf(file, tail) }
  } finally {
    await file.close()
  }
}

async function standingOf(file: DiskFile, { offset, lines }: Tail): Promise<Standing> {
  if ((await file.stat()).size < offset) return 'foreign'
  const bytes = Buffer.alloc(lines.length + LINE_BYTES)
  const there = bytes.subarray(0, await file.read(bytes, offset))
  if (hasOtherLine(there, lines)) return 'foreign'
  return there.subarray(0, lines.length).equals(lines) ? 'whole' : 'lacking'
}

/** For the administrator. */
export const foreignTail = (folder: string) =>
  `${folder}: other changes stand in ${changelogName(0)} where those of ${TAIL_NAME} belong: another master has gone on here`

/**
 * Gives the newest changelog of a folder what a power cut took from its end, and removes the tail. For whoever has the
 * folder for himself, before anything else there is read.
 * @returns for the administrator, when something was missing or does not fit
 */
export async function settleTail(disk: Disk, folder: string): Promise<string | undefined> {
  const path = `${folder}/${TAIL_NAME}`
  if (!(await disk.list(folder)).includes(TAIL_NAME)) return undefined
  const tail = await inspectTail(disk, folder)
  const isForeign = tail?.standing === 'foreign'
  if (tail && !isForeign) await putBack(disk, `${folder}/${changelogName(0)}`, tail)
  if (isForeign) await disk.rename(path, `${path}.unused`)
  else await disk.unlink(path)
  await disk.syncFolder(folder)
  if (isForeign) return `${foreignTail(folder)}. It is kept as ${TAIL_NAME}.unused`
  if (tail?.standing !== 'lacking') return undefined
  return `${folder}: the last changes of ${changelogName(0)}, which a power cut took, were in ${TAIL_NAME}`
}

async function putBack(disk: Disk, path: string, { offset, lines, standing }: Inspected): Promise<void> {
  const file = await disk.open(path, 'r+')
  try {
    if (standing === 'lacking') await file.write(lines, offset)
    // After a kill, too: so far all may be in memory only.
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Whether the first line of `there` that is not as in `lines` is a change all the same, and nothing that a cut left. */
function hasOtherLine(there: Buffer, lines: Buffer): boolean {
  const count = Math.min(there.length, lines.length)
  let at = 0
  while (at < count && there[at] === lines[at]) at++
  if (at === count) return false
  const start = at === 0 ? 0 : lines.lastIndexOf(NEWLINE, at - 1) + 1
  const end = there.indexOf(NEWLINE, at)
  // Zeros never came to the disk.
  return end >= 0 && /^[^\0]*\d: \d+\|[^\0]*$/.test(there.toString('latin1', start, end))
}
