// The bytes of one block to all copies at once: for a small file, or the last bytes before an fsync. No chain is built, a
// server has one message to read, and asks its disk as soon as it has the bytes. Only servers of ours know the message.
import type { CopyLocation } from '../protocol/attributes.ts'
import * as cltocs from '../protocol/cltocs.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { Status, statusName } from '../protocol/status.ts'
import { crc32 } from '../util/crc32.ts'
import type { ServerKinds } from './server-kinds.ts'
import type { ServerConnection, ServerPool } from './server-pool.ts'

export interface Block {
  readonly chunkId: number
  readonly version: number
  readonly blockIndex: number
  /** Of `data`, in the block. */
  readonly offset: number
  /** Must stay as it is until `written`. */
  readonly data: Buffer
}

export interface Sent {
  /** Undefined: every copy has the bytes. Otherwise why not; some may have them all the same. */
  readonly written: Promise<string | undefined>
  /** Whether every copy is on its disk; false as well when that was not asked for. */
  readonly synced: Promise<boolean>
}

export class BlockSender {
  readonly #pool: ServerPool
  readonly #kinds: ServerKinds

  constructor(pool: ServerPool, kinds: ServerKinds) {
    this.#pool = pool
    this.#kinds = kinds
  }

  /** Whether all servers seem to know how. */
  isPossible(copies: readonly CopyLocation[]): boolean {
    return copies.length > 0 && this.#kinds.wereOurs(copies)
  }

  /** @param sync the copies are to be put on their disks as well */
  send(block: Block, copies: readonly CopyLocation[], sync: boolean): Sent {
    const { data, ...place } = block
    const head = cltocs.writeBlock.encodeHead({ ...place, sync: sync ? 1 : 0, crc: crc32(data) }, data.length)
    const transfers = copies.map(copy => new Transfer(block.chunkId, [head, data], sync, this.#connect(copy)))
    const written = Promise.all(transfers.map(({ written }) => written))
    const synced = Promise.all(transfers.map(({ synced }) => synced))
    return {
      written: written.then(problems => problems.find(problem => problem !== undefined)),
      synced: synced.then(all => all.every(done => done)),
    }
  }

  async #connect({ ip, port }: CopyLocation): Promise<ServerConnection> {
    const server = await this.#pool.connect(ip, port)
    try {
      if (await this.#kinds.isOurs(server)) return server
    } catch (error) {
      server.destroy()
      throw error
    }
    server.release()
    throw new Error(`${server.address} is not an ElkFS chunkserver any more`)
  }
}

/** The way to one copy. */
class Transfer {
  readonly written: Promise<string | undefined>
  readonly synced: Promise<boolean>
  #tellWritten: (problem: string | undefined) => void = () => {}
  #tellSynced: (done: boolean) => void = () => {}
  readonly #chunkId: number
  readonly #sync: boolean
  #isWritten = false

  constructor(chunkId: number, packet: readonly Buffer[], sync: boolean, connecting: Promise<ServerConnection>) {
    this.#chunkId = chunkId
    this.#sync = sync
    this.written = new Promise(resolve => {
      this.#tellWritten = resolve
    })
    this.synced = new Promise(resolve => {
      this.#tellSynced = resolve
    })
    connecting.then(
      server => this.#begin(server, packet),
      (error: Error) => this.#end(error.message),
    )
  }

  #begin(server: ServerConnection, packet: readonly Buffer[]): void {
    server.use({
      packet: (type, payload) => this.#onPacket(server, type, payload),
      failed: error => this.#end(error.message),
    })
    server.writev(packet)
  }

  #onPacket(server: ServerConnection, type: number, payload: Buffer): void {
    const wanted = this.#isWritten ? cstocl.syncStatus : cstocl.writeStatus
    if (type !== wanted.code) return server.destroy(new Error(`unexpected message ${type}`))
    const { chunkId, status } = wanted.decode(payload)
    if (chunkId !== this.#chunkId) return server.destroy(new Error('status of another chunk'))
    if (this.#isWritten) this.#tellSynced(status === Status.OK)
    else if (status === Status.OK && this.#sync) {
      this.#isWritten = true
      return this.#tellWritten(undefined)
    } else this.#end(status === Status.OK ? undefined : `${server.address}: ${statusName(status)}`)
    server.release()
  }

  /** Nothing more comes. What was told before stays so. */
  #end(problem: string | undefined): void {
    this.#tellWritten(problem)
    this.#tellSynced(false)
  }
}
