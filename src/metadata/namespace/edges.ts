// The table of edges: names that lead from a list to a node. A list is a directory, a bucket of the trash or a bucket
// of the sustained files; it is ordered, newest first, which is by ascending edge id.
import { ByteArena } from '../../util/byte-arena.ts'
import { integers, Rows, words16, words32 } from '../../util/column.ts'
import { HashIndex, hashText, mix32 } from '../../util/hash-index.ts'
import { FIRST_EDGE_ID, type Inode } from '../types.ts'

const CURSORS = 65536

/** Age of an edge that came from a file without edge ids; its id is 0. Only trash and sustained files keep it. */
export const UNNUMBERED = -1

export class EdgeTable {
  /** Row of the list (see ListTable) that the edge is in. */
  readonly list = words32()
  readonly child = words32()
  /** FIRST_EDGE_ID - id, so that it fits a number. */
  readonly age = integers()
  /** Next and previous edge of the same list; 0 at the ends. */
  readonly next = words32()
  readonly previous = words32()
  /** Next edge that leads to the same node. */
  readonly nextLink = words32()
  readonly #nameAt = words32()
  readonly #nameBytes = words16()
  readonly #hash = words32()
  readonly #names = new ByteArena()
  readonly #rows = new Rows()
  readonly #index = new HashIndex(row => this.#hash.get(row))
  /** Rows of edges that a listing stopped at, by age. */
  readonly #cursors = new Uint32Array(CURSORS)

  get count(): number {
    return this.#rows.count
  }

  /** The edge of this name in the list, or 0. Names of trash and sustained files are not found (they need not differ). */
  find(list: number, name: string): number {
    return this.#index.find(
      hashText(name, mix32(list)),
      row => this.list.get(row) === list && this.#names.equals(this.#nameAt.get(row), this.#nameBytes.get(row), name),
    )
  }

  name(edge: number): string {
    return this.#names.text(this.#nameAt.get(edge), this.#nameBytes.get(edge))
  }

  nameBytes(edge: number): number {
    return this.#nameBytes.get(edge)
  }

  id(edge: number): bigint {
    return this.idOfAge(this.age.get(edge))
  }

  idOfAge(age: number): bigint {
    return age === UNNUMBERED ? 0n : FIRST_EDGE_ID - BigInt(age)
  }

  /** Makes an edge that is in no order yet. @param indexed whether find() shall know it */
  add(list: number, child: Inode, name: string, age: number, indexed: boolean): number {
    const edge = this.#rows.take()
    this.list.set(edge, list)
    this.child.set(edge, child)
    this.age.set(edge, age)
    this.next.set(edge, 0)
    this.previous.set(edge, 0)
    this.#nameBytes.set(edge, name.length)
    this.#nameAt.set(edge, this.#names.put(name))
    if (indexed) {
      const hash = hashText(name, mix32(list))
      this.#hash.set(edge, hash)
      this.#index.insert(hash, edge)
    }
    return edge
  }

  remove(edge: number, indexed: boolean): void {
    if (indexed) this.#index.remove(this.#hash.get(edge), edge)
    this.#names.free(this.#nameAt.get(edge), this.#nameBytes.get(edge))
    this.list.set(edge, 0)
    this.#rows.release(edge)
  }

  /** Remembers where a listing stopped, so that going on does not walk the list. */
  remember(edge: number): void {
    this.#cursors[this.age.get(edge) % CURSORS] = edge
  }

  /** A remembered edge of this list and age, or 0. */
  recall(list: number, age: number): number {
    const edge = this.#cursors[age % CURSORS] as number
    return edge !== 0 && this.list.get(edge) === list && this.age.get(edge) === age ? edge : 0
  }
}
