// Reads every chunk once in a while and checks it, slowly (spec chunkserver 6.6). Each folder has a tester of its own, so
// that a slow disk holds up nobody else's tests.
import type { Env } from '../env/env.ts'
import { MFSBLOCKSIZE } from '../protocol/constants.ts'
import { ChunkError } from './disks/chunk-error.ts'
import type { ChunkStore } from './disks/chunk-store.ts'
import type { Folder } from './disks/folder.ts'

const IDLE_MS = 500
/** Rows looked at in one go, so that a table of millions holds nothing up. */
const ROWS_AT_ONCE = 5000

export interface TesterOptions {
  /** Megabytes a second and folder; 0: no tests. */
  testSpeed: number
  /** A chunk is tested again after so long. */
  testIntervalSeconds: number
}

export class Tester {
  options: TesterOptions
  readonly #env: Env
  readonly #store: ChunkStore
  readonly #onFatal: (error: Error) => void
  readonly #testers = new Map<Folder, FolderTester>()
  #stopped = false

  constructor(env: Env, store: ChunkStore, options: TesterOptions, onFatal: (error: Error) => void) {
    this.#env = env
    this.#store = store
    this.options = options
    this.#onFatal = onFatal
  }

  /** Once a second: every folder that can be tested is. */
  tick(): void {
    for (const folder of this.#testers.keys()) if (!this.#isTestable(folder)) this.#testers.delete(folder)
    for (const folder of this.#store.liveFolders) {
      if (!this.#isTestable(folder) || this.#testers.has(folder)) continue
      const tester = new FolderTester(this.#env, this.#store, folder, () => this.options)
      this.#testers.set(folder, tester)
      tester.run(() => !this.#stopped && this.#testers.get(folder) === tester).catch(this.#onFatal)
    }
  }

  #isTestable(folder: Folder): boolean {
    return folder.state === 'ready' && !folder.line.markedForRemoval && this.#store.liveFolders.includes(folder)
  }

  /** Every chunk is due for a test now, whenever it had one; the speed stays. */
  scrub(): void {
    this.tick()
    for (const tester of this.#testers.values()) tester.scrub()
  }

  /** For people, a line for each folder. */
  describe(): string[] {
    return [...this.#testers.values()].map(tester => tester.describe())
  }

  stop(): void {
    this.#stopped = true
  }
}

class FolderTester {
  readonly #env: Env
  readonly #store: ChunkStore
  readonly #folder: Folder
  readonly #options: () => TesterOptions
  #row: number
  /** While all chunks are tested on demand. `rowsLeft`: of the table of chunks. */
  #scrubbing: { rowsLeft: number; tested: number; damaged: number } | undefined

  constructor(env: Env, store: ChunkStore, folder: Folder, options: () => TesterOptions) {
    this.#env = env
    this.#store = store
    this.#folder = folder
    this.#options = options
    // A server that is started often would otherwise test the same chunks each time, and the last ones never.
    this.#row = env.random.below(Math.max(1, store.table.rowLimit))
  }

  #now(): number {
    return Math.floor(this.#env.clock.nowMs() / 1000)
  }

  scrub(): void {
    this.#scrubbing = { rowsLeft: this.#store.table.rowLimit - 1, tested: 0, damaged: 0 }
    this.#env.log.notice(`folder ${this.#folder.line.path}: testing all ${this.#folder.chunkCount} chunks`)
  }

  async run(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      const { testSpeed } = this.#options()
      const chunkId = testSpeed > 0 ? this.#nextDue() : 0
      const blocks = chunkId === 0 ? 0 : await this.#test(chunkId)
      const bytesPerMs = (testSpeed * (1 << 20)) / 1000
      await this.#env.clock.sleep(blocks > 0 ? (blocks * MFSBLOCKSIZE) / bytesPerMs : IDLE_MS)
    }
  }

  /** The next chunk of the folder whose time has come; 0 when none was found this time. */
  #nextDue(): number {
    const { table } = this.#store
    const dueBefore = this.#now() - this.#options().testIntervalSeconds
    const rows = Math.min(ROWS_AT_ONCE, table.rowLimit)
    for (let i = 0; i < rows; i++) {
      this.#row = this.#row + 1 < table.rowLimit ? this.#row + 1 : 1
      const row = this.#row
      const isHere = table.id(row) !== 0 && table.folder.get(row) === this.#folder.index
      const isDue = this.#isScrubbed() || table.tested.get(row) < dueBefore
      if (isHere && isDue && !table.isDamaged(row)) return table.id(row)
    }
    return 0
  }

  /** Whether the next row is due because all are. */
  #isScrubbed(): boolean {
    if (!this.#scrubbing) return false
    if (this.#scrubbing.rowsLeft-- > 0) return true
    this.#endScrub()
    return false
  }

  #endScrub(): void {
    if (!this.#scrubbing) return
    const { tested, damaged } = this.#scrubbing
    this.#scrubbing = undefined
    this.#env.log.notice(`folder ${this.#folder.line.path}: all chunks tested: ${tested} tested, ${damaged} damaged`)
  }

  /** @returns how many blocks were read, at least 1 */
  async #test(chunkId: number): Promise<number> {
    let blocks = 1
    let damaged = 0
    try {
      blocks = Math.max(1, await this.#store.test(chunkId, 0))
    } catch (error) {
      if (!(error instanceof ChunkError)) throw error
      damaged = 1
    }
    if (this.#scrubbing) {
      this.#scrubbing.tested++
      this.#scrubbing.damaged += damaged
    }
    return blocks
  }

  describe(): string {
    const { table } = this.#store
    let [never, oldest] = [0, Number.POSITIVE_INFINITY]
    for (const row of table.rows()) {
      if (table.folder.get(row) !== this.#folder.index) continue
      const tested = table.tested.get(row)
      if (tested === 0) never++
      else oldest = Math.min(oldest, tested)
    }
    const { line, chunkCount } = this.#folder
    const since = Number.isFinite(oldest) ? `, oldest test ${new Date(oldest * 1000).toISOString()}` : ''
    return `folder ${line.path}: ${chunkCount} chunks, ${never} not tested since the start${since}`
  }
}
