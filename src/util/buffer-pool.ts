/** Large buffers that go round instead of being made and thrown away. */
export class BufferPool {
  readonly bytes: number
  readonly #keep: number
  readonly #free: Buffer[] = []

  /** @param keep so many unused ones at most */
  constructor(bytes: number, keep: number) {
    this.bytes = bytes
    this.#keep = keep
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bytes)
  }

  /** The caller must not touch the buffer again. */
  give(buffer: Buffer): void {
    if (this.#free.length < this.#keep) this.#free.push(buffer)
  }
}
