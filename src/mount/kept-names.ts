// The names of folders that the kernel keeps (FOPEN_CACHE_DIR). It adds to them what it is told through open folders that
// have this flag, and may go on using them at the next opening (FOPEN_KEEP_CACHE). So all that it keeps of a folder must come
// from one listing: this remembers which.
import { OpenAnswerFlag } from './fuse/abi.ts'

/** Of one folder; larger ones are never kept. */
const FOLDER_BYTES_MAX = 4 << 20
/** Of all folders together. */
const BYTES_MAX = 32 << 20

interface Kept {
  /** The listing; undefined when it may be parts of several. */
  names: Buffer | undefined
  /** Open folders that may add to what the kernel keeps. */
  readers: number
}

export class KeptNames {
  readonly #folders = new Map<number, Kept>()
  #bytes = 0

  /**
   * A folder is opened and will be told as `names`: all of its names as the master sent them, so that equal bytes are equal
   * listings.
   * @returns flags for the answer. With CACHE_DIR it counts until close().
   */
  open(inode: number, names: Buffer): number {
    const kept = this.#folders.get(inode)
    if (kept?.names?.equals(names)) {
      kept.readers++
      // Last in the order in which they are forgotten.
      this.#folders.delete(inode)
      this.#folders.set(inode, kept)
      return OpenAnswerFlag.CACHE_DIR | OpenAnswerFlag.KEEP_CACHE
    }
    // Whoever still reads the former listing might add to this one.
    if (kept && kept.readers > 0) return 0
    this.#drop(inode)
    if (names.length > FOLDER_BYTES_MAX || !this.#makeRoom(names.length)) return 0
    // Of their own: what was received with others keeps all of that in memory.
    this.#folders.set(inode, { names: Buffer.from(names), readers: 1 })
    this.#bytes += names.length
    return OpenAnswerFlag.CACHE_DIR
  }

  /** An open folder with CACHE_DIR is told from now on as `names`. */
  reread(inode: number, names: Buffer | undefined): void {
    const kept = this.#folders.get(inode)
    if (!kept?.names || (names && kept.names.equals(names))) return
    this.#bytes -= kept.names.length
    kept.names = undefined
  }

  /** An open folder with CACHE_DIR is closed. */
  close(inode: number): void {
    const kept = this.#folders.get(inode)
    if (kept && --kept.readers === 0 && !kept.names) this.#drop(inode)
  }

  #drop(inode: number): void {
    this.#bytes -= this.#folders.get(inode)?.names?.length ?? 0
    this.#folders.delete(inode)
  }

  /** Forgets folders that are not open. @returns whether there is room now */
  #makeRoom(bytes: number): boolean {
    for (const [inode, { readers }] of this.#folders) {
      if (this.#bytes + bytes <= BYTES_MAX) return true
      if (readers === 0) this.#drop(inode)
    }
    return this.#bytes + bytes <= BYTES_MAX
  }
}
