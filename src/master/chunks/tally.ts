// How many chunks have how many copies. Kept up to date chunk by chunk, so that a monitor costs nothing
// (spec master-behaviour 4.9, tools-and-admin A.5.4, A.5.7). Four bytes a chunk.
import { bytes8 } from '../../util/column.ts'

/** Copies and goals are counted 0, 1 … 9, ten or more. */
const SIDE = 11
const CLASSES = 256

export interface Standing {
  /** Storage class that rules the chunk; 0 when no file holds it. */
  classId: number
  archived: boolean
  /** No file holds it, and nothing of it may go yet: it is of unknown origin, or its file went while it was written. */
  kept: boolean
  wanted: number
  /** Good copies; `regular` ones are on disks that are not marked for removal. */
  all: number
  regular: number
}

/** Chunks of a class with fewer copies than it wants, as many, and more; first the standard ones, then the archived. */
export interface ClassCounts {
  under: [number, number]
  exact: [number, number]
  over: [number, number]
}

export class Tally {
  /** By goal and number of copies, row by row. */
  readonly all = new Uint32Array(SIDE * SIDE)
  readonly regular = new Uint32Array(SIDE * SIDE)
  /** By class, archived or not, and whether there are too few, enough or too many. Class 0: kept or not. */
  readonly #classes = new Uint32Array(CLASSES * 6)
  readonly #allCell = bytes8()
  /** One more than the cell; 0 for a row that is not counted. */
  readonly #regularCell = bytes8()
  readonly #class = bytes8()
  readonly #kind = bytes8()

  /** Counts a chunk as it is now, and not as it was before. */
  account(row: number, { classId, archived, kept, wanted, all, regular }: Standing): void {
    const goal = Math.min(wanted, SIDE - 1) * SIDE
    const kind = (archived || kept ? 3 : 0) + (regular < wanted ? 0 : regular === wanted ? 1 : 2)
    this.forget(row)
    this.#allCell.set(row, goal + Math.min(all, SIDE - 1))
    this.#regularCell.set(row, goal + Math.min(regular, SIDE - 1) + 1)
    this.#class.set(row, classId)
    this.#kind.set(row, kind)
    this.#add(row, 1)
  }

  forget(row: number): void {
    if (this.#regularCell.get(row) === 0) return
    this.#add(row, -1)
    this.#regularCell.set(row, 0)
  }

  #add(row: number, change: number): void {
    const count = (counts: Uint32Array, at: number) => {
      counts[at] = (counts[at] as number) + change
    }
    count(this.all, this.#allCell.get(row))
    count(this.regular, this.#regularCell.get(row) - 1)
    count(this.#classes, this.#class.get(row) * 6 + this.#kind.get(row))
  }

  /** Chunks that no file holds, and of which nothing may go yet. */
  get kept(): number {
    const { under, exact, over } = this.ofClass(0)
    return under[1] + exact[1] + over[1]
  }

  ofClass(classId: number): ClassCounts {
    const at = (kind: number) => this.#classes[classId * 6 + kind] as number
    return { under: [at(0), at(3)], exact: [at(1), at(4)], over: [at(2), at(5)] }
  }
}
