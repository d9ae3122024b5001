// One CLTOCS_WRITE up to its WRITE_FINISH: data to the disk and down the chain (spec chunkserver 3.3).
//
//   client -> this server -> next server -> …
//
// A packet goes on to the next server as it came, then to the disk. A write is acknowledged when the disk has it and
// the next server acknowledged it; acknowledgements go up in the order of the writes. What waits for the disk or for
// the next server is bounded: beyond that the client's connection is not read.
import type { Env, Timer } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import { ProtocolError } from '../../protocol/codec.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import { FrameReader } from '../../protocol/frame.ts'
import type { DataPacket } from '../../protocol/piece-frames.ts'
import { Status } from '../../protocol/status.ts'
import { ChunkError } from '../disks/chunk-error.ts'
import type { ChunkStore } from '../disks/chunk-store.ts'
import type { BlockPiece, OpenChunk } from '../disks/open-chunk.ts'
import type { Address, ConnectionPool } from './connection-pool.ts'

const WAITING_BYTES_MAX = 4 << 20
const SILENCE_MS = 5000
const ECHO_MS = 500
const ANSWER_BYTES_MAX = 1000
/** Writes that go to the disk together. */
const BATCH_MAX = 64
const NOP = Buffer.alloc(8)

interface PendingWrite {
  readonly writeId: number
  readonly piece: BlockPiece
  disk: 'waiting' | 'writing' | Status
  next: 'waiting' | 'done'
}

export type WriteRequest = ReturnType<typeof cltocs.write.decode>

/** What a session asks of the connection that it serves. */
export interface WriteHost {
  readonly connection: Connection
  send(packet: Buffer): void
  /** All that was to be written is on the disk. */
  written(): void
  /** The session is over and the connection serves other requests again. */
  finished(): void
  /** Sends what is queued and closes the connection. */
  end(): void
}

export class WriteSession {
  readonly #env: Env
  readonly #store: ChunkStore
  readonly #pool: ConnectionPool
  readonly #host: WriteHost
  readonly #request: WriteRequest
  readonly #nextAddress: Address | undefined
  /** Writes that were not acknowledged yet, oldest first. */
  readonly #writes: PendingWrite[] = []
  #open: OpenChunk | undefined
  #next: Connection | undefined
  /** What came before the next server was there. */
  #early: Buffer[] = []
  #waitingBytes = 0
  #writing = false
  #ready = false
  #over = false
  #finishing = false
  #paused = false
  #heardMs: number
  #echoMs = Number.NEGATIVE_INFINITY
  #silence: Timer
  readonly #begun: Promise<void>

  constructor(env: Env, store: ChunkStore, pool: ConnectionPool, host: WriteHost, request: WriteRequest) {
    this.#env = env
    this.#store = store
    this.#pool = pool
    this.#host = host
    this.#request = request
    this.#nextAddress = request.chain[0]
    this.#heardMs = env.clock.monotonicMs()
    this.#silence = env.clock.every(1000, () => this.#checkSilence())
    this.#begun = this.#begin()
  }

  /** Rejects only for a fault of our own. */
  get faults(): Promise<void> {
    return this.#begun
  }

  get chunkId(): number {
    return this.#request.chunkId
  }

