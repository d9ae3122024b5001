// The port for clients and other chunkservers (spec chunkserver 3).
import type { Env, Timer } from '../../env/env.ts'
import { type Connection, isEndOfPeer, type Listener } from '../../env/net.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import { ProtocolError } from '../../protocol/codec.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import { type DataPacket, PieceFrameReader } from '../../protocol/piece-frames.ts'
import { Status } from '../../protocol/status.ts'
import { BufferPool } from '../../util/buffer-pool.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import { answerQuery } from '../chunk-queries.ts'
import type { ChunkStore } from '../disks/chunk-store.ts'
import type { Jobs } from '../jobs.ts'
import type { Counts } from '../statistics.ts'
import { type BlockWrite, decodeBlockWrite, writeBlock } from './block-write.ts'
import { ConnectionPool } from './connection-pool.ts'
import { ReadJob } from './read-job.ts'
import { type WriteHost, WriteSession } from './write-session.ts'

const MAX_PAYLOAD_BYTES = 100_000
const NOP_EVERY_MS = 5000 / 3
const SILENCE_MS = 5000
/** A client that takes nothing for so long is gone: not one group of blocks. */
const STUCK_MS = 30_000
const TICK_MS = 500
const READ_GROUP_BYTES = 8 * 65536
const READ_BUFFERS_KEPT = 32
const QUERIES_MAX = 64
const NOP = Buffer.alloc(8)
const DATA_HEADS = new Map([cltocs.writeData, cltocs.writeBlock].map(({ code, headBytes }) => [code, headBytes]))

/** Questions about the server itself: an answer, or undefined for a message that is none of these. */
export type ServerQueries = (type: number, payload: Buffer) => Buffer | undefined

export interface ClientServices {
  readonly env: Env
  readonly store: ChunkStore
  readonly jobs: Jobs
  readonly queries: ServerQueries
  readonly counts: Counts
  /** A client at this address closed its connection in the middle of a write. */
  readonly onCutShort: (chunkId: number, ip: number) => void
  readonly onFatal: (error: Error) => void
}

export class ClientPort {
  readonly services: ClientServices
  readonly pool: ConnectionPool
  readonly buffers = new BufferPool(READ_GROUP_BYTES, READ_BUFFERS_KEPT)
  readonly #links = new Set<ClientLink>()
  #listener: Listener | undefined
  #timer: Timer | undefined

  constructor(services: ClientServices) {
    this.services = services
    this.pool = new ConnectionPool(services.env)
  }

  async listen(host: string, port: number): Promise<void> {
    const { env } = this.services
    this.#listener = await env.net.listen(host, port, connection => {
      this.#links.add(new ClientLink(this, connection, link => this.#links.delete(link)))
    })
    this.#timer ??= env.clock.every(TICK_MS, () => {
      this.pool.tick()
      for (const link of this.#links) link.tick()
    })
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  /** Serves at another address from now on. */
  async move(host: string, port: number): Promise<void> {
    const before = this.#listener
    await this.listen(host, port)
    await before?.close()
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    for (const link of this.#links) link.destroy()
    this.pool.close()
    await this.#listener?.close()
  }
}

/** One connection of a client: idle, in a read or in a write. */
class ClientLink implements WriteHost {
  readonly connection: Connection
  readonly #port: ClientPort
  #read: ReadJob | undefined
  #write: WriteSession | undefined
  #heardMs: number
  #saidMs: number
  #queries = 0
  /** Chunks of which single blocks are being written. */
  readonly #blockWrites = new Set<BlockWrite>()
  /** Bytes in the way out when last looked, and since when they are. */
  #stuck = { bytes: 0, sinceMs: 0 }
  #usesNops = false
  #over = false

  constructor(port: ClientPort, connection: Connection, onClosed: (link: ClientLink) => void) {
    this.#port = port
    this.connection = connection
    this.#heardMs = this.#saidMs = this.#nowMs()
    const frames = new PieceFrameReader(MAX_PAYLOAD_BYTES, DATA_HEADS, {
      packet: (type, payload) => this.#onPacket(type, payload),
      data: packet => this.#onData(packet),
    })
    connection.handle({
      data: bytes => {
        this.#heardMs = this.#nowMs()
        if (this.#over) return
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          this.#log(error.message)
          connection.destroy()
        }
      },
      closed: error => {
        if (!this.#over && isEndOfPeer(error)) this.#tellCutShort()
        this.#over = true
        this.#read?.cancel()
        this.#write?.onClosed()
        if (this.#write) this.#endJob()
        onClosed(this)
      },
    })
  }

  #tellCutShort(): void {
    const ip = parseIpv4(this.connection.remoteAddress) ?? 0
    for (const write of [this.#write, ...this.#blockWrites]) {
      if (write) this.#port.services.onCutShort(write.chunkId, ip)
    }
  }

  #nowMs(): number {
    return this.#port.services.env.clock.monotonicMs()
  }

  #log(message: string): void {
    const { remoteAddress, remotePort } = this.connection
    this.#port.services.env.log.info(`client ${remoteAddress}:${remotePort}: ${message}: connection closed`)
  }

  send(packet: Buffer): void {
    this.#saidMs = this.#nowMs()
    this.connection.write(packet)
  }

  written(): void {
    this.#port.services.counts.hlopw++
  }

  finished(): void {
    this.#endJob()
    this.#heardMs = this.#nowMs()
  }

