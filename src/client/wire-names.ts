// The names of a folder as the master sent them: decoded when they are looked at. Most readers want names and inodes
// only, and a listing is read in pieces.
import { type Attributes, attributes, attributesBytes } from '../protocol/attributes.ts'
import { getU32, ProtocolError, Reader } from '../protocol/codec.ts'
import type { ListedName, ListedNames, RawNames } from './cluster.ts'

const INODE_BYTES = 4

export class WireNames implements ListedNames, RawNames {
  readonly length: number
  readonly bytes: Buffer
  readonly #reader: Reader
  readonly #withAttributes: boolean
  readonly #shown: (inode: number, attributes: Attributes) => Attributes
  /** Where each entry begins, and at last where they end. */
  readonly #starts: Uint32Array

  /**
   * @param bytes entries of MATOCL_FUSE_READDIR (spec client-master 5.3), in the layout of `version`
   * @param shown what the attributes are to be shown as
   * @throws ProtocolError when they don't end where an entry ends
   */
  constructor(
    bytes: Buffer,
    version: number,
    withAttributes: boolean,
    shown: (inode: number, attributes: Attributes) => Attributes,
  ) {
    this.bytes = bytes
    this.#reader = new Reader(bytes, version)
    this.#withAttributes = withAttributes
    this.#shown = shown
    const tailBytes = INODE_BYTES + (withAttributes ? attributesBytes(version) : 1)
    const starts = new Uint32Array(Math.floor(bytes.length / (1 + tailBytes)) + 1)
    let [at, count] = [0, 0]
    while (at < bytes.length) {
      starts[count++] = at
      at += 1 + (bytes[at] as number) + tailBytes
    }
    if (at !== bytes.length)
      throw new ProtocolError(`the last name of a folder ends ${at - bytes.length} bytes too late`)
    starts[count] = at
    this.#starts = starts
    this.length = count
  }

  get raw(): RawNames {
    return this
  }

  nameBytes(index: number): number {
    return this.bytes[this.#starts[index] as number] as number
  }

  copyName(index: number, target: Uint8Array, at: number): void {
    const start = this.#starts[index] as number
    const end = start + 1 + (this.bytes[start] as number)
    // Byte by byte: most are shorter than what a call into the system's copy costs.
    for (let from = start + 1, to = at; from < end; from++, to++) target[to] = this.bytes[from] as number
  }

  inode(index: number): number {
    return getU32(this.bytes, this.#inodeAt(index))
  }

  type(index: number): number {
    const at = this.#inodeAt(index) + INODE_BYTES
    return this.#withAttributes ? (this.bytes[at + 1] as number) >>> 4 : (this.bytes[at] as number)
  }

  attributes(index: number): Attributes | undefined {
    if (!this.#withAttributes) return undefined
    const at = this.#inodeAt(index)
    this.#reader.position = at + INODE_BYTES
    return this.#shown(getU32(this.bytes, at), attributes.read(this.#reader))
  }

  at(index: number): ListedName | undefined {
    if (index < 0 || index >= this.length) return undefined
    return {
      name: this.#name(index),
      inode: this.inode(index),
      type: this.type(index),
      attributes: this.attributes(index),
    }
  }

  *[Symbol.iterator](): Generator<ListedName> {
    for (let index = 0; index < this.length; index++) yield this.at(index) as ListedName
  }

  #name(index: number): string {
    const start = this.#starts[index] as number
    return this.bytes.toString('latin1', start + 1, start + 1 + (this.bytes[start] as number))
  }

  #inodeAt(index: number): number {
    const start = this.#starts[index] as number
    return start + 1 + (this.bytes[start] as number)
  }
}
