// A queue of row numbers that may grow to millions: a ring in one typed array, no object an entry.

const FIRST_SIZE = 64

export class RowQueue {
  #ring = new Uint32Array(FIRST_SIZE)
  #first = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(row: number): void {
    if (this.#length === this.#ring.length) this.#grow()
    this.#ring[(this.#first + this.#length++) & (this.#ring.length - 1)] = row
  }

  /** Takes the oldest out; 0 when there is none. */
  shift(): number {
    if (this.#length === 0) return 0
    const row = this.#ring[this.#first] as number
    this.#first = (this.#first + 1) & (this.#ring.length - 1)
    this.#length--
    return row
  }

  #grow(): void {
    const larger = new Uint32Array(this.#ring.length * 2)
    const tail = this.#ring.subarray(this.#first)
    larger.set(tail)
    larger.set(this.#ring.subarray(0, this.#first), tail.length)
    this.#ring = larger
    this.#first = 0
  }
}
