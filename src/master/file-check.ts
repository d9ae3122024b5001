// Looks at every file now and then, and counts those whose chunks have too few copies or none (spec master-behaviour 6.7).

import { linkCount } from '../metadata/namespace/tree.ts'
import type { State } from '../metadata/state.ts'
import { type ChunkId, type Inode, isFileType, NodeType } from '../metadata/types.ts'
import type { MissingKind } from '../protocol/monitors.ts'
import type { ChunkService } from './chunks/chunk-service.ts'
import { wantedBy } from './chunks/wishes.ts'
import type { Ledger } from './ledger.ts'

/** The first look waits until servers have told what they have (the original: 900 s). */
const FIRST_AFTER_SECONDS = 300
/** Small trees are looked through that often, and every tree within the time that the original takes. */
const PASS_SECONDS = 60
const SLOWEST_PASS_SECONDS = 3300
const MIN_PER_TICK = 2000

export interface FileCounts {
  /** Unix seconds of the begin and the end of the pass; 0 before the first one is done. */
  from: number
  to: number
  files: number
  undergoalFiles: number
  /** Files that have a chunk of which nothing can be read: once for each of their names. */
  missingFiles: number
  missingTrash: number
  missingSustained: number
  chunks: number
  undergoalChunks: number
  missingChunks: number
}

export interface MissingChunk {
  chunkId: ChunkId
  inode: Inode
  index: number
  kind: MissingKind
}

const nothing = (from: number): FileCounts => ({
  ...{ from, to: 0, files: 0, undergoalFiles: 0, missingFiles: 0, missingTrash: 0, missingSustained: 0 },
  ...{ chunks: 0, undergoalChunks: 0, missingChunks: 0 },
})

export class FileCheck {
  readonly #ledger: Ledger
  readonly #chunks: ChunkService
  readonly #capacity: number
  readonly #startedAt: number
  /** What the last complete pass found. */
  last = nothing(0)
  missing: readonly MissingChunk[] = []
  #counts = nothing(0)
  #found: MissingChunk[] = []
  /** 0: between two passes. */
  #cursor: Inode = 0

  /** @param capacity chunks that are remembered as missing (MISSING_LOG_CAPACITY) */
  constructor(ledger: Ledger, chunks: ChunkService, capacity: number) {
    this.#ledger = ledger
    this.#chunks = chunks
    this.#capacity = capacity
    this.#startedAt = ledger.now()
  }

  /** Once a second. */
  tick(): void {
    const now = this.#ledger.now()
    if (now - this.#startedAt < FIRST_AFTER_SECONDS || this.#chunks.areSettling) return
    if (this.#cursor === 0) this.#begin(now)
    if (this.#cursor === 0) return
    const { maxInode } = this.#ledger.state.nodes
    for (let left = Math.max(MIN_PER_TICK, Math.ceil(maxInode / SLOWEST_PASS_SECONDS)); left > 0; left--) {
      if (this.#cursor > maxInode) return this.#end(now)
      this.#look(this.#cursor++)
    }
  }

  #begin(now: number): void {
    if (now - this.last.from < PASS_SECONDS) return
    this.#counts = nothing(now)
    this.#found = []
    this.#cursor = 1
  }

  #end(now: number): void {
    this.last = { ...this.#counts, to: now }
    this.missing = this.#found
    this.#found = []
    this.#cursor = 0
  }

  #look(inode: Inode): void {
    const { state } = this.#ledger
    if (!isFileType(state.nodes.type(inode))) return
    const counts = this.#counts
    counts.files++
    const before = { undergoal: counts.undergoalChunks, missing: counts.missingChunks }
    state.nodes.eachChunk(inode, (row, index) => this.#lookAtChunk(row, inode, index))
    if (counts.undergoalChunks > before.undergoal) counts.undergoalFiles++
    if (counts.missingChunks > before.missing) this.#countMissing(state, inode)
  }

  #lookAtChunk(row: number, inode: Inode, index: number): void {
    const { state } = this.#ledger
    const counts = this.#counts
    counts.chunks++
    this.#chunks.placeFound(row, inode, index)
    const good = this.#chunks.goodCopies(row)
    if (good >= wantedBy(state, row).length) return
    if (good > 0) {
      counts.undergoalChunks++
      return
    }
    counts.missingChunks++
    if (this.#found.length >= this.#capacity) return
    this.#found.push({ chunkId: state.chunks.id(row), inode, index, kind: this.#chunks.missingKind(row) })
  }

  #countMissing(state: State, inode: Inode): void {
    const type = state.nodes.type(inode)
    if (type === NodeType.TRASH) this.#counts.missingTrash++
    else if (type === NodeType.SUSTAINED) this.#counts.missingSustained++
    else this.#counts.missingFiles += linkCount(state, inode)
  }
}
