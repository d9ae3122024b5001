// Reads chunks that were not used for long and checks them, slowly (spec chunkserver 6.6).
import type { Env } from '../env/env.ts'
import { MFSBLOCKSIZE } from '../protocol/constants.ts'
import { ChunkError } from './disks/chunk-error.ts'
import type { ChunkStore } from './disks/chunk-store.ts'

const IDLE_MS = 500

export interface TesterOptions {
  /** Megabytes a second and folder; 0: no tests. */
  testSpeed: number
  testIntervalSeconds: number
}

export class Tester {
  options: TesterOptions
  readonly #env: Env
  readonly #store: ChunkStore
  #row = 0
  #stopped = false

  constructor(env: Env, store: ChunkStore, options: TesterOptions) {
    this.#env = env
    this.#store = store
    this.options = options
  }

  stop(): void {
    this.#stopped = true
  }

  /** Until stop(). */
  async run(): Promise<void> {
    while (!this.#stopped) {
      const blocks = await this.#testNext()
      const folders = Math.max(1, this.#store.liveFolders.length)
      const bytesPerMs = (this.options.testSpeed * folders * (1 << 20)) / 1000
      await this.#env.clock.sleep(blocks > 0 && bytesPerMs > 0 ? (blocks * MFSBLOCKSIZE) / bytesPerMs : IDLE_MS)
    }
  }

  /** @returns how many blocks were read */
  async #testNext(): Promise<number> {
    if (this.options.testSpeed === 0) return 0
    const { table } = this.#store
    const now = Math.floor(this.#env.clock.monotonicMs() / 1000)
    // A few thousand rows at a time, so that a table of millions holds nothing up.
    for (let tries = 0; tries < 5000; tries++) {
      this.#row = this.#row + 1 < table.rowLimit ? this.#row + 1 : 1
      const chunkId = table.id(this.#row)
      const touched = table.touched.get(this.#row)
      const due = touched === 0 || now - touched >= this.options.testIntervalSeconds
      if (chunkId !== 0 && due && table.damaged.get(this.#row) === 0) return this.#test(chunkId)
      if (tries >= table.rowLimit) break
    }
    return 0
  }

  async #test(chunkId: number): Promise<number> {
    try {
      return await this.#store.test(chunkId, 0)
    } catch (error) {
      if (!(error instanceof ChunkError)) throw error
      return 1
    }
  }
}
