// Writing to one chunk of a file: what waits is sent down the chain of its copies, and again when a chain breaks
// (spec chunkserver 3.3, client-master 7.4 and 7.7).
import { constants } from 'node:os'
import type { Env } from '../env/env.ts'
import type { CopyLocation } from '../protocol/attributes.ts'
import * as cltocs from '../protocol/cltocs.ts'
import * as cltoma from '../protocol/cltoma.ts'
import { MFSBLOCKSIZE, MFSCHUNKSIZE } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import * as matocl from '../protocol/matocl.ts'
import { Status, statusName } from '../protocol/status.ts'
import type { BufferPool } from '../util/buffer-pool.ts'
import { crc32 } from '../util/crc32.ts'
import type { BlockSender } from './block-sender.ts'
import type { ChunkLocator, Located } from './chunk-locator.ts'
import type { MasterSession } from './master-session.ts'
import { patientPauseMs, pauseMs, type RetryOptions, reactionTo } from './retry.ts'
import type { ServerConnection, ServerPool } from './server-pool.ts'
import { type Piece, WaitingPieces } from './waiting-pieces.ts'

const { errno } = constants
/** Statuses that may be outstanding. */
const WINDOW = 48
/** With more incomplete blocks on their way than these, others wait for their rest, as ... */
const PARTS_WINDOW = 32
/** ... the block does that is being written to; not longer than this. */
const LINGER_MS = 30
/** A chain is ended and begun anew, long before the lease of the chunk ends. */
const CHAIN_MS = 10_000
/** A chain without work is kept this long for more. */
const IDLE_MS = 100
const QUEUED_BYTES_MAX = 2 << 20

export interface WriteServices {
  env: Env
  master: MasterSession
  locator: ChunkLocator
  pool: ServerPool
  blockSender: BlockSender
  retry: RetryOptions
  /** For what waits, of whole blocks. */
  blocks: BufferPool
  /** Resolves when one more chain may be begun; the result ends its turn. */
  turn(): Promise<() => void>
  /** So many bytes wait no more. */
  freed(bytes: number): void
}

/** Who is told of what a writer does, and asked what is wanted. */
export interface WriterOwner {
  /** Everything is written, or was given up. */
  idle(): void
  /** Bytes were given up for this reason. */
  failed(errno: number): void
  /**
   * Bytes are with the servers of these copies now.
   *
   * @param synced resolves to whether they are on their disks, where that was asked for with them
   */
  written(located: Located, synced: Promise<boolean> | undefined): void
  /** Somebody waits until everything is on the disks. */
  wantsSync(): boolean
  /** What must be over before another write of the chunk begins. */
  mayBegin(): Promise<unknown> | undefined
}

export class ChunkWriter {
  readonly #services: WriteServices
  readonly #inode: number
  readonly #index: number
  readonly #owner: WriterOwner
  readonly #waiting: WaitingPieces
  /** Sent, not acknowledged by all copies yet; by write id. */
  readonly #inFlight = new Map<number, Piece>()
  /** The same by block: a second part of one waits, so that it comes to lie over the first. */
  readonly #busyBlocks = new Map<number, Piece>()
  #partsInFlight = 0
  #running = false
  #hurry = false
  #wake: (() => void) | undefined
  /** End of what the servers have and the master was not told yet, in the chunk. */
  #writtenTo = 0
  /** The same with what waits and what is on its way. */
  #unknownTo = 0
  /** Whether what was written is on the disks, if it was sent to be. */
  #synced: Promise<boolean> | undefined

  constructor(services: WriteServices, inode: number, index: number, owner: WriterOwner) {
    this.#services = services
    this.#waiting = new WaitingPieces(services.blocks)
    this.#inode = inode
    this.#index = index
    this.#owner = owner
  }

  get isIdle(): boolean {
    return !this.#running
  }

