// The chunks of a file that has several slots. Most files are written from their beginning on; one that is written far out
// has holes of any size, which take no room and no time.

/** Slots with so much room behind the ones that there are lie side by side with them. */
const GAP = 64
const SMALLEST = 4
/** About what a list without slots takes, and an entry of a map. */
const OBJECT_BYTES = 200
const FAR_BYTES = 40

export class ChunkList {
  /** Rows by slot, 0 is a hole. */
  #near = new Uint32Array(SMALLEST)
  /** Rows of slots beyond; holes are not there. */
  #far: Map<number, number> | undefined
  #count = 0

  /** Slots that are no holes. */
  get count(): number {
    return this.#count
  }

  /** About what it takes in memory. */
  get bytes(): number {
    return OBJECT_BYTES + this.#near.byteLength + (this.#far?.size ?? 0) * FAR_BYTES
  }

  /** Row of the chunk at a slot, 0 for a hole. */
  get(index: number): number {
    return index < this.#near.length ? (this.#near[index] as number) : (this.#far?.get(index) ?? 0)
  }

  set(index: number, row: number): void {
    this.#count += Number(row !== 0) - Number(this.get(index) !== 0)
    if (index >= this.#near.length && index < 2 * this.#near.length + GAP && row !== 0) this.#grow(index + 1)
    if (index < this.#near.length) this.#near[index] = row
    else if (row === 0) this.#far?.delete(index)
    else {
      this.#far ??= new Map()
      this.#far.set(index, row)
    }
  }

  /** Room for growth, so that a file written chunk by chunk is not copied each time. */
  #grow(slots: number): void {
    const larger = new Uint32Array(Math.ceil(slots * 1.25))
    larger.set(this.#near)
    this.#near = larger
    for (const [index, row] of this.#far ?? []) {
      if (index >= larger.length) continue
      larger[index] = row
      this.#far?.delete(index)
    }
  }

  /** Slots from here on are holes. */
  cut(slots: number): void {
    for (let index = slots; index < this.#near.length; index++) if (this.#near[index] !== 0) this.set(index, 0)
    for (const index of this.#far?.keys() ?? []) if (index >= slots) this.set(index, 0)
  }

  /** The first slot from `from` on that is no hole. */
  next(from: number): number | undefined {
    for (let index = from; index < this.#near.length; index++) if (this.#near[index] !== 0) return index
    let first: number | undefined
    for (const index of this.#far?.keys() ?? [])
      if (index >= from && (first === undefined || index < first)) first = index
    return first
  }

  /** Visits the chunks of slots `from` to `to` - 1, in their order; slots outside of these may change meanwhile. */
  each(visit: (row: number, index: number) => void, from: number, to: number): void {
    const far = this.#far && [...this.#far.keys()].filter(index => index >= from && index < to).sort((a, b) => a - b)
    const end = Math.min(this.#near.length, to)
    for (let index = from; index < end; index++) {
      const row = this.#near[index] as number
      if (row !== 0) visit(row, index)
    }
    for (const index of far ?? []) {
      const row = this.get(index)
      if (row !== 0) visit(row, index)
    }
  }
}