  end(): void {
    this.#endJob()
    this.#over = true
    this.connection.end()
  }

  destroy(): void {
    this.connection.destroy()
  }

  #endJob(): void {
    this.#write = undefined
    this.#port.services.jobs.end()
  }

  tick(): void {
    const nowMs = this.#nowMs()
    const { queuedBytes } = this.connection
    if (queuedBytes === 0 || queuedBytes !== this.#stuck.bytes) this.#stuck = { bytes: queuedBytes, sinceMs: nowMs }
    else if (nowMs - this.#stuck.sinceMs > STUCK_MS) return this.connection.destroy(new Error('it takes nothing'))
    if (this.#over && nowMs - this.#heardMs > SILENCE_MS) return this.connection.destroy()
    if (this.#write || this.#over) return
    if (this.#read) {
      // The client hears that the disk is slow, not dead.
      if (this.#usesNops && queuedBytes === 0 && nowMs - this.#saidMs >= 1000) this.send(NOP)
      return
    }
    if (nowMs - this.#heardMs > SILENCE_MS) return this.connection.end()
    if (queuedBytes === 0 && nowMs - this.#saidMs >= NOP_EVERY_MS) this.send(NOP)
  }

  #onData(packet: DataPacket): void {
    if (packet.type === cltocs.writeBlock.code) return this.#onWriteBlock(packet)
    if (this.#write) return this.#write.onData(packet)
    // What was on its way when a write failed.
    this.#over = true
    this.connection.end()
  }

  #onPacket(type: number, payload: Buffer): void {
    if (this.#over) return
    if (this.#write) {
      if (type === 0) this.#write.onNop()
      else if (type === cltocs.writeFinish.code) this.#write.onFinish(payload)
      return
    }
    if (type <= 2) return
    if (this.#read) throw new ProtocolError(`message ${type} during a read`)
    this.#onRequest(type, payload)
  }

  #onRequest(type: number, payload: Buffer): void {
    const { queries } = this.#port.services
    switch (type) {
      case cltocs.read.code:
        return this.#onRead(payload)
      case cltocs.write.code:
        return this.#onWrite(payload)
      case cltocs.writeData.code:
      case cltocs.writeFinish.code:
        this.#over = true
        return this.connection.end()
      case cltocs.getChunkBlocks.code:
      case cltocs.getChunkChecksum.code:
      case cltocs.getChunkChecksumTab.code:
      case cltocs.getChunkTested.code:
      case cltocs.syncChunk.code:
        return this.#onQuery(type, payload)
      default: {
        const answer = queries(type, payload)
        if (!answer) throw new ProtocolError(`unknown message ${type}`)
        this.send(answer)
      }
    }
  }

  #onQuery(type: number, payload: Buffer): void {
    if (++this.#queries > QUERIES_MAX) throw new ProtocolError('too many questions at a time')
    answerQuery(this.#port.services.store, type, payload).then(
      answer => {
        this.#queries--
        this.send(answer)
      },
      error => this.#port.services.onFatal(error),
    )
  }

  #onWriteBlock(packet: DataPacket): void {
    if (this.#over) return
    if (this.#write || this.#read) throw new ProtocolError('a block to write during a read or a write')
    if (++this.#queries > QUERIES_MAX) throw new ProtocolError('too many questions at a time')
    const { store, jobs, counts, onFatal } = this.#port.services
    const write = decodeBlockWrite(packet)
    if (!jobs.begin()) {
      this.#queries--
      return this.send(cstocl.writeStatus.encode({ chunkId: write.chunkId, writeId: 0, status: Status.NOTDONE }))
    }
    this.#blockWrites.add(write)
    const written = (status: Status) => {
      this.#blockWrites.delete(write)
      if (status === Status.OK) counts.hlopw++
    }
    writeBlock(store, write, answer => this.send(answer), written)
      .catch(onFatal)
      .finally(() => {
        this.#queries--
        jobs.end()
      })
  }

  #onRead(payload: Buffer): void {
    const request = cltocs.read.decode(payload)
    const { chunkId } = request
    const { store, jobs, counts, onFatal } = this.#port.services
    if (!jobs.begin()) return this.send(cstocl.readStatus.encode({ chunkId, status: Status.NOTDONE }))
    this.#usesNops = request.protocol !== undefined
    this.#saidMs = this.#nowMs()
    const read = new ReadJob(store, this.#port.buffers, this.connection, request)
    // What waits to go out is bounded: one answer, and then what run() holds back.
    if (this.connection.queuedBytes === 0 && read.runNow()) {
      counts.hlopr++
      this.#saidMs = this.#nowMs()
      return jobs.end()
    }
    this.#read = read
    read
      .run()
      .then(status => {
        this.#read = undefined
        this.#heardMs = this.#nowMs()
        if (status === undefined || status === Status.OK) counts.hlopr++
        if (status !== undefined) this.send(cstocl.readStatus.encode({ chunkId, status }))
      }, onFatal)
      .finally(() => jobs.end())
  }

  #onWrite(payload: Buffer): void {
    const request = cltocs.write.decode(payload)
    const { env, store, jobs, onFatal } = this.#port.services
    if (!jobs.begin()) {
      return this.send(cstocl.writeStatus.encode({ chunkId: request.chunkId, writeId: 0, status: Status.NOTDONE }))
    }
    this.#write = new WriteSession(env, store, this.#port.pool, this, request)
    this.#write.faults.catch(onFatal)
  }
}
