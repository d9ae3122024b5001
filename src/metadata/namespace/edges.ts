// The table of edges: names that lead from a list to a node. A list is a directory, a bucket of the trash or a bucket
// of the sustained files; it is ordered, newest first, which is by ascending edge id. 36 bytes an edge, and its name.

import { BulkInsert } from '../../util/bulk-insert.ts'
import { ByteArena } from '../../util/byte-arena.ts'
import { Rows } from '../../util/column.ts'
import { HashIndex, hashBytes, hashText, mix32 } from '../../util/hash-index.ts'
import { type Memory, sumMemory } from '../../util/memory.ts'
import { Records, WideField, WordField, wordField } from '../../util/records.ts'
import { type Digest, Fact } from '../digest.ts'
import { FIRST_EDGE_ID, type Inode } from '../types.ts'

const CURSORS = 65536

/** Age of an edge that came from a file without edge ids; its id is 0. Only trash and sustained files keep it. */
export const UNNUMBERED = 2 ** 48 - 1

export class EdgeTable {
  readonly #digest: Digest
  readonly #records = new Records(9)
  /** Row of the list (see ListTable) that the edge is in. */
  readonly list = wordField(this.#records, 0)
  readonly child = wordField(this.#records, 1)
  /** FIRST_EDGE_ID - id, so that it fits a number; below 2^48. */
  readonly #age = new WideField(wordField(this.#records, 2), new WordField(this.#records, 3, 16))
  readonly #nameBytes = new WordField(this.#records, 3, 16, 16)
  /** Next and previous edge of the same list; 0 at the ends. */
  readonly next = wordField(this.#records, 4)
  readonly previous = wordField(this.#records, 5)
  /** Next edge that leads to the same node. */
  readonly nextLink = wordField(this.#records, 6)
  readonly #nameAt = wordField(this.#records, 7)
  readonly #hash = wordField(this.#records, 8)
  readonly #names = new ByteArena()
  readonly #rows = new Rows()
  readonly #index = new HashIndex()
  #loading: BulkInsert | undefined
  /** Rows of edges that a listing stopped at, by age. */
  readonly #cursors = new Uint32Array(CURSORS)

  constructor(digest: Digest) {
    this.#digest = digest
  }

  get count(): number {
    return this.#rows.count
  }

  /** With the names. */
  memory(): Memory {
    return sumMemory(this.#records.memory(this.count), this.#names.memory())
  }

  indexMemory(): Memory {
    return this.#index.memory()
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

  /** Writes the bytes of the name to `target`, which has room for nameBytes(). */
  copyName(edge: number, target: Uint8Array, at: number): void {
    this.#names.copy(this.#nameAt.get(edge), this.#nameBytes.get(edge), target, at)
  }

  nameBytes(edge: number): number {
    return this.#nameBytes.get(edge)
  }

  id(edge: number): bigint {
    return this.idOfAge(this.age(edge))
  }

  /** How many edges were made before it; since the last renumbering, when there was one. */
  age(edge: number): number {
    return this.#age.get(edge)
  }

  /** @param owner the directory that the edge is in */
  setAge(edge: number, owner: Inode, age: number): void {
    const [child, name] = [this.child.get(edge), this.name(edge)]
    this.#digest.remove(Fact.EDGE, owner, child, this.age(edge), name)
    this.#age.set(edge, age)
    this.#digest.add(Fact.EDGE, owner, child, age, name)
  }

  idOfAge(age: number): bigint {
    return age === UNNUMBERED ? 0n : FIRST_EDGE_ID - BigInt(age)
  }

  /** Makes an edge that is in no order yet. @param owner directory of the list; with 0 find() does not know the edge */
  add(list: number, owner: Inode, child: Inode, name: string, age: number): number {
    const edge = this.#rows.take()
    this.list.set(edge, list)
    this.child.set(edge, child)
    this.#age.set(edge, age)
    this.next.set(edge, 0)
    this.previous.set(edge, 0)
    this.#nameBytes.set(edge, name.length)
    this.#nameAt.set(edge, this.#names.put(name))
    this.#digest.add(Fact.EDGE, owner, child, age, name)
    if (owner !== 0) {
      const hash = hashText(name, mix32(list))
      this.#hash.set(edge, hash)
      this.#index.insert(hash, edge)
    }
    return edge
  }

  /**
   * add() of a name that `nameBytes` bytes of a buffer hold, from `start` on: for the reader of checkpoints. find()
   * knows such edges after settleNames(), which tells of names that are there twice.
   */
  load(
    list: number,
    owner: Inode,
    child: Inode,
    age: number,
    source: Buffer,
    start: number,
    nameBytes: number,
  ): number {
    const edge = this.#rows.take()
    const [page, at] = [this.#records.page(edge), this.#records.start(edge)]
    page[at] = list
    page[at + 1] = child
    page[at + 2] = age >>> 0
    page[at + 3] = Math.floor(age / 0x100000000) | (nameBytes << 16)
    page[at + 7] = this.#names.putBytes(source, start, nameBytes)
    this.#digest.addBytes(Fact.EDGE, owner, child, age, source, start, nameBytes)
    if (owner === 0) return edge
    const hash = hashBytes(source, start, nameBytes, mix32(list))
    page[at + 8] = hash
    this.#loading ??= new BulkInsert(this.#index, (a, b) => this.#isSameName(a, b))
    this.#loading.add(hash, edge)
    return edge
  }

  /** Ends a run of load(). @returns the first edge whose name its list had already, or 0 */
  settleNames(): number {
    const twice = this.#loading?.settle() ?? 0
    this.#loading = undefined
    return twice
  }

  #isSameName(a: number, b: number): boolean {
    return this.list.get(a) === this.list.get(b) && this.name(a) === this.name(b)
  }

  /** @param owner as for add() */
  remove(edge: number, owner: Inode): void {
    this.#digest.remove(Fact.EDGE, owner, this.child.get(edge), this.age(edge), this.name(edge))
    if (owner !== 0) this.#index.remove(this.#hash.get(edge), edge)
    this.#names.free(this.#nameAt.get(edge), this.#nameBytes.get(edge))
    this.list.set(edge, 0)
    this.#rows.release(edge)
  }

  /** Remembers where a listing stopped, so that going on does not walk the list. */
  remember(edge: number): void {
    this.#cursors[this.age(edge) % CURSORS] = edge
  }

  /** A remembered edge of this list and age, or 0. */
  recall(list: number, age: number): number {
    const edge = this.#cursors[age % CURSORS] as number
    return edge !== 0 && this.list.get(edge) === list && this.age(edge) === age ? edge : 0
  }

  /** Adds all facts of the table to a digest that is made from scratch. @param ownerOf directory of a list, or 0 */
  fold(into: Digest, ownerOf: (list: number) => Inode): void {
    for (let edge = 1; edge < this.#rows.limit; edge++) {
      const list = this.list.get(edge)
      if (list !== 0) into.add(Fact.EDGE, ownerOf(list), this.child.get(edge), this.age(edge), this.name(edge))
    }
  }
}
