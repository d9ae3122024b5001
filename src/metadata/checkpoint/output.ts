const PIECE_BYTES = 1 << 20
/** Most sections are short. */
const FIRST_BYTES = 1 << 10
const NOTHING = Buffer.alloc(0)

/** Collects big-endian fields into pieces of about a megabyte. */
export class CheckpointOutput {
  #buffer: Buffer = NOTHING
  #position = 0
  #full: Buffer[] = []
  /** Bytes written so far. */
  bytes = 0

  /** Pieces that are full; each is given out once. */
  takeFull(): Buffer[] {
    const full = this.#full
    this.#full = []
    return full
  }

  /** Everything not given out yet. */
  takeAll(): Buffer[] {
    this.#close()
    return this.takeFull()
  }

  // Room first, in a statement of its own: it may put another buffer in place.

  u8(value: number): void {
    const at = this.#room(1)
    this.#buffer[at] = value
  }

  u16(value: number): void {
    const at = this.#room(2)
    this.#buffer.writeUInt16BE(value, at)
  }

  u32(value: number): void {
    const at = this.#room(4)
    this.#buffer.writeUInt32BE(value, at)
  }

  u64(value: bigint): void {
    const at = this.#room(8)
    this.#buffer.writeBigUInt64BE(value, at)
  }

  /** A number below 2^53 as 64 bits. */
  u64n(value: number): void {
    const at = this.#room(8)
    this.#buffer.writeUInt32BE(Math.floor(value / 0x100000000), at)
    this.#buffer.writeUInt32BE(value >>> 0, at + 4)
  }

  text(value: string): void {
    const at = this.#room(value.length)
    this.#buffer.write(value, at, 'latin1')
  }

  zeros(count: number): void {
    const at = this.#room(count)
    this.#buffer.fill(0, at, at + count)
  }

  #room(bytes: number): number {
    if (this.#position + bytes > this.#buffer.length) this.#grow(bytes)
    const at = this.#position
    this.#position += bytes
    this.bytes += bytes
    return at
  }

  /** A piece grows up to its size, then the next one begins. */
  #grow(bytes: number): void {
    if (this.#position + bytes > PIECE_BYTES) this.#close()
    const wanted = Math.max(FIRST_BYTES, 2 * this.#buffer.length, this.#position + bytes)
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(PIECE_BYTES, wanted)))
    this.#buffer.copy(larger, 0, 0, this.#position)
    this.#buffer = larger
  }

  #close(): void {
    if (this.#position > 0) this.#full.push(this.#buffer.subarray(0, this.#position))
    this.#buffer = NOTHING
    this.#position = 0
  }
}
