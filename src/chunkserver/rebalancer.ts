// Moves chunks between the disks of this server, one at a time, in a share of the time (spec chunkserver 6.7, 7.8).
import type { Env } from '../env/env.ts'
import { ChunkError } from './disks/chunk-error.ts'
import type { ChunkStore } from './disks/chunk-store.ts'
import type { Folder } from './disks/folder.ts'
import { rebalanceSides } from './disks/rebalance.ts'

const IDLE_MS = 1000
/** After the disks have become even. */
const REST_MS = 60_000
/** Rows tried before there seems to be no chunk that can be moved. */
const TRIES = 1000

export interface RebalancerOptions {
  /** Percent of the time; 0: nothing is moved. */
  rebalanceUtilization: number
}

export class Rebalancer {
  options: RebalancerOptions
  readonly #env: Env
  readonly #store: ChunkStore
  #running = false
  #stopped = false

  constructor(env: Env, store: ChunkStore, options: RebalancerOptions) {
    this.#env = env
    this.#store = store
    this.options = options
  }

  get isRunning(): boolean {
    return this.#running
  }

  stop(): void {
    this.#stopped = true
  }

  /** Until stop(). */
  async run(): Promise<void> {
    while (!this.#stopped) await this.#env.clock.sleep(await this.#step())
  }

  /** Moves one chunk if one should be moved. @returns the pause after it, in ms */
  async #step(): Promise<number> {
    const { rebalanceUtilization } = this.options
    const { sources, destinations } = rebalanceSides(this.#store.liveFolders, this.#running)
    const source = this.#one(sources)
    const destination = this.#one(destinations.filter(folder => folder !== source))
    if (rebalanceUtilization === 0 || !source || !destination) {
      if (!this.#running) return IDLE_MS
      this.#running = false
      this.#env.log.notice('the disks of this server are even')
      return REST_MS
    }
    if (!this.#running) this.#env.log.notice('moving chunks between the disks of this server')
    this.#running = true
    const chunkId = this.#anyChunk(source)
    if (chunkId === 0) return IDLE_MS
    const startMs = this.#env.clock.monotonicMs()
    await this.#move(chunkId, destination)
    const tookMs = this.#env.clock.monotonicMs() - startMs
    return Math.max(1, tookMs * (100 / rebalanceUtilization - 1))
  }

  async #move(chunkId: number, destination: Folder): Promise<void> {
    try {
      await this.#store.move(chunkId, destination)
    } catch (error) {
      // It was reported where it happened; the chunk is where it was.
      if (!(error instanceof ChunkError)) throw error
    }
  }

  #one(folders: readonly Folder[]): Folder | undefined {
    return folders[this.#env.random.below(Math.max(1, folders.length))]
  }

  /** A chunk of the folder by chance, that is not known to be damaged; 0 when none was found. */
  #anyChunk(folder: Folder): number {
    const { table } = this.#store
    const start = this.#env.random.below(Math.max(1, table.rowLimit))
    const tries = Math.max(TRIES, table.rowLimit / Math.max(1, this.#store.liveFolders.length))
    for (let i = 0; i < Math.min(table.rowLimit, tries); i++) {
      const row = (start + i) % table.rowLimit
      const isHere = table.id(row) !== 0 && table.folder.get(row) === folder.index
      if (isHere && !table.isDamaged(row)) return table.id(row)
    }
    return 0
  }
}
