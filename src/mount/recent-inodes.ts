// Inodes of which one fact is known for a while: of thousands a listing tells it at once. A table in which an inode has
// one place, and whoever comes there last stays: what is forgotten is only asked for again.

const SLOTS = 1 << 15

export class RecentInodes {
  readonly #inodes = new Uint32Array(SLOTS)
  readonly #untilMs = new Float64Array(SLOTS)
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  has(inode: number): boolean {
    const slot = inode % SLOTS
    return this.#inodes[slot] === inode && this.#nowMs() < (this.#untilMs[slot] as number)
  }

  /** @param inode above 0 */
  add(inode: number, keepMs: number): void {
    const slot = inode % SLOTS
    this.#inodes[slot] = inode
    this.#untilMs[slot] = this.#nowMs() + keepMs
  }

  delete(inode: number): void {
    const slot = inode % SLOTS
    if (this.#inodes[slot] === inode) this.#inodes[slot] = 0
  }

  clear(): void {
    this.#inodes.fill(0)
  }
}
