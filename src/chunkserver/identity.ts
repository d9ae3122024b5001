// Who this server is: its id with the master, the instance that its chunks belong to (spec chunkserver 5.6), and which
// masters it obeys no more.
import { EpochFence } from '../daemon/epoch-fence.ts'
import type { Env } from '../env/env.ts'
import { errnoOf } from './disks/chunk-error.ts'
import type { ChunkStore } from './disks/chunk-store.ts'

export class Identity {
  /** 0: none yet. */
  serverId = 0
  metaId: bigint | undefined
  readonly #env: Env
  readonly #folder: string
  readonly #path: string
  #fence: EpochFence | undefined
  readonly #store: ChunkStore

  constructor(env: Env, dataFolder: string, store: ChunkStore) {
    this.#env = env
    this.#folder = dataFolder
    this.#path = `${dataFolder}/chunkserverid.mfs`
    this.#store = store
  }

  async read(): Promise<void> {
    this.#fence = await EpochFence.open(this.#env.disk, this.#folder)
    try {
      const bytes = await this.#env.disk.readFile(this.#path)
      if (bytes.length >= 2) this.serverId = bytes.readUInt16BE()
      if (bytes.length >= 10) this.metaId = bytes.readBigUInt64BE(2) || undefined
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }

  /** Whether a master of this epoch may be obeyed (EpochFence.admits). */
  async admits(epoch: number): Promise<boolean> {
    return (await this.#fence?.admits(epoch)) ?? true
  }

  /** Keeps what the master said, here and on every folder. */
  async learn(serverId: number, metaId: bigint | undefined): Promise<void> {
    if (serverId === this.serverId && metaId === this.metaId) return
    this.serverId = serverId || this.serverId
    this.metaId = metaId ?? this.metaId
    const bytes = Buffer.alloc(10)
    bytes.writeUInt16BE(this.serverId)
    bytes.writeBigUInt64BE(this.metaId ?? 0n, 2)
    const { disk } = this.#env
    const file = await disk.open(`${this.#path}.tmp`, 'w+')
    await file.write(bytes, 0)
    await file.sync()
    await file.close()
    await disk.rename(`${this.#path}.tmp`, this.#path)
    if (this.metaId === undefined) return
    for (const folder of this.#store.liveFolders) {
      await folder.writeMetaId(this.metaId).catch(error => {
        this.#env.log.warning(`folder ${folder.line.path}: can't write .metaid (${errnoOf(error)})`)
      })
    }
  }
}
