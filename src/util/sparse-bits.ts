const PAGE_BITS = 1 << 16

/** A set of whole numbers 0..2^53 that lie close together: a bit each, in pages made when they are needed. */
export class SparseBits {
  readonly #pages = new Map<number, Uint32Array>()

  has(n: number): boolean {
    const page = this.#pages.get(Math.floor(n / PAGE_BITS))
    const bit = n % PAGE_BITS
    return page !== undefined && ((page[bit >>> 5] as number) & (1 << (bit & 31))) !== 0
  }

  /** @returns whether it was not in the set before */
  add(n: number): boolean {
    const at = Math.floor(n / PAGE_BITS)
    let page = this.#pages.get(at)
    if (!page) {
      page = new Uint32Array(PAGE_BITS / 32)
      this.#pages.set(at, page)
    }
    const bit = n % PAGE_BITS
    const word = page[bit >>> 5] as number
    const wanted = word | (1 << (bit & 31))
    page[bit >>> 5] = wanted
    return wanted >>> 0 !== word
  }
}
