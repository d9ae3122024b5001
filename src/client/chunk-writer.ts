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
import { crc32 } from '../util/crc32.ts'
import type { ChunkLocator, Located } from './chunk-locator.ts'
import type { MasterSession } from './master-session.ts'
import { patientPauseMs, pauseMs, type RetryOptions, reactionTo } from './retry.ts'
import type { ServerConnection, ServerPool } from './server-pool.ts'

const { errno } = constants
/** Statuses that may be outstanding. */
const WINDOW = 48
/** An incomplete block waits this long for its rest. */
const LINGER_MS = 30
/** A chain is ended and begun anew, long before the lease of the chunk ends. */
const CHAIN_MS = 10_000
/** A chain without work is kept this long for more. */
const IDLE_MS = 100
const QUEUED_BYTES_MAX = 2 << 20

/** Bytes that wait to be written: a part of one block. */
interface Piece {
  block: number
  from: number
  to: number
  /** A whole block; `from` to `to` are valid. */
  bytes: Buffer
  sinceMs: number
}

export interface WriteServices {
  env: Env
  master: MasterSession
  locator: ChunkLocator
  pool: ServerPool
  retry: RetryOptions
  /** Resolves when one more chain may be begun; the result ends its turn. */
  turn(): Promise<() => void>
  /** So many bytes wait no more. */
  freed(bytes: number): void
}

export class ChunkWriter {
  readonly #services: WriteServices
  readonly #inode: number
  readonly #index: number
  /** Waiting, by block; a block is here once. */
  readonly #pieces = new Map<number, Piece>()
  /** Sent, not acknowledged by all copies yet; by write id. */
  readonly #inFlight = new Map<number, Piece>()
  /** Blocks that are in flight: a second part of one waits, so that it comes to lie over the first. */
  readonly #busyBlocks = new Set<number>()
  readonly #onIdle: () => void
  readonly #failed: (errno: number) => void
  readonly #written: (located: Located) => void
  #running = false
  #hurry = false
  #wake: (() => void) | undefined
  /** End of what the servers have and the master was not told yet, in the chunk. */
  #writtenTo = 0

  /**
   * @param onIdle everything is written, or was given up
   * @param failed bytes were given up for this reason
   * @param written bytes are with the servers of these copies now, but perhaps not on their disks
   */
  constructor(
    services: WriteServices,
    inode: number,
    index: number,
    onIdle: () => void,
    failed: (errno: number) => void,
    written: (located: Located) => void,
  ) {
    this.#services = services
    this.#inode = inode
    this.#index = index
    this.#onIdle = onIdle
    this.#failed = failed
    this.#written = written
  }

  get isIdle(): boolean {
    return !this.#running
  }

  /** End of the bytes that the master does not know of, in the chunk; 0 when it knows all. */
  get waitingTo(): number {
    let end = this.#writtenTo
    for (const { block, to } of [...this.#pieces.values(), ...this.#early, ...this.#inFlight.values()]) {
      end = Math.max(end, block * MFSBLOCKSIZE + to)
    }
    return end
  }

  /** Whether bytes of this range are not with the servers yet. */
  overlaps(from: number, to: number): boolean {
    const touches = (piece: Piece) => {
      const start = piece.block * MFSBLOCKSIZE
      return start + piece.from < to && start + piece.to > from
    }
    for (const piece of this.#pieces.values()) if (touches(piece)) return true
    return this.#early.some(touches) || [...this.#inFlight.values()].some(touches)
  }

  /** Takes a copy of bytes for `offset` in the chunk. @returns bytes that wait more than before */
  put(offset: number, data: Buffer): number {
    let added = 0
    for (let done = 0; done < data.length; ) {
      const at = offset + done
      const block = Math.floor(at / MFSBLOCKSIZE)
      const from = at % MFSBLOCKSIZE
      const length = Math.min(MFSBLOCKSIZE - from, data.length - done)
      added += this.#putInBlock(block, from, data.subarray(done, done + length))
      done += length
    }
    this.#start()
    return added
  }

  #putInBlock(block: number, from: number, data: Buffer): number {
    const to = from + data.length
    const present = this.#pieces.get(block)
    if (present && from <= present.to && to >= present.from) {
      data.copy(present.bytes, from)
      const before = present.to - present.from
      present.from = Math.min(present.from, from)
      present.to = Math.max(present.to, to)
      return present.to - present.from - before
    }
    if (present) {
      // A gap lies between: the earlier part goes first, on its own.
      this.#early.push(present)
      this.#pieces.delete(block)
    }
    const bytes = Buffer.allocUnsafeSlow(MFSBLOCKSIZE)
    data.copy(bytes, from)
    this.#pieces.set(block, { block, from, to, bytes, sinceMs: this.#services.env.clock.monotonicMs() })
    return data.length
  }

  /** Pieces that must be sent before those of the same block in #pieces. */
  #early: Piece[] = []

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

  get #hasWork(): boolean {
    return this.#pieces.size > 0 || this.#early.length > 0
  }

