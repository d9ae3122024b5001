// Reading changelog files line by line, and telling a tail that was never finished from damage.
import type { Disk, DiskFile } from '../env/disk.ts'

const PIECE_BYTES = 1 << 20
const PIECE_BYTES_MIN = 1 << 14
const NEWLINE = 0x0a
/** More than the longest line: 200,000 characters and what stands behind them. */
const LINE_BYTES_MAX = 1 << 20

export interface ChangelogLine {
  /** Without its newline, latin1. */
  text: string
  /** Byte offset of the line in its file. */
  offset: number
}

/** A tail without newline, or of bytes that never reached the disk. */
export interface TornTail {
  offset: number
  bytes: Buffer
}

/** A changelog as it lies on the disk. */
export class ChangelogFile {
  readonly path: string
  readonly #disk: Disk
  /** Known once the lines have come to their end. */
  tornTail: TornTail | undefined

  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.path = path
  }

  /**
   * The complete lines, in order, many at a time. Ends at the last newline, or before the first line with a NUL byte in
   * it: the system had made the file longer, and the power went before the contents came.
   */
  async *batches(): AsyncGenerator<ChangelogLine[]> {
    const file = await this.#disk.open(this.path, 'r')
    try {
      let held = Buffer.alloc(0)
      let offset = 0
      const { size } = await file.stat()
      for (;;) {
        // The file may grow while it is read.
        const left = Math.max(PIECE_BYTES_MIN, size - offset - held.length)
        const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, left))
        const count = await file.read(piece, offset + held.length)
        if (count === 0) break
        held = held.length === 0 ? piece.subarray(0, count) : Buffer.concat([held, piece.subarray(0, count)])
        const { lines, end, hasNul } = splitLines(held, offset)
        if (lines.length > 0) yield lines
        offset += end
        held = held.subarray(end)
        if (hasNul) {
          held = Buffer.concat([held, await restOf(file, offset + held.length)])
          break
        }
      }
      if (held.length > 0) this.tornTail = { offset, bytes: held }
    } finally {
      await file.close()
    }
  }

  /** As batches(), one line at a time. */
  async *lines(): AsyncGenerator<ChangelogLine> {
    for await (const lines of this.batches()) yield* lines
  }

  /** Where the first change from `id` on begins; undefined when there is none. */
  async offsetOf(id: number): Promise<number | undefined> {
    for await (const { text, offset } of this.lines()) if ((changeIdOf(text) ?? 0) >= id) return offset
    return undefined
  }

  /** Everything from `offset` on. */
  async readFrom(offset: number): Promise<Buffer> {
    const file = await this.#disk.open(this.path, 'r')
    try {
      return await restOf(file, offset)
    } finally {
      await file.close()
    }
  }

  /** The change id of the first line; undefined when there is no complete line or it has none. */
  async firstId(): Promise<number | undefined> {
    for await (const [line] of this.batches()) return changeIdOf(line?.text ?? '')
    return undefined
  }

  /** The change id of the last complete line, read from the end; undefined when the end is not of complete lines. */
  async lastId(): Promise<number | undefined> {
    return changeIdOf((await this.lastLine()) ?? '')
  }

  /** The last complete line, read from the end; undefined when the end is not of complete lines. */
  async lastLine(): Promise<string | undefined> {
    const file = await this.#disk.open(this.path, 'r')
    try {
      const { size } = await file.stat()
      const from = Math.max(0, size - LINE_BYTES_MAX)
      const tail = Buffer.alloc(size - from)
      const read = tail.subarray(0, await file.read(tail, from))
      const end = read.lastIndexOf(NEWLINE)
      const start = end < 1 ? -1 : read.lastIndexOf(NEWLINE, end - 1) + 1
      // Without a newline before it, the line is whole only at the beginning of the file.
      if (start < 0 || (start === 0 && from > 0)) return undefined
      return read.toString('latin1', start, end)
    } finally {
      await file.close()
    }
  }
}

/** The complete lines of `held`, which lies at `offset` of the file, and where they end. */
function splitLines(held: Buffer, offset: number): { lines: ChangelogLine[]; end: number; hasNul: boolean } {
  const nul = held.indexOf(0)
  const whole = nul < 0 ? held.lastIndexOf(NEWLINE) : held.lastIndexOf(NEWLINE, nul)
  const lines: ChangelogLine[] = []
  let start = 0
  while (start <= whole) {
    const end = held.indexOf(NEWLINE, start)
    lines.push({ text: held.toString('latin1', start, end), offset: offset + start })
    start = end + 1
  }
  return { lines, end: start, hasNul: nul >= 0 }
}

async function restOf(file: DiskFile, position: number): Promise<Buffer> {
  const { size } = await file.stat()
  const rest = Buffer.alloc(Math.max(0, size - position))
  return rest.subarray(0, await file.read(rest, position))
}

/** The number before the first colon, as every line begins (spec metadata 3.1). */
export function changeIdOf(line: string): number | undefined {
  const match = /^(\d{1,16}): /.exec(line)
  return match ? Number(match[1]) : undefined
}
