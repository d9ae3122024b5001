// The schema language of the wire. A codec is a small value that knows how one field is laid out; a message is a
// numbered, named record of codecs. One declaration gives encoder, decoder, TypeScript type and the layout text.
//
// All integers are unsigned and big-endian (spec client-master 1.1). Layouts that depend on the version of the peer
// read `version` from the reader or writer.

import { SUM_MAX, sumOfHalves } from '../util/sums.ts'
import { EXTENDED_VERSION } from './constants.ts'

/** What a peer sent that no layout allows. The connection it came from is closed; nothing else happens. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** Newest layouts: what is used when the peer's version does not matter. */
export const ANY_VERSION = 0xffffffff

const SLAB_BYTES = 256 * 1024
const REUSED_BYTES_MAX = 4 * 1024 * 1024

/** Appends fields to a slab of memory; a finished frame is a view into the slab, never copied again. */
export class Writer {
  buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  start = 0
  position = 0
  version = ANY_VERSION

  /** Makes room for `bytes` more; what was written of the current frame moves along. Returns the write position. */
  reserve(bytes: number): number {
    const position = this.position
    if (position + bytes > this.buffer.length) return this.#grow(bytes)
    this.position = position + bytes
    return position
  }

  #grow(bytes: number): number {
    const written = this.position - this.start
    const next = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * (written + bytes)))
    this.buffer.copy(next, 0, this.start, this.position)
    this.buffer = next
    this.start = 0
    this.position = written + bytes
    return written
  }

  /** Ends the frame: a view of its bytes, valid until reuse(), which few call. */
  take(): Buffer {
    const frame = this.buffer.subarray(this.start, this.position)
    this.start = this.position
    return frame
  }

  /** For one whose frames are copied at once: gives its memory for the next one, unless that is uncommonly much. */
  reuse(): void {
    if (this.buffer.length > REUSED_BYTES_MAX) this.buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
    this.start = 0
    this.position = 0
  }
}

/** Reads fields off one payload, checking every length against what is really there. */
export class Reader {
  buffer: Buffer
  position = 0
  end: number
  version: number

  constructor(buffer: Buffer, version = ANY_VERSION) {
    this.buffer = buffer
    this.end = buffer.length
    this.version = version
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.end - this.position
  }

  /** Consumes `bytes` and returns where they begin. */
  take(bytes: number): number {
    const position = this.position
    if (bytes > this.end - position) throw new ProtocolError(`${bytes} bytes wanted, ${this.end - position} left`)
    this.position = position + bytes
    return position
  }
}

/** How one field of type T is laid out. */
export interface Codec<T> {
  /** The field in the notation of the protocol documents, without its name: `32`, `NAME`, `32 N*[32]`. */
  readonly layout: string
  write(out: Writer, value: T): void
  read(input: Reader): T
  /** A field that may be missing at the end of a message. */
  readonly optional?: true
}

type Value<C> = C extends Codec<infer T> ? T : never
// biome-ignore lint/suspicious/noExplicitAny: a record may mix codecs of every type; Shape<F> gives the types back
export type Fields = Record<string, Codec<any>>
type OptionalKeys<F> = { [K in keyof F]: undefined extends Value<F[K]> ? K : never }[keyof F]
/** The object that a record of codecs reads and writes. */
export type Shape<F> = { [K in Exclude<keyof F, OptionalKeys<F>>]: Value<F[K]> } & {
  [K in OptionalKeys<F>]?: Value<F[K]>
}

// Byte by byte, without the checks of Buffer's methods: the callers have made sure of the room. Codecs of several
// fields may use them, too, where a call for each field shows in a profile.

export function putU32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