  /** End of the bytes that the master does not know of, in the chunk; 0 when it knows all. */
  get waitingTo(): number {
    return this.#unknownTo
  }

  /** Whether bytes of this range are not with the servers yet. */
  overlaps(from: number, to: number): boolean {
    if (this.#waiting.touches(from, to)) return true
    for (const piece of this.#inFlight.values()) if (piece.touches(from, to)) return true
    return false
  }

  /** Takes a copy of bytes for `offset` in the chunk. @returns bytes that wait more than before */
  put(offset: number, data: Buffer): number {
    const nowMs = this.#services.env.clock.monotonicMs()
    let added = 0
    for (let done = 0; done < data.length; ) {
      const at = offset + done
      const block = Math.floor(at / MFSBLOCKSIZE)
      const from = at % MFSBLOCKSIZE
      const length = Math.min(MFSBLOCKSIZE - from, data.length - done)
      added += this.#waiting.put(block, from, data.subarray(done, done + length), nowMs)
      done += length
    }
    this.#unknownTo = Math.max(this.#unknownTo, offset + data.length)
    this.#start()
    return added
  }

  /** Nothing waits for more bytes from now on. */
  hurry(): void {
    if (this.isIdle) return
    this.#hurry = true
    this.#wake?.()
  }

  #start(): void {
    this.#wake?.()
    if (this.#running) return
    this.#running = true
    void this.#run()
  }

  async #run(): Promise<void> {
    const { env } = this.#services
    let failures = 0
    let waits = 0
    while (!this.#waiting.isEmpty) {
      await this.#owner.mayBegin()
      const endTurn = await this.#services.turn()
      const outcome = await this.#chain(failures === 0).finally(endTurn)
      if (outcome === 'done') {
        failures = waits = 0
        continue
      }
      if ('errno' in outcome) {
        this.#giveUp(outcome.errno)
        break
      }
      if ('patient' in outcome) {
        await env.clock.sleep(patientPauseMs(++waits))
        continue
      }
      failures = outcome.progress ? 1 : failures + 1
      if (failures >= this.#services.retry.ioRetries) {
        this.#giveUp(outcome.lastErrno)
        break
      }
      await env.clock.sleep(pauseMs(failures))
    }
    this.#running = false
    this.#hurry = false
    this.#owner.idle()
  }

  #giveUp(reason: number): void {
    let bytes = 0
    for (const piece of this.#waiting.all()) bytes += piece.to - piece.from
    this.#waiting.clear()
    this.#unknownTo = 0
    this.#services.freed(bytes)
    this.#owner.failed(reason)
  }

  /**
   * One WRITE_CHUNK, what is sent, and WRITE_CHUNK_END.
   *
   * @param isFirst nothing has failed: what is little may go without a chain
   */
  async #chain(
    isFirst: boolean,
  ): Promise<'done' | { errno: number } | { patient: true } | { count: true; lastErrno: number; progress: boolean }> {
    const { master, locator, retry, env } = this.#services
    const [inode, index] = [this.#inode, this.#index]
    const flags = cltoma.ChunkOpFlag.CANUSERESERVESPACE
    const answer = await master.ask(cltoma.fuseWriteChunk, { inode, index, flags }, matocl.fuseWriteChunk)
    if (!answer) return { errno: errno.EIO }
    if (answer.status !== undefined) {
      const reaction = reactionTo(answer.status, retry)
      return 'count' in reaction ? { ...reaction, progress: false } : reaction
    }
    const { chunkId, version, copies } = answer
    // Bytes may be read as soon as the servers have them, also where a hole was until now.
    locator.learn(inode, index, { chunkId, version, copies }, answer.length)
    const problem =
      copies.length > 0 ? await this.#send({ chunkId, version, copies }, isFirst) : 'no copy of the chunk is there'
    if (this.#writtenTo > 0) this.#owner.written({ chunkId, version, copies }, this.#synced)
    this.#synced = undefined
    const end = this.#writtenTo === 0 ? 0 : this.#index * MFSCHUNKSIZE + this.#writtenTo
    const ended = await master.ask(
      cltoma.fuseWriteChunkEnd,
      { chunkId, inode, index, length: end, flags: 0 },
      matocl.fuseWriteChunkEnd,
    )
    const progress = this.#writtenTo > 0
    // Attributes that the master told before this end may be looked at in this very turn: they lack these bytes.
    if (progress) await new Promise<void>(resolve => env.clock.soon(resolve))
    this.#writtenTo = 0
    this.#unknownTo = 0
    for (const piece of this.#waiting.all()) this.#unknownTo = Math.max(this.#unknownTo, piece.end)
    locator.written(inode, index, { chunkId, version, copies }, end)
    if (problem !== undefined) locator.forgetChunk(inode, index)
    if (!ended) return { errno: errno.EIO }
    if (ended.status !== Status.OK) return { errno: endErrno(ended.status) }
    if (problem === undefined) return 'done'
    env.log.warning(`inode ${inode}, chunk ${index}: writing failed (${problem}), trying again`)
    const lastErrno = copies.length > 0 ? errno.EIO : errno.ENXIO
    return { count: true, lastErrno, progress }
  }

  /** Sends what waits until nothing does. @returns what went wrong; then everything unacknowledged waits again */
  async #send(located: Located, isFirst: boolean): Promise<string | undefined> {
    const mayBeLittle = isFirst && this.#services.blockSender.isPossible(located.copies)
    const piece = mayBeLittle ? await this.#takeLast() : undefined
    return piece ? this.#sendBlock(located, piece) : this.#sendDown(located)
  }

  /** The piece that waits alone, if somebody waits for it; undefined as soon as it is known that there is more. */
  async #takeLast(): Promise<Piece | undefined> {
    const { clock } = this.#services.env
    for (;;) {
      const piece = this.#waiting.only
      if (!piece) return undefined
      if (this.#hurry) {
        this.#waiting.clear()
        return piece
      }
      if (piece.sinceMs <= clock.monotonicMs() - LINGER_MS) return undefined
      await this.#sleep()
    }
  }

  /** To all copies at once. */
  async #sendBlock({ chunkId, version, copies }: Located, piece: Piece): Promise<string | undefined> {
    const { blockSender } = this.#services
    const writeId = 1
    this.#sending(writeId, piece)
    const block = { chunkId, version, blockIndex: piece.block, offset: piece.from, data: piece.data }
    const { written, synced } = blockSender.send(block, copies, this.#owner.wantsSync())
    const problem = await written
    if (problem === undefined) {
      this.#acknowledged(writeId)
      this.#synced = synced
    } else this.#takeBack()
    return problem
  }

  /** Down the chain of the copies. */
  async #sendDown({ chunkId, version, copies }: Located): Promise<string | undefined> {
    const { pool, env } = this.#services
    const [first, ...rest] = copies as [CopyLocation, ...CopyLocation[]]
    let server: ServerConnection
    try {
      server = await pool.connect(first.ip, first.port)
    } catch (error) {
      return (error as Error).message
    }
    let problem: string | undefined
    let welcome = false
    server.use({
      failed: error => {
        problem ??= error.message
        this.#wake?.()
      },
      packet: (type, payload) => {
        if (type !== cstocl.writeStatus.code) return server.destroy(new Error(`unexpected message ${type}`))
        const status = cstocl.writeStatus.decode(payload)
        if (status.chunkId !== chunkId) return server.destroy(new Error('status of another chunk'))
        if (status.status !== Status.OK) return server.destroy(new Error(statusName(status.status)))
        if (status.writeId === 0) welcome = true
        else this.#acknowledged(status.writeId)
        this.#wake?.()
      },
    })
    const chain = rest.map(({ ip, port }) => ({ ip, port }))
    server.write(cltocs.write.encode({ protocol: cltocs.PROTOCOL, chunkId, version, chain }))
    const until = env.clock.monotonicMs() + CHAIN_MS
    let idleSince: number | undefined
    for (let writeId = 1; problem === undefined; ) {
      const late = env.clock.monotonicMs() > until
      if (!late) writeId = this.#sendPieces(server, chunkId, writeId)
      const nothingLeft = this.#inFlight.size === 0 && (late || this.#waiting.isEmpty)
      if (!nothingLeft) idleSince = undefined
      else if (welcome) {
        idleSince ??= env.clock.monotonicMs()
        const waitsForMore = !late && !this.#hurry && this.#writtenTo < MFSCHUNKSIZE
        if (!waitsForMore || env.clock.monotonicMs() - idleSince > IDLE_MS) break
      }
      await this.#sleep()
    }
    if (problem === undefined) {
      server.write(cltocs.writeFinish.encode({ chunkId, version }))
      server.release()
      return undefined
    }
    this.#takeBack()
    return problem
  }

