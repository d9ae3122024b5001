// Putting chunks on the disks of their servers: what fsync and close mean. A server of the original has no such
// message and syncs by its own options, so it is only asked who it is.
import type { Env } from '../env/env.ts'
import type { CopyLocation } from '../protocol/attributes.ts'
import * as cltocs from '../protocol/cltocs.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { Status, statusName } from '../protocol/status.ts'
import { askServer } from './ask-server.ts'
import type { ServerKinds } from './server-kinds.ts'
import type { ServerConnection, ServerPool } from './server-pool.ts'

export class ChunkSyncer {
  readonly #env: Env
  readonly #pool: ServerPool
  readonly #kinds: ServerKinds

  constructor(env: Env, pool: ServerPool, kinds: ServerKinds) {
    this.#env = env
    this.#pool = pool
    this.#kinds = kinds
  }

  /**
   * Puts the chunk on the disk of every copy whose server knows how, in whichever version it has now.
   *
   * @returns false when one of them could not: what was written there may be lost with the power
   */
  async sync(chunkId: number, copies: readonly CopyLocation[]): Promise<boolean> {
    const results = await Promise.all(copies.map(copy => this.#syncCopy(chunkId, copy)))
    return results.every(done => done)
  }

  async #syncCopy(chunkId: number, { ip, port }: CopyLocation): Promise<boolean> {
    let server: ServerConnection | undefined
    try {
      server = await this.#pool.connect(ip, port)
      if (await this.#kinds.isOurs(server)) await order(server, chunkId)
      server.release()
      return true
    } catch (error) {
      server?.destroy()
      this.#env.log.warning(`chunk ${chunkId.toString(16)}: syncing a copy failed (${(error as Error).message})`)
      return false
    }
  }
}

async function order(server: ServerConnection, chunkId: number): Promise<void> {
  const packet = cltocs.syncChunk.encode({ chunkId, version: 0 })
  const { status } = cstocl.syncStatus.decode(await askServer(server, packet, cstocl.syncStatus.code))
  if (status !== Status.OK) throw new Error(statusName(status))
}