export function getU32(buffer: Buffer, at: number): number {
  const high = (buffer[at] as number) * 0x1000000
  return high + (((buffer[at + 1] as number) << 16) | ((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number))
}

export const u8: Codec<number> = {
  layout: '8',
  write(out, value) {
    const at = out.reserve(1)
    out.buffer[at] = value
  },
  read(input) {
    return input.buffer[input.take(1)] as number
  },
}

export const u16: Codec<number> = {
  layout: '16',
  write(out, value) {
    if ((value & 0xffff) !== value) throw new RangeError(`${value} does not fit 16 bits`)
    const at = out.reserve(2)
    out.buffer[at] = value >>> 8
    out.buffer[at + 1] = value
  },
  read(input) {
    const at = input.take(2)
    return ((input.buffer[at] as number) << 8) | (input.buffer[at + 1] as number)
  },
}

export const u32: Codec<number> = {
  layout: '32',
  write(out, value) {
    if (value >>> 0 !== value) throw new RangeError(`${value} does not fit 32 bits`)
    // Room first: it may put another buffer in place.
    const at = out.reserve(4)
    putU32(out.buffer, at, value)
  },
  read(input) {
    const at = input.take(4)
    return getU32(input.buffer, at)
  },
}

/** A 64-bit value that may use all its bits (chunk ids, metadata ids). */
export const u64: Codec<bigint> = {
  layout: '64',
  write(out, value) {
    const at = out.reserve(8)
    out.buffer.writeBigUInt64BE(value, at)
  },
  read(input) {
    return input.buffer.readBigUInt64BE(input.take(8))
  },
}

/** A 64-bit value that is a length, an offset or a count: at most 2^53-1, else the peer is lying. */
export const u64n: Codec<number> = {
  layout: '64',
  write(out, value) {
    const at = out.reserve(8)
    putU32(out.buffer, at, Math.floor(value / 0x100000000))
    putU32(out.buffer, at + 4, value)
  },
  read(input) {
    const at = input.take(8)
    const high = getU32(input.buffer, at)
    if (high > 0x1fffff) throw new ProtocolError(`64-bit value beyond 2^53: high half ${high}`)
    return high * 0x100000000 + getU32(input.buffer, at + 4)
  },
}

/**
 * A 64-bit sum of lengths, or a limit of one: beyond 2^53 as near to it as a number comes, which is off by less than a
 * part in 10^15. Nothing of a peer's depends on its last digits.
 */
export const sum64: Codec<number> = {
  ...u64n,
  write(out, value) {
    u64n.write(out, Math.min(value, SUM_MAX))
  },
  read(input) {
    const at = input.take(8)
    return sumOfHalves(getU32(input.buffer, at), getU32(input.buffer, at + 4))
  },
}

/** A length that a client asks for: one beyond 2^53-1 is read as Infinity, which is too long for every file. */
export const wishedLength: Codec<number> = {
  ...u64n,
  read(input) {
    const value = u64.read(input)
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value)
  },
}

/** Exactly `count` raw bytes. The reader returns a view into the packet. */
export function bytes(count: number): Codec<Buffer> {
  return {
    layout: `${count}B`,
    write(out, value) {
      if (value.length !== count) throw new RangeError(`${value.length} bytes given for a field of ${count}`)
      const at = out.reserve(count)
      value.copy(out.buffer, at)
    },
    read(input) {
      const at = input.take(count)
      return input.buffer.subarray(at, at + count)
    },
  }
}

/** Text of at most `maxBytes` after its length (`lengthCodec`), held as latin1: one character a byte, exact. */
export function text(lengthCodec: Codec<number>, maxBytes: number): Codec<string> {
  return {
    layout: `${lengthCodec.layout} N*[8]`,
    write(out, value) {
      if (value.length > maxBytes) throw new RangeError(`text of ${value.length} bytes, at most ${maxBytes} allowed`)
      lengthCodec.write(out, value.length)
      const at = out.reserve(value.length)
      out.buffer.write(value, at, 'latin1')
    },
    read(input) {
      const length = lengthCodec.read(input)
      if (length > maxBytes) throw new ProtocolError(`text of ${length} bytes, at most ${maxBytes} allowed`)
      const at = input.take(length)
      return input.buffer.toString('latin1', at, at + length)
    },
  }
}

/** A file name: length:8 and 0..255 bytes as latin1. Emptiness, NUL and slash are the receiver's to judge. */
export const name: Codec<string> = { ...text(u8, 255), layout: 'NAME' }

/** Raw bytes after their length. The reader returns a view into the packet. */
export function blob(lengthCodec: Codec<number>, maxBytes: number): Codec<Buffer> {
  return {
    layout: `${lengthCodec.layout} N*[8]`,
    write(out, value) {
      if (value.length > maxBytes) throw new RangeError(`blob of ${value.length} bytes, at most ${maxBytes} allowed`)
      lengthCodec.write(out, value.length)
      const at = out.reserve(value.length)
      value.copy(out.buffer, at)
    },
    read(input) {
      const length = lengthCodec.read(input)
      if (length > maxBytes) throw new ProtocolError(`blob of ${length} bytes, at most ${maxBytes} allowed`)
      const at = input.take(length)
      return input.buffer.subarray(at, at + length)
    },
  }
}

/** Everything up to the end of the message, as a view into the packet. */
export const rest: Codec<Buffer> = {
  layout: 'N*[8]',
  write(out, value) {
    const at = out.reserve(value.length)
    value.copy(out.buffer, at)
  },
  read(input) {
    const at = input.take(input.left)
    return input.buffer.subarray(at, input.end)
  },
}

/** Items after their count. A count that cannot fit in what is left of the message is refused before it is believed. */
export function list<T>(countCodec: Codec<number>, item: Codec<T>): Codec<T[]> {
  return {
    layout: `${countCodec.layout} N*[${item.layout}]`,
    write(out, values) {
      countCodec.write(out, values.length)
      for (const value of values) item.write(out, value)
    },
    read(input) {
      const count = countCodec.read(input)
      if (count > input.left) throw new ProtocolError(`${count} items announced, ${input.left} bytes left`)
      const values: T[] = []
      for (let i = 0; i < count; i++) values.push(item.read(input))
      return values
    },
  }
}

/** Items up to the end of the message. */
export function many<T>(item: Codec<T>): Codec<T[]> {
  return {
    layout: `N*[${item.layout}]`,
    write(out, values) {
      for (const value of values) item.write(out, value)
    },
    read(input) {
      const values: T[] = []
      while (input.left > 0) {
        const before = input.left
        values.push(item.read(input))
        if (input.left === before) throw new ProtocolError('item of no bytes')
      }
      return values
    },
  }
}