  async #run(): Promise<void> {
    const { env } = this.#services
    let failures = 0
    let waits = 0
    while (this.#hasWork) {
      const endTurn = await this.#services.turn()
      const outcome = await this.#chain().finally(endTurn)
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
    this.#onIdle()
  }

  #giveUp(reason: number): void {
    let bytes = 0
    for (const piece of [...this.#pieces.values(), ...this.#early]) bytes += piece.to - piece.from
    this.#pieces.clear()
    this.#early = []
    this.#services.freed(bytes)
    this.#failed(reason)
  }

  /** One WRITE_CHUNK, chain and WRITE_CHUNK_END. */
  async #chain(): Promise<
    'done' | { errno: number } | { patient: true } | { count: true; lastErrno: number; progress: boolean }
  > {
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
    this.#writtenTo = 0
    const problem = copies.length > 0 ? await this.#send(chunkId, version, copies) : 'no copy of the chunk is there'
    if (this.#writtenTo > 0) this.#written({ chunkId, version, copies })
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
  async #send(chunkId: number, version: number, copies: CopyLocation[]): Promise<string | undefined> {
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
      while (!late && this.#inFlight.size < WINDOW && server.queuedBytes < QUEUED_BYTES_MAX) {
        const piece = this.#nextPiece()
        if (!piece) break
        this.#inFlight.set(writeId, piece)
        this.#busyBlocks.add(piece.block)
        sendPiece(server, chunkId, writeId++, piece)
      }
      const nothingLeft = this.#inFlight.size === 0 && (late || !this.#hasWork)
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

  /** What can be sent now: not two parts of one block at a time, and incomplete blocks only when nobody adds to them. */
  #nextPiece(): Piece | undefined {
    const busy = this.#busyBlocks
    const early = this.#early.findIndex(({ block }) => !busy.has(block))
    if (early >= 0) return this.#early.splice(early, 1)[0]
    const now = this.#services.env.clock.monotonicMs()
    for (const [block, piece] of this.#pieces) {
      if (busy.has(block) || this.#early.some(other => other.block === block)) continue
      const complete = piece.from === 0 && piece.to === MFSBLOCKSIZE
      if (!complete && !this.#hurry && now - piece.sinceMs < LINGER_MS) continue
      this.#pieces.delete(block)
      return piece
    }
    return undefined
  }

  #acknowledged(writeId: number): void {
    const piece = this.#inFlight.get(writeId)
    if (!piece) return
    this.#inFlight.delete(writeId)
    this.#busyBlocks.delete(piece.block)
    this.#writtenTo = Math.max(this.#writtenTo, piece.block * MFSBLOCKSIZE + piece.to)
    this.#services.freed(piece.to - piece.from)
  }

  /** What was sent in vain waits again; bytes that came meanwhile lie over it. */
  #takeBack(): void {
    this.#early.unshift(...this.#inFlight.values())
    this.#inFlight.clear()
    this.#busyBlocks.clear()
  }
}

function sendPiece(
  server: ServerConnection,
  chunkId: number,
  writeId: number,
  { block, from, to, bytes }: Piece,
): void {
  const data = bytes.subarray(from, to)
  const head = cltocs.writeData.encodeHead(
    { chunkId, writeId, blockIndex: block, offset: from, crc: crc32(data) },
    data.length,
  )
  server.writev([head, data])
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
