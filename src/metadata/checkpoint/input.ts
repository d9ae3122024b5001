import { sumOfHalves } from '../../util/sums.ts'
import { CheckpointError } from './format.ts'

/**
 * Pulls a checkpoint through, piece by piece. Readers ask for room with `if (input.left < n) await input.fill(n)`, so
 * that they wait only at the border of a piece and read plainly inside.
 */
export class CheckpointInput {
  section = 'HEAD'
  buffer: Buffer = Buffer.alloc(0)
  position = 0
  /** Offset in the file of buffer[0]. */
  #base: number
  readonly #pull: () => Promise<Buffer | undefined>

  /**
   * @param pull the next bytes of the file; undefined at its end
   * @param offset where in the file they begin
   */
  constructor(pull: () => Promise<Buffer | undefined>, offset = 0) {
    this.#pull = pull
    this.#base = offset
  }

  /** Bytes that can be read without filling. */
  get left(): number {
    return this.buffer.length - this.position
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.#base + this.position
  }

  /** @param offset in the file, of what is wrong */
  fail(what: string, offset = this.offset): never {
    throw new CheckpointError(this.section, offset, what)
  }

  /** Makes sure that `bytes` can be read. */
  async fill(bytes: number): Promise<void> {
    if (!(await this.tryFill(bytes))) this.fail(`cut off: ${bytes} bytes wanted, ${this.left} left in the file`)
  }

  async tryFill(bytes: number): Promise<boolean> {
    while (this.left < bytes) {
      const piece = await this.#pull()
      if (!piece) return false
      this.#base += this.position
      this.buffer = this.left === 0 ? piece : Buffer.concat([this.buffer.subarray(this.position), piece])
      this.position = 0
    }
    return true
  }

  u8(): number {
    return this.buffer[this.position++] as number
  }

  u16(): number {
    const { buffer, position } = this
    this.position = position + 2
    return ((buffer[position] as number) << 8) | (buffer[position + 1] as number)
  }

  u32(): number {
    const { buffer, position } = this
    this.position = position + 4
    const upper = ((buffer[position] as number) << 8) | (buffer[position + 1] as number)
    return ((upper << 16) | ((buffer[position + 2] as number) << 8) | (buffer[position + 3] as number)) >>> 0
  }

  u64(): bigint {
    this.position += 8
    return this.buffer.readBigUInt64BE(this.position - 8)
  }

  /** A 64-bit value that must fit a number. */
  u64n(): number {
    const high = this.u32()
    if (high > 0x1fffff) this.fail(`64-bit value beyond 2^53 (high half ${high})`)
    return high * 0x100000000 + this.u32()
  }

  /** A limit of a sum of lengths: beyond 2^53 as near to it as a number comes. */
  sum64(): number {
    return sumOfHalves(this.u32(), this.u32())
  }

  text(bytes: number): string {
    this.position += bytes
    return this.buffer.toString('latin1', this.position - bytes, this.position)
  }

  skip(bytes: number): void {
    this.position += bytes
  }

  /** Skips any number of bytes, also beyond what was filled. */
  async skipFar(bytes: bigint): Promise<void> {
    for (let left = bytes; left > 0n; ) {
      if (this.left === 0) await this.fill(1)
      const step = left < BigInt(this.left) ? Number(left) : this.left
      this.skip(step)
      left -= BigInt(step)
    }
  }

  /** The next bytes as text, without reading them. */
  peek(bytes: number): string {
    return this.buffer.toString('latin1', this.position, this.position + bytes)
  }

  /** Whether the next bytes are all zero: how most sections end. */
  isZero(bytes: number): boolean {
    for (let i = 0; i < bytes; i++) if (this.buffer[this.position + i] !== 0) return false
    return true
  }

  /** Reads the end of a list, if that is what comes next. */
  takeZeros(bytes: number): boolean {
    const zero = this.isZero(bytes)
    if (zero) this.skip(bytes)
    return zero
  }
}