/** A record of fields, in order. */
export function record<F extends Fields>(fields: F): Codec<Shape<F>> {
  const layout = Object.entries(fields).map(([key, codec]) => `${key}:${codec.layout}`)
  return { layout: layout.join(' '), ...compiled<Shape<F>>(fields) }
}

type WriteAndRead<T> = Pick<Codec<T>, 'write' | 'read'>

/**
 * Straight-line code for the fields of a record: two to three times as fast as a loop over them (bench/codecs.ts),
 * because every call has one target and every object one shape. The text comes from declarations of this program only.
 */
function compiled<T>(fields: Fields): WriteAndRead<T> {
  const keys = Object.keys(fields)
  const strange = keys.find(key => !/^[A-Za-z_]\w*$/.test(key))
  if (strange !== undefined) throw new Error(`a field can't be called '${strange}'`)
  const writes = keys.map((key, i) => `  codec${i}.write(out, value.${key})`)
  const reads = keys.map((key, i) => `    ${key}: codec${i}.read(input),`)
  const code = [
    `const [${keys.map((_, i) => `codec${i}`).join(', ')}] = codecs`,
    `function write(out, value) {\n${writes.join('\n')}\n}`,
    `function read(input) {\n  return {\n${reads.join('\n')}\n  }\n}`,
    'return { write, read }',
  ]
  return new Function('codecs', code.join('\n'))(Object.values(fields))
}

/** Present only between peers of at least `version`; undefined (and no bytes) for older ones. */
export function since<T>(version: number, codec: Codec<T>): Codec<T | undefined> {
  return {
    layout: `[${codec.layout}]`,
    write(out, value) {
      if (out.version >= version) codec.write(out, value as T)
    },
    read(input) {
      return input.version >= version ? codec.read(input) : undefined
    },
  }
}

/** Present only between peers that are both ours (EXTENDED_VERSION); undefined, and no bytes, for others. */
export function extended<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    layout: `[${codec.layout}]`,
    write(out, value) {
      if (out.version === EXTENDED_VERSION) codec.write(out, value as T)
    },
    read(input) {
      return input.version === EXTENDED_VERSION ? codec.read(input) : undefined
    },
  }
}

/** Trailing field: present when any byte is left in the message. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    layout: `[${codec.layout}]`,
    optional: true,
    write(out, value) {
      if (value !== undefined) codec.write(out, value)
    },
    read(input) {
      return input.left > 0 ? codec.read(input) : undefined
    },
  }
}

/** A numbered, named message. */
export interface Message<T> {
  readonly code: number
  readonly name: string
  readonly layout: string
  /** The whole frame: type, length, body. `version` is the peer's. */
  encode(body: T, version?: number): Buffer
  /** @throws ProtocolError when the payload is shorter or longer than its layout. Views point into `payload`. */
  decode(payload: Buffer, version?: number): T
}

/** The body type of a message. */
export type Body<M> = M extends Message<infer T> ? T : never

const writer = new Writer()

/** Declares a message. `code` and `name` are those of the specification. */
export function message<F extends Fields>(code: number, name: string, fields: F): Message<Shape<F>> {
  return messageOf(code, name, record(fields))
}

/** Declares a message whose body is not a plain record. */
export function messageOf<T>(code: number, name: string, body: Codec<T>): Message<T> {
  return {
    code,
    name,
    layout: body.layout,
    encode(value, version = ANY_VERSION) {
      writer.start = writer.position
      writer.version = version
      writer.reserve(8)
      body.write(writer, value)
      const { buffer, start, position } = writer
      buffer.writeUInt32BE(code, start)
      buffer.writeUInt32BE(position - start - 8, start + 4)
      return writer.take()
    },
    decode(payload, version = ANY_VERSION) {
      const input = new Reader(payload, version)
      try {
        const value = body.read(input)
        if (input.left !== 0) throw new ProtocolError(`${input.left} bytes too many`)
        return value
      } catch (error) {
        if (error instanceof ProtocolError) throw new ProtocolError(`${name}: ${error.message}`, { cause: error })
        throw error
      }
    },
  }
}

/** An answer: five bytes `msgid status`, or `msgid` and the data (spec client-master 1.4). */
export type StatusOr<T> = { msgid: number; status: number } | ({ msgid: number; status?: undefined } & T)

/** The body of an answer that is a bare status when it has exactly one byte after the msgid. */
export function statusOr<F extends Fields>(fields: F): Codec<StatusOr<Shape<F>>> {
  const data = record(fields)
  return {
    layout: `msgid:32 (status:8 | ${data.layout})`,
    write(out, value) {
      u32.write(out, value.msgid)
      if (value.status !== undefined) u8.write(out, value.status)
      else data.write(out, value as Shape<F>)
    },
    read(input) {
      const msgid = u32.read(input)
      if (input.left === 1) return { msgid, status: u8.read(input) }
      return { msgid, ...data.read(input) }
    },
  }
}
