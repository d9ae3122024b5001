// What waits to be written to one chunk: parts of blocks, in the order in which their blocks were first written to.
import { MFSBLOCKSIZE } from '../protocol/constants.ts'
import type { BufferPool } from '../util/buffer-pool.ts'

/** As much as one write of a page: it gets no buffer of a whole block. */
const SMALL_BYTES = 4096
/** So many blocks are looked at for one that may go. */
const LOOK_MAX = 64

/** Bytes of one block. */
export class Piece {
  readonly block: number
  from: number
  to: number
  sinceMs: number
  #bytes: Buffer
  /** Where #bytes begins, in the block. */
  #base: number

  constructor(blocks: BufferPool, block: number, from: number, data: Buffer, nowMs: number) {
    this.block = block
    this.from = from
    this.to = from + data.length
    this.sinceMs = nowMs
    const isSmall = data.length <= SMALL_BYTES
    this.#bytes = isSmall ? Buffer.allocUnsafe(data.length) : blocks.take()
    this.#base = isSmall ? from : 0
    data.copy(this.#bytes, from - this.#base)
  }

  get data(): Buffer {
    return this.#bytes.subarray(this.from - this.#base, this.to - this.#base)
  }

  get isWhole(): boolean {
    return this.from === 0 && this.to === MFSBLOCKSIZE
  }

  /** Takes bytes that touch or cover its own. @returns how many it has more; undefined when a gap lies between */
  add(blocks: BufferPool, from: number, data: Buffer): number | undefined {
    const to = from + data.length
    if (from > this.to || to < this.from) return undefined
    if (from < this.#base || to > this.#base + this.#bytes.length) this.#widen(blocks)
    data.copy(this.#bytes, from - this.#base)
    const before = this.to - this.from
    this.from = Math.min(this.from, from)
    this.to = Math.max(this.to, to)
    return this.to - this.from - before
  }

  #widen(blocks: BufferPool): void {
    const whole = blocks.take()
    this.data.copy(whole, this.from)
    this.#bytes = whole
    this.#base = 0
  }

  /** Its bytes are not needed any more. */
  release(blocks: BufferPool): void {
    if (this.#bytes.length === blocks.bytes) blocks.give(this.#bytes)
  }

  /** Whether it has bytes of this range of the chunk. */
  touches(from: number, to: number): boolean {
    const start = this.block * MFSBLOCKSIZE
    return start + this.from < to && start + this.to > from
  }

  /** In the chunk. */
  get end(): number {
    return this.block * MFSBLOCKSIZE + this.to
  }
}

export class WaitingPieces {
  readonly #blocks: BufferPool
  /** Of each block oldest first; bytes are added to the last one. */
  readonly #byBlock = new Map<number, Piece[]>()
  /** The block that was written to last: more may come for it. */
  #newest = -1

  constructor(blocks: BufferPool) {
    this.#blocks = blocks
  }

  get isEmpty(): boolean {
    return this.#byBlock.size === 0
  }

  /** Takes a copy of bytes of one block. @returns how many wait more than before */
  put(block: number, from: number, data: Buffer, nowMs: number): number {
    this.#newest = block
    const pieces = this.#byBlock.get(block)
    const added = pieces?.at(-1)?.add(this.#blocks, from, data)
    if (added !== undefined) return added
    const piece = new Piece(this.#blocks, block, from, data, nowMs)
    if (pieces) pieces.push(piece)
    else this.#byBlock.set(block, [piece])
    return data.length
  }

  /** What was sent in vain waits again, before all that came meanwhile, and for nothing more to come. */
  putBack(piece: Piece): void {
    piece.sinceMs = Number.NEGATIVE_INFINITY
    const pieces = this.#byBlock.get(piece.block)
    if (pieces) pieces.unshift(piece)
    else this.#byBlock.set(piece.block, [piece])
  }

  /**
   * Takes out the first piece that may be sent now.
   *
   * @param isBusy of this block something is on its way: a second part would overtake it
   * @param patient whether an incomplete piece may wait for its rest; asked for the block that is being written to, or
   *   for all when `onlyWhole`
   */
  next(isBusy: (block: number) => boolean, patient: (piece: Piece) => boolean, onlyWhole: boolean): Piece | undefined {
    let looked = 0
    for (const [block, pieces] of this.#byBlock) {
      if (isBusy(block)) continue
      if (++looked > LOOK_MAX) return undefined
      const piece = pieces[0] as Piece
      const mayWait = (block === this.#newest || onlyWhole) && pieces.length === 1 && !piece.isWhole
      if (mayWait && patient(piece)) continue
      pieces.shift()
      if (pieces.length === 0) this.#byBlock.delete(block)
      return piece
    }
    return undefined
  }

  /** Whether bytes of this range of the chunk wait. */
  touches(from: number, to: number): boolean {
    const last = Math.min(Math.ceil(to / MFSBLOCKSIZE), MFSBLOCKSIZE)
    for (let block = Math.max(0, Math.floor(from / MFSBLOCKSIZE)); block < last; block++) {
      if (this.#byBlock.get(block)?.some(piece => piece.touches(from, to))) return true
    }
    return false
  }

  /** The piece that waits alone; undefined where there are others, or none. */
  get only(): Piece | undefined {
    const [piece, another] = this.all()
    return another ? undefined : piece
  }

  *all(): Generator<Piece> {
    for (const pieces of this.#byBlock.values()) yield* pieces
  }

  clear(): void {
    this.#byBlock.clear()
  }
}
