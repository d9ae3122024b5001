// Where the sections of a metadata file lie, so that a program can go straight to the ones that it needs.
import {
  CheckpointError,
  type CheckpointHeader,
  EOF_MARKER,
  HEADER_BYTES,
  readHeader,
  UNKNOWN_LENGTH,
} from '../checkpoint/format.ts'
import { CheckpointInput } from '../checkpoint/input.ts'
import { sectionVersionOf } from '../checkpoint/read.ts'

/** Reads up to `bytes` at an offset of the file; fewer at its end. */
export type ReadAt = (offset: number, bytes: number) => Promise<Buffer>

const PIECE_BYTES = 4 << 20

export interface SectionPlace {
  name: string
  mver: number
  /** Of the body, bytes from the beginning of the file. */
  offset: number
  /** Of the body. */
  bytes: number
}

export class SectionIndex {
  readonly header: CheckpointHeader
  readonly places: readonly SectionPlace[]
  readonly #readAt: ReadAt

  private constructor(header: CheckpointHeader, places: readonly SectionPlace[], readAt: ReadAt) {
    this.header = header
    this.places = places
    this.#readAt = readAt
  }

  /** @throws CheckpointError when a header or the end mark is not where it must be */
  static async read(readAt: ReadAt): Promise<SectionIndex> {
    const header = readHeader(await readAt(0, HEADER_BYTES))
    const places: SectionPlace[] = []
    if (header.isNew || header.old?.sectioned === false) return new SectionIndex(header, places, readAt)
    for (let offset = HEADER_BYTES; ; ) {
      const head = await readAt(offset, 16)
      if (head.length < 16) throw new CheckpointError('TAIL', offset, 'cut off: a section or the end mark is missing')
      const title = head.toString('latin1', 0, 8)
      if (head.toString('latin1') === EOF_MARKER) break
      const length = head.readBigUInt64BE(8)
      if (length === UNKNOWN_LENGTH || length > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new CheckpointError(title.slice(0, 4), offset, `a section of ${length} bytes`)
      }
      places.push({
        name: title.slice(0, 4),
        mver: sectionVersionOf(title),
        offset: offset + 16,
        bytes: Number(length),
      })
      offset += 16 + Number(length)
    }
    return new SectionIndex(header, places, readAt)
  }

  find(...names: string[]): SectionPlace | undefined {
    return this.places.find(({ name }) => names.includes(name))
  }

  /**
   * Opens the body of a section for reading.
   * @param progress hears how much of the section has been pulled, 0..1
   */
  open({ name, offset, bytes }: SectionPlace, progress?: (part: number) => void): CheckpointInput {
    let position = 0
    const input = new CheckpointInput(async () => {
      const piece = await this.#readAt(offset + position, Math.min(PIECE_BYTES, bytes - position))
      position += piece.length
      progress?.(bytes === 0 ? 1 : position / bytes)
      return piece.length > 0 ? piece : undefined
    }, offset)
    input.section = name
    return input
  }
}