  /** Until something has happened, or an incomplete block has waited long enough. */
  #sleep(): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#services.env.clock.after(LINGER_MS, () => done())
      const done = () => {
        this.#wake = undefined
        timer.cancel()
        resolve()
      }
      this.#wake = done
    })
  }

  /** Sends what may go and has room, in one system call. @returns the next write id */
  #sendPieces(server: ServerConnection, chunkId: number, firstId: number): number {
    const room = QUEUED_BYTES_MAX - server.queuedBytes
    const packets: Buffer[] = []
    let writeId = firstId
    for (let bytes = 0; this.#inFlight.size < WINDOW && bytes < room; writeId++) {
      const piece = this.#nextPiece()
      if (!piece) break
      this.#sending(writeId, piece)
      const { block, from, data } = piece
      const head = { chunkId, writeId, blockIndex: block, offset: from, crc: crc32(data) }
      packets.push(cltocs.writeData.encodeHead(head, data.length), data)
      bytes += data.length
    }
    if (packets.length > 0) server.writev(packets)
    return writeId
  }

  #sending(writeId: number, piece: Piece): void {
    this.#inFlight.set(writeId, piece)
    this.#busyBlocks.set(piece.block, piece)
    if (!piece.isWhole) this.#partsInFlight++
  }

  /** What can be sent now: not two parts of one block at a time, and incomplete blocks only when nobody adds to them. */
  #nextPiece(): Piece | undefined {
    const agedMs = this.#services.env.clock.monotonicMs() - LINGER_MS
    const isBusy = (block: number) => this.#busyBlocks.has(block)
    const patient = (piece: Piece) => !this.#hurry && piece.sinceMs > agedMs
    return this.#waiting.next(isBusy, patient, this.#partsInFlight >= PARTS_WINDOW)
  }

  #acknowledged(writeId: number): void {
    const piece = this.#inFlight.get(writeId)
    if (!piece) return
    this.#inFlight.delete(writeId)
    this.#busyBlocks.delete(piece.block)
    if (!piece.isWhole) this.#partsInFlight--
    this.#writtenTo = Math.max(this.#writtenTo, piece.end)
    this.#services.freed(piece.to - piece.from)
    piece.release(this.#services.blocks)
  }

  /** What was sent in vain waits again; bytes that came meanwhile lie over it. */
  #takeBack(): void {
    for (const piece of this.#inFlight.values()) this.#waiting.putBack(piece)
    this.#inFlight.clear()
    this.#busyBlocks.clear()
    this.#partsInFlight = 0
  }
}

function endErrno(status: number): number {
  const known: Record<number, number> = {
    [Status.ENOENT]: errno.EBADF,
    [Status.QUOTA]: errno.EDQUOT,
    [Status.IO]: errno.EIO,
    [Status.EROFS]: errno.EROFS,
  }
  return known[status] ?? errno.ENXIO
}
