// Messages that carry bytes of a block. The bytes travel beside the fields, as views: a sender writes the head and the
// bytes one after the other, a forwarder passes on what came, and nobody copies.
import { type Fields, type Message, messageOf, ProtocolError, record, type Shape, u32 } from './codec.ts'
import type { DataPacket } from './piece-frames.ts'

/** What follows the fields that say where the bytes belong. */
const trailer = {
  /** Of exactly the bytes carried (spec chunkserver 1.3). */
  crc: u32,
}

export type WithData<T> = T & { crc: number; data: Buffer }

export interface DataMessage<T> extends Message<WithData<T>> {
  /** The frame up to the bytes, which the caller sends after it: `bytes` of them. */
  encodeHead(body: T & { crc: number }, bytes: number): Buffer
  /** The fields of a packet whose data stayed in pieces. @throws ProtocolError when it announces another size */
  decodeHead(packet: DataPacket): T & { crc: number; size: number }
  /** Payload bytes before the data. */
  readonly headBytes: number
}

/** Declares `fields size:32 crc:32 data[size]`. Decoding refuses a size that is not that of the bytes that came. */
export function dataMessage<F extends Fields>(
  code: number,
  name: string,
  fields: F,
  headBytes: number,
): DataMessage<Shape<F>> {
  const fieldsOnly = record({ ...fields, size: u32, ...trailer })
  const head = messageOf(code, name, fieldsOnly)
  type Head = Parameters<typeof head.encode>[0]
  const whole = messageOf<WithData<Shape<F>>>(code, name, {
    layout: `${head.layout} data[size]`,
    write(out, value) {
      fieldsOnly.write(out, { ...value, size: value.data.length } as Head)
      const at = out.reserve(value.data.length)
      value.data.copy(out.buffer, at)
    },
    read(input) {
      const { size, ...rest } = fieldsOnly.read(input) as Head & { size: number }
      if (size !== input.left) throw new ProtocolError(`data of ${size} bytes announced, ${input.left} there`)
      const from = input.take(size)
      return { ...rest, data: input.buffer.subarray(from, from + size) } as unknown as WithData<Shape<F>>
    },
  })
  function encodeHead(body: Shape<F> & { crc: number }, bytes: number): Buffer {
    const frame = head.encode({ ...body, size: bytes } as Head)
    frame.writeUInt32BE(headBytes + bytes, 4)
    return frame
  }
  function decodeHead(packet: DataPacket): Shape<F> & { crc: number; size: number } {
    const value = head.decode(packet.head.subarray(8)) as unknown as Shape<F> & { crc: number; size: number }
    if (value.size !== packet.bytes) {
      throw new ProtocolError(`${name}: data of ${value.size} bytes announced, ${packet.bytes} there`)
    }
    return value
  }
  return { ...whole, encodeHead, decodeHead, headBytes }
}
