// Attribute records of the nodes in one directory, for a listing: what is the same for all of them is looked at once, and
// a file that has nothing uncommon goes from the table to the wire without an object in between.
import { SessionFlag } from '../../metadata/decision.ts'
import type { State } from '../../metadata/state.ts'
import type { Inode } from '../../metadata/types.ts'
import {
  attributesBytes,
  attributes as codec,
  isOldRecord,
  RECORD_BYTES_MAX,
  RecordAt,
} from '../../protocol/attributes.ts'
import { putU32, type Writer } from '../../protocol/codec.ts'
import { type Asker, attributesOf, flagsOf } from './attributes.ts'

export class RecordWriter {
  readonly #state: State
  readonly #asker: Asker
  readonly #directory: Inode
  readonly #bytes: number
  /** Whether files are shown with the owners that they have, in records of today. */
  readonly #isPlain: boolean
  /** Flags of a node with no attributes of its own. */
  readonly #flags: number

  /** @param version of the client: selects the layout of a record */
  constructor(state: State, asker: Asker, directory: Inode, version: number) {
    this.#state = state
    this.#asker = asker
    this.#directory = directory
    this.#bytes = attributesBytes(version)
    this.#isPlain = (asker.sessionFlags & SessionFlag.MAPALL) === 0 && !isOldRecord(version)
    this.#flags = flagsOf(state, asker, 0, 0, directory)
  }

  write(out: Writer, inode: Inode): void {
    if (!this.#isPlain || !this.#writePlain(out, inode)) {
      codec.write(out, attributesOf(this.#state, this.#asker, inode, this.#directory))
    }
  }

  /** @returns false, and nothing is written, for what is not a plain file */
  #writePlain(out: Writer, inode: Inode): boolean {
    const { nodes, acls, xattrs } = this.#state
    if (acls.has(inode) || xattrs.has(inode)) return false
    // Room for the longest record; it may put another buffer in place.
    const at = out.reserve(RECORD_BYTES_MAX)
    const isPlain = nodes.copyPlainFile(inode, out.buffer, at + RecordAt.TYPE_AND_MODE)
    out.position = isPlain ? at + this.#bytes : at
    if (!isPlain) return false
    out.buffer[at] = this.#flags
    if (this.#bytes === RECORD_BYTES_MAX) putU32(out.buffer, at + RecordAt.CHUNKS, nodes.chunkCount(inode))
    return true
  }
}
