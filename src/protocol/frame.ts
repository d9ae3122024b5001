// Cutting a TCP byte stream into packets: type:32 length:32 and `length` bytes of payload.
import { ProtocolError } from './codec.ts'

const HEADER_BYTES = 8

/**
 * Collects the bytes of one connection and calls `onPacket` for every complete packet, in order.
 *
 * A payload that lies whole in the bytes given is a view of them; one that is spread over several is collected in a
 * buffer that grows with the bytes that really arrived, so an announced length costs nothing. A payload belongs to
 * the callee: it is not reused.
 */
export class FrameReader {
  readonly #maxPayloadBytes: number
  readonly #onPacket: (type: number, payload: Buffer) => void
  #pending: Buffer[] = []
  #pendingBytes = 0
  #wantedBytes = HEADER_BYTES

  constructor(maxPayloadBytes: number, onPacket: (type: number, payload: Buffer) => void) {
    this.#maxPayloadBytes = maxPayloadBytes
    this.#onPacket = onPacket
  }

  /** What came after the last complete packet: for whoever reads on. */
  unread(): Buffer {
    return Buffer.concat(this.#pending, this.#pendingBytes)
  }

  /** Takes the next bytes of the stream. @throws ProtocolError when a packet announces more than the limit. */
  push(bytes: Buffer): void {
    let rest = bytes
    if (this.#pendingBytes > 0) {
      this.#pending.push(bytes)
      this.#pendingBytes += bytes.length
      if (this.#pendingBytes < this.#wantedBytes) return
      rest = Buffer.concat(this.#pending, this.#pendingBytes)
      this.#pending = []
      this.#pendingBytes = 0
    }
    let position = 0
    this.#wantedBytes = HEADER_BYTES
    while (rest.length - position >= HEADER_BYTES) {
      const length = rest.readUInt32BE(position + 4)
      if (length > this.#maxPayloadBytes) {
        throw new ProtocolError(`packet of ${length} bytes announced, at most ${this.#maxPayloadBytes} allowed`)
      }
      const end = position + HEADER_BYTES + length
      if (end > rest.length) {
        this.#wantedBytes = HEADER_BYTES + length
        break
      }
      this.#onPacket(rest.readUInt32BE(position), rest.subarray(position + HEADER_BYTES, end))
      position = end
    }
    if (position < rest.length) {
      this.#pending = [rest.subarray(position)]
      this.#pendingBytes = rest.length - position
    }
  }
}
