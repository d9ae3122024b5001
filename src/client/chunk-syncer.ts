// Putting chunks on the disks of their servers: what fsync and close mean. A server of the original has no such
// message and syncs by its own options, so it is only asked who it is.
import type { Env } from '../env/env.ts'
import type { CopyLocation } from '../protocol/attributes.ts'
import * as cltocs from '../protocol/cltocs.ts'
import { isElkfsVersion } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { Status, statusName } from '../protocol/status.ts'
import { askServer } from './ask-server.ts'
import type { ServerConnection, ServerPool } from './server-pool.ts'

const MSGID = 1

export class ChunkSyncer {
  readonly #env: Env
  readonly #pool: ServerPool
  /** Which connections lead to servers that know the message. */
  readonly #ours = new WeakMap<ServerConnection, boolean>()

  constructor(env: Env, pool: ServerPool) {
    this.#env = env
    this.#pool = pool
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
      if (await this.#isOurs(server)) await this.#order(server, chunkId)
      server.release()
      return true
    } catch (error) {
      server?.destroy()
      this.#env.log.warning(`chunk ${chunkId.toString(16)}: syncing a copy failed (${(error as Error).message})`)
      return false
    }
  }

  async #isOurs(server: ServerConnection): Promise<boolean> {
    const known = this.#ours.get(server)
    if (known !== undefined) return known
    const payload = await askServer(server, cltocs.getVersion.encode({ msgid: MSGID }), cstocl.version.code)
    const isOurs = isElkfsVersion(cstocl.version.decode(payload).text.toString('latin1'))
    this.#ours.set(server, isOurs)
    return isOurs
  }

  async #order(server: ServerConnection, chunkId: number): Promise<void> {
    const order = cltocs.syncChunk.encode({ chunkId, version: 0 })
    const { status } = cstocl.syncStatus.decode(await askServer(server, order, cstocl.syncStatus.code))
    if (status !== Status.OK) throw new Error(statusName(status))
  }
}
