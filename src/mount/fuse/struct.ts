// Structures of the host's byte order and alignment, as the kernel lays them out in memory. One declaration gives
// offsets, size, reader, writer and the TypeScript type. (src/protocol/codec.ts is for the wire, which is big-endian
// and unaligned.) Only little-endian hosts run us: every machine with a Node build today.

/** How one member is laid out. `bytes` is its size and its alignment. */
export interface Member<T> {
  readonly bytes: 2 | 4 | 8
  read(view: Buffer, at: number): T
  write(view: Buffer, at: number, value: T): void
}

export const u16: Member<number> = {
  bytes: 2,
  read: (view, at) => view.readUInt16LE(at),
  write: (view, at, value) => void view.writeUInt16LE(value, at),
}

export const u32: Member<number> = {
  bytes: 4,
  read: (view, at) => view.readUInt32LE(at),
  write: (view, at, value) => void view.writeUInt32LE(value, at),
}

export const i32: Member<number> = {
  bytes: 4,
  read: (view, at) => view.readInt32LE(at),
  write: (view, at, value) => void view.writeInt32LE(value, at),
}

/** All 64 bits: lock owners, ends of lock ranges. */
export const u64: Member<bigint> = {
  bytes: 8,
  read: (view, at) => view.readBigUInt64LE(at),
  write: (view, at, value) => void view.writeBigUInt64LE(value, at),
}

/** 64 bits as a number: exact up to 2^53, which inodes, handles and request numbers never pass; rounded above. */
export const u64n: Member<number> = {
  bytes: 8,
  read: (view, at) => view.readUInt32LE(at) + view.readUInt32LE(at + 4) * 0x100000000,
  write(view, at, value) {
    view.writeUInt32LE(value >>> 0, at)
    view.writeUInt32LE(Math.floor(value / 0x100000000), at + 4)
  },
}

/** A signed 64-bit value as a number: seconds of a time, an offset of -1. Rounded beyond 2^53. */
export const i64n: Member<number> = {
  bytes: 8,
  read: (view, at) => view.readUInt32LE(at) + view.readInt32LE(at + 4) * 0x100000000,
  write(view, at, value) {
    view.writeUInt32LE(value >>> 0, at)
    view.writeInt32LE(Math.floor(value / 0x100000000), at + 4)
  },
}

// biome-ignore lint/suspicious/noExplicitAny: a structure mixes members of every type; Values<M> gives the types back
type Members = Record<string, Member<any> | Struct<any>>
type MemberValue<C> = C extends Member<infer T> ? T : C extends Struct<infer V> ? V : never
type Values<M> = { [K in keyof M]: MemberValue<M[K]> }

/** A structure with the members' values of type V. */
export interface Struct<V> {
  readonly bytes: number
  /** Where each member begins. */
  readonly at: Readonly<Record<keyof V, number>>
  /** Reads the whole structure. The caller has checked that `bytes` are there. */
  read(view: Buffer, at: number): V
  /** Writes the members given; the others, and padding, are zeroed. */
  write(view: Buffer, at: number, values: Partial<V>): void
}

/** Declares a structure: members at their natural alignment, in order, padded to a multiple of `alignment`. */
export function struct<M extends Members>(members: M, alignment: 4 | 8 = 8): Struct<Values<M>> {
  const at: Record<string, number> = {}
  let bytes = 0
  for (const [key, member] of Object.entries(members)) {
    const align = Math.min(8, 'at' in member ? 8 : member.bytes)
    bytes = Math.ceil(bytes / align) * align
    at[key] = bytes
    bytes += member.bytes
  }
  bytes = Math.ceil(bytes / alignment) * alignment
  const entries = Object.entries(members).map(([key, member]) => ({ key, member, offset: at[key] as number }))
  return {
    bytes,
    at: at as Record<keyof M, number>,
    read(view, start) {
      const values: Record<string, unknown> = {}
      for (const { key, member, offset } of entries) values[key] = member.read(view, start + offset)
      return values as Values<M>
    },
    write(view, start, values) {
      view.fill(0, start, start + bytes)
      for (const { key, member, offset } of entries) {
        const value = values[key]
        if (value !== undefined) member.write(view, start + offset, value)
      }
    },
  }
}
