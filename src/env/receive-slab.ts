// Where a connection's bytes come to lie. Node by itself makes a buffer of 64 KiB for each read, however little comes;
// with every 64 MiB of buffers the collector marks the whole heap, which took a quarter of a chunkserver's processor
// time. Here reads follow each other in one piece of memory. Nothing is written twice: whoever gets bytes may keep them.

/** A large slab is for connections that carry data; only what was read into takes memory. */
const LARGE = { bytes: 256 * 1024, roomMin: 16 * 1024, manyReads: 64 }
const SMALL = { bytes: 16 * 1024, roomMin: 4 * 1024, fewReads: 4 }
const READ_BYTES_MAX = 64 * 1024

export class ReceiveSlab {
  #size: { bytes: number; roomMin: number } = SMALL
  #slab: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(SMALL.bytes)
  #at = 0
  #reads = 0

  /** Where the next read goes. */
  readonly room = (): Buffer<ArrayBuffer> => {
    if (this.#slab.length - this.#at < this.#size.roomMin) this.#renew()
    return this.#slab.subarray(this.#at, this.#at + READ_BYTES_MAX)
  }

  #renew(): void {
    const isLarge = this.#size === LARGE ? this.#reads < LARGE.manyReads : this.#reads < SMALL.fewReads
    this.#size = isLarge ? LARGE : SMALL
    this.#slab = Buffer.allocUnsafeSlow(this.#size.bytes)
    this.#at = this.#reads = 0
  }

  /** So many bytes were read into room(). @returns these */
  take(bytes: number): Buffer {
    const from = this.#at
    this.#at += bytes
    this.#reads++
    return this.#slab.subarray(from, from + bytes)
  }
}
