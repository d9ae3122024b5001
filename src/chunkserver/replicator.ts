// Fetching a copy of a chunk from another chunkserver (spec chunkserver 4.2).
import type { Env } from '../env/env.ts'
import type { Connection } from '../env/net.ts'
import * as cltocs from '../protocol/cltocs.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { MFSBLOCKSINCHUNK, MFSBLOCKSIZE } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { type DataPacket, PieceFrameReader } from '../protocol/piece-frames.ts'
import { Status } from '../protocol/status.ts'
import { formatIpv4 } from '../util/ipv4.ts'
import type { ChunkBuilder } from './disks/chunk-builder.ts'
import { ChunkError } from './disks/chunk-error.ts'
import type { ChunkStore } from './disks/chunk-store.ts'
import type { BlockPiece } from './disks/open-chunk.ts'
import type { Counts } from './statistics.ts'

const STEP_MS = 5000
const MAX_PAYLOAD_BYTES = 20 + MFSBLOCKSIZE
/** Blocks that wait for the disk before the source is asked to pause. */
const WAITING_MAX = 32
const DATA_HEADS = new Map([[cstocl.readData.code, cstocl.readData.headBytes]])

type Packet = { type: number; payload: Buffer } | DataPacket

export class Replicator {
  readonly #env: Env
  readonly #store: ChunkStore
  readonly #counts: Counts

  constructor(env: Env, store: ChunkStore, counts: Counts) {
    this.#env = env
    this.#store = store
    this.#counts = counts
  }

  /** @throws ChunkError with what the master is told */
  async replicate(chunkId: number, version: number, ip: number, port: number): Promise<void> {
    this.#counts.repl++
    try {
      await this.#replicate(chunkId, version, ip, port)
      this.#counts.version++
    } catch (error) {
      this.#counts.delete++
      throw error
    }
  }

  async #replicate(chunkId: number, version: number, ip: number, port: number): Promise<void> {
    const builder = await this.#store.build(chunkId)
    this.#counts.create++
    await builder.during(async () => {
      const source = await this.#connect(chunkId, ip, port)
      try {
        await this.#copy(source, builder, chunkId, version)
      } catch (error) {
        throw error instanceof ProtocolError ? new ChunkError(Status.DISCONNECTED, chunkId) : error
      } finally {
        source.close()
      }
      await builder.keep(version)
    })
  }

  async #connect(chunkId: number, ip: number, port: number): Promise<Source> {
    try {
      return new Source(this.#env, await this.#env.net.connect(formatIpv4(ip), port, { timeoutMs: STEP_MS }), chunkId)
    } catch (cause) {
      // The errno of the network says nothing about our disks.
      throw new ChunkError(Status.CANTCONNECT, chunkId, { cause: String(cause) })
    }
  }

  async #copy(source: Source, builder: ChunkBuilder, chunkId: number, version: number): Promise<void> {
    source.send(cltocs.getChunkBlocks.encode({ chunkId, version }))
    const answer = cstocl.chunkBlocks.decode(await source.payload(cstocl.chunkBlocks.code))
    const { blockCount, status } = answer
    if (status !== Status.OK) throw new ChunkError(status as Status, chunkId)
    if (answer.chunkId !== chunkId) throw new ChunkError(Status.WRONGCHUNKID, chunkId)
    if (answer.version !== version) throw new ChunkError(Status.WRONGVERSION, chunkId)
    if (blockCount > MFSBLOCKSINCHUNK) throw new ChunkError(Status.DISCONNECTED, chunkId)
    if (blockCount === 0) return
    source.send(cltocs.read.encode({ chunkId, version, offset: 0, size: blockCount * MFSBLOCKSIZE }))
    let done = 0
    while (done < blockCount) {
      const pieces = await source.blocks(done)
      await builder.write(pieces)
      done += pieces.length
    }
    const end = cstocl.readStatus.decode(await source.payload(cstocl.readStatus.code))
    if (end.status !== Status.OK) throw new ChunkError(end.status as Status, chunkId)
  }
}

/** The connection to the server that has the chunk. */
class Source {
  readonly #env: Env
  readonly #connection: Connection
  readonly #chunkId: number
  #packets: Packet[] = []
  #wake: (() => void) | undefined
  #over = false

  constructor(env: Env, connection: Connection, chunkId: number) {
    this.#env = env
    this.#connection = connection
    this.#chunkId = chunkId
    const reader = new PieceFrameReader(MAX_PAYLOAD_BYTES, DATA_HEADS, {
      packet: (type, payload) => type !== 0 && this.#arrived({ type, payload }),
      data: packet => this.#arrived(packet),
    })
    connection.handle({
      data: bytes => {
        try {
          reader.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          connection.destroy(error)
        }
      },
      closed: () => {
        this.#over = true
        this.#wake?.()
      },
    })
  }

  send(packet: Buffer): void {
    this.#connection.write(packet)
  }

  close(): void {
    this.#connection.destroy()
  }

  #arrived(packet: Packet): void {
    this.#packets.push(packet)
    if (this.#packets.length >= WAITING_MAX) this.#connection.pause()
    this.#wake?.()
  }

  async #next(): Promise<Packet> {
    if (this.#packets.length === 0 && !this.#over) {
      await new Promise<void>(resolve => {
        const timer = this.#env.clock.after(STEP_MS, resolve)
        this.#wake = () => {
          timer.cancel()
          resolve()
        }
      })
      this.#wake = undefined
    }
    const packet = this.#packets.shift()
    if (!packet) throw new ChunkError(Status.DISCONNECTED, this.#chunkId)
    if (this.#packets.length === 0) this.#connection.resume()
    return packet
  }

  /** The next packet, of this type. */
  async payload(type: number): Promise<Buffer> {
    const packet = await this.#next()
    if (packet.type !== type || !('payload' in packet)) throw new ChunkError(Status.DISCONNECTED, this.#chunkId)
    return packet.payload
  }

  /** The blocks from this one on that are here already, at least one. */
  async blocks(blockIndex: number): Promise<BlockPiece[]> {
    const pieces: BlockPiece[] = []
    do {
      const packet = await this.#next()
      if (!('parts' in packet)) throw this.#early(packet)
      pieces.push(this.#piece(packet, blockIndex + pieces.length))
    } while (this.#packets.length > 0 && 'parts' in (this.#packets[0] as Packet))
    return pieces
  }

  /** The end of the data before all of it came. */
  #early({ type, payload }: { type: number; payload: Buffer }): ChunkError {
    const status = type === cstocl.readStatus.code ? cstocl.readStatus.decode(payload).status : Status.OK
    return new ChunkError((status || Status.DISCONNECTED) as Status, this.#chunkId)
  }

  #piece(packet: DataPacket, blockIndex: number): BlockPiece {
    const head = cstocl.readData.decodeHead(packet)
    const chunkId = this.#chunkId
    if (head.chunkId !== chunkId) throw new ChunkError(Status.WRONGCHUNKID, chunkId)
    if (head.blockIndex !== blockIndex) throw new ChunkError(Status.DISCONNECTED, chunkId)
    if (head.offset !== 0) throw new ChunkError(Status.WRONGOFFSET, chunkId)
    if (head.size !== MFSBLOCKSIZE) throw new ChunkError(Status.WRONGSIZE, chunkId)
    return { blockIndex, offset: 0, size: head.size, crc: head.crc, parts: packet.parts }
  }
}