  async #begin(): Promise<void> {
    const { chunkId, version } = this.#request
    try {
      this.#open = await this.#store.open(chunkId, version)
      if (this.#nextAddress) await this.#connect(this.#nextAddress)
    } catch (error) {
      if (!(error instanceof ChunkError)) throw error
      if (!this.#over) this.#refuse(error.status)
      return this.#release()
    }
    if (this.#over) return this.#release()
    this.#ready = true
    if (!this.#nextAddress) this.#answer(0, Status.OK)
    this.#pump()
    this.#pressure()
    this.#finish()
  }

  async #connect(address: Address): Promise<void> {
    const { chunkId, version, chain, protocol } = this.#request
    let next: Connection
    try {
      next = await this.#pool.take(address, () => !this.#over)
    } catch (cause) {
      throw new ChunkError(Status.CANTCONNECT, chunkId, { cause })
    }
    if (this.#over) return next.destroy()
    this.#next = next
    const frames = new FrameReader(ANSWER_BYTES_MAX, (type, payload) => this.#onAnswer(type, payload))
    next.handle({
      data: bytes => {
        try {
          if (this.#next === next) frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          this.#fail(0, Status.DISCONNECTED)
        }
      },
      drain: () => this.#pressure(),
      closed: () => {
        if (this.#next === next) this.#fail(0, Status.DISCONNECTED)
      },
    })
    const rest = { chunkId, version, chain: chain.slice(1) }
    next.write(cltocs.write.encode(protocol === undefined ? rest : { protocol, ...rest }))
    next.writev(this.#early)
    this.#early = []
  }

  /** Ends the session with an error that says all; the connection serves on. */
  #refuse(status: Status, writeId = 0): void {
    this.#answer(writeId, status)
    this.#close()
    this.#host.finished()
  }

  #answer(writeId: number, status: Status): void {
    this.#host.send(cstocl.writeStatus.encode({ chunkId: this.#request.chunkId, writeId, status }))
  }

  /** Bytes for the next server, as they came. */
  #forward(parts: readonly Buffer[]): void {
    if (!this.#nextAddress) return
    if (this.#next) this.#next.writev(parts)
    else this.#early.push(...parts)
  }

  onData(packet: DataPacket): void {
    if (this.#over) return
    this.#heardMs = this.#env.clock.monotonicMs()
    const { chunkId, writeId, blockIndex, offset, size, crc } = cltocs.writeData.decodeHead(packet)
    if (chunkId !== this.#request.chunkId) return this.#wrongChunk(writeId)
    this.#forward([packet.head, ...packet.parts])
    const piece = { blockIndex, offset, size, crc, parts: packet.parts }
    this.#writes.push({ writeId, piece, disk: 'waiting', next: this.#nextAddress ? 'waiting' : 'done' })
    this.#waitingBytes += size
    this.#pump()
    this.#pressure()
  }

  #wrongChunk(writeId: number): void {
    if (this.#nextAddress) return this.#fail(0, Status.WRONGCHUNKID)
    this.#refuse(Status.WRONGCHUNKID, writeId)
  }

  onNop(): void {
    const nowMs = this.#env.clock.monotonicMs()
    this.#heardMs = nowMs
    this.#forward([NOP])
    if (nowMs - this.#echoMs < ECHO_MS) return
    this.#echoMs = nowMs
    this.#host.send(NOP)
  }

  onFinish(payload: Buffer): void {
    const { chunkId, version } = cltocs.writeFinish.decode(payload)
    if (chunkId !== this.#request.chunkId || version !== this.#request.version) {
      return this.#wrongChunk(this.#nextAddress ? 0 : (this.#writes.at(-1)?.writeId ?? 0))
    }
    this.#forward([cltocs.writeFinish.encode({ chunkId, version })])
    this.#finishing = true
    this.#finish()
  }

  /** After WRITE_FINISH, once the disk has everything. */
  #finish(): void {
    if (!this.#finishing || !this.#ready || this.#over) return
    if (this.#writes.some(({ disk }) => disk === 'waiting' || disk === 'writing')) return
    const reusable = this.#writes.length === 0 && this.#request.protocol !== undefined
    const next = this.#next
    this.#next = undefined
    this.#close()
    this.#host.written()
    if (next && this.#nextAddress) {
      if (reusable) this.#pool.give(this.#nextAddress, next)
      else next.end()
    }
    this.#host.finished()
  }

  /** The client is gone. */
  onClosed(): void {
    this.#close()
  }

  #onAnswer(type: number, payload: Buffer): void {
    if (type === 0) return
    if (type !== cstocl.writeStatus.code) throw new ProtocolError(`message ${type} in answer to a write`)
    const { chunkId, writeId, status } = cstocl.writeStatus.decode(payload)
    if (status !== Status.OK) return this.#fail(writeId, status as Status)
    if (writeId === 0) return this.#answer(0, Status.OK)
    const oldest = this.#writes.find(({ next }) => next === 'waiting')
    if (chunkId !== this.#request.chunkId || oldest?.writeId !== writeId) {
      throw new ProtocolError('an answer to a write that was not the oldest')
    }
    oldest.next = 'done'
    this.#acknowledge()
  }

  /** The chain is broken: both neighbours see their connections end. */
  #fail(writeId: number, status: Status): void {
    if (this.#over) return
    this.#answer(writeId, status)
    this.#close()
    this.#host.end()
  }

  #pump(): void {
    if (this.#writing || !this.#ready || this.#over || !this.#open) return
    const first = this.#writes.findIndex(({ disk }) => disk === 'waiting')
    if (first < 0) return
    const batch = this.#writes.slice(first, first + BATCH_MAX)
    this.#writing = true
    void this.#writeBatch(this.#open, batch)
  }

  async #writeBatch(open: OpenChunk, batch: PendingWrite[]): Promise<void> {
    for (const write of batch) write.disk = 'writing'
    const pieces = batch.map(({ piece }) => piece)
    const { done, error } = await this.#store.write(open, this.#request.version, pieces)
    this.#writing = false
    batch.forEach((write, i) => {
      this.#waitingBytes -= write.piece.size
      write.disk = i < done ? Status.OK : (error?.status ?? Status.IO)
    })
    if (this.#over) return this.#release()
    this.#acknowledge()
    this.#pump()
    this.#pressure()
    this.#finish()
  }

  /** Tells the client of all that is done, in order, in one message; a failure ends the session. */
  #acknowledge(): void {
    const packets: Buffer[] = []
    const { chunkId } = this.#request
    let failed: PendingWrite | undefined
    for (;;) {
      const head = this.#writes[0]
      if (!head || typeof head.disk === 'string') break
      if (head.disk !== Status.OK) {
        failed = head
        break
      }
      if (head.next === 'waiting') break
      packets.push(cstocl.writeStatus.encode({ chunkId, writeId: head.writeId, status: Status.OK }))
      this.#writes.shift()
    }
    if (packets.length > 0) this.#host.send(packets.length === 1 ? (packets[0] as Buffer) : Buffer.concat(packets))
    if (failed && typeof failed.disk === 'number') {
      if (this.#nextAddress) this.#fail(failed.writeId, failed.disk)
      else this.#refuse(failed.disk, failed.writeId)
    }
  }

  /** Reads from the client only while there is room for what comes. */
  #pressure(): void {
    if (this.#over) return
    const waiting = this.#waitingBytes + (this.#next?.queuedBytes ?? 0)
    const full = waiting > WAITING_BYTES_MAX || (!this.#ready && waiting > 0)
    if (full === this.#paused) return
    this.#paused = full
    if (full) this.#host.connection.pause()
    else {
      this.#heardMs = this.#env.clock.monotonicMs()
      this.#host.connection.resume()
    }
  }

  #checkSilence(): void {
    if (this.#over) return
    // A client whose NOPs are not read must hear that the disk is slow, not dead.
    if (this.#paused && this.#request.protocol !== undefined) this.#host.send(NOP)
    this.#pressure()
    if (this.#paused || !this.#ready) return
    if (this.#env.clock.monotonicMs() - this.#heardMs > SILENCE_MS) {
      this.#close()
      this.#host.end()
    }
  }

  #close(): void {
    if (this.#over) return
    this.#over = true
    this.#silence.cancel()
    if (this.#paused) this.#host.connection.resume()
    this.#next?.destroy()
    this.#next = undefined
    if (!this.#writing && this.#ready) this.#release()
  }

  #release(): void {
    const open = this.#open
    this.#open = undefined
    if (open) this.#store.done(open)
  }
}
