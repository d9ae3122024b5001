// Cutting a TCP byte stream into packets, where the data of long packets stays in the pieces in which it came.
import { ProtocolError } from './codec.ts'

const HEADER_BYTES = 8

/** A packet that carries data (see block-data.ts). */
export interface DataPacket {
  readonly type: number
  /** Type, length and the fields before the data. */
  readonly head: Buffer
  readonly parts: readonly Buffer[]
  readonly bytes: number
}

export interface PieceHandlers {
  packet(type: number, payload: Buffer): void
  data(packet: DataPacket): void
}

/**
 * Collects the bytes of one connection. Packets of the types in `dataHeads` (type -> payload bytes before the data)
 * are given with their data as views of what was pushed; all others as one payload.
 */
export class PieceFrameReader {
  readonly #maxPayloadBytes: number
  readonly #dataHeads: ReadonlyMap<number, number>
  readonly #handlers: PieceHandlers
  #pending: Buffer[] = []
  #pendingBytes = 0
  #wantedBytes = HEADER_BYTES
  #data: { head: Buffer; parts: Buffer[]; bytes: number; left: number } | undefined

  constructor(maxPayloadBytes: number, dataHeads: ReadonlyMap<number, number>, handlers: PieceHandlers) {
    this.#maxPayloadBytes = maxPayloadBytes
    this.#dataHeads = dataHeads
    this.#handlers = handlers
  }

  /** Takes the next bytes of the stream. @throws ProtocolError when a packet announces more than the limit */
  push(bytes: Buffer): void {
    let position = 0
    while (position < bytes.length)
      position += this.#data ? this.#takeData(bytes, position) : this.#take(bytes, position)
  }

  #takeData(bytes: Buffer, position: number): number {
    const data = this.#data
    if (!data) return 0
    const part = bytes.subarray(position, position + data.left)
    data.parts.push(part)
    data.left -= part.length
    if (data.left === 0) this.#dataComplete()
    return part.length
  }

  #take(bytes: Buffer, position: number): number {
    const part = bytes.subarray(position, position + this.#wantedBytes - this.#pendingBytes)
    this.#pending.push(part)
    this.#pendingBytes += part.length
    if (this.#pendingBytes === this.#wantedBytes) {
      const whole = this.#pending.length === 1 ? part : Buffer.concat(this.#pending)
      this.#pending = []
      this.#pendingBytes = 0
      this.#complete(whole)
    }
    return part.length
  }

  #complete(whole: Buffer): void {
    const type = whole.readUInt32BE(0)
    const length = whole.readUInt32BE(4)
    const headBytes = this.#dataHeads.get(type)
    const isData = headBytes !== undefined && length >= headBytes
    if (whole.length === HEADER_BYTES && length > 0) {
      if (length > this.#maxPayloadBytes) {
        throw new ProtocolError(`packet of ${length} bytes announced, at most ${this.#maxPayloadBytes} allowed`)
      }
      this.#pending = [whole]
      this.#pendingBytes = HEADER_BYTES
      this.#wantedBytes = HEADER_BYTES + (isData ? headBytes : length)
      return
    }
    this.#wantedBytes = HEADER_BYTES
    if (!isData) return this.#handlers.packet(type, whole.subarray(HEADER_BYTES))
    const bytes = length - headBytes
    this.#data = { head: whole, parts: [], bytes, left: bytes }
    if (bytes === 0) this.#dataComplete()
  }

  #dataComplete(): void {
    const data = this.#data
    this.#data = undefined
    if (data) this.#handlers.data({ type: data.head.readUInt32BE(0), ...data })
  }
}
