// Records that several messages between clients and master share.
import { type Codec, ProtocolError, type Reader, u8, u16, u32, u64n } from './codec.ts'
import { versionNumber } from './constants.ts'

export const V3_0_93 = versionNumber(3, 0, 93)

/** Flags of an attribute record (spec client-master 3.1). */
export const MattrFlag = {
  NOACACHE: 0x01,
  NOECACHE: 0x02,
  ALLOWDATACACHE: 0x04,
  NOXATTR: 0x08,
  DIRECTMODE: 0x10,
  UNDELETABLE: 0x20,
} as const

/** What a client is told about a node. `length` is bytes, or the device number of block and character devices. */
export interface Attributes {
  flags: number
  /** Node type 1..7 (spec client-master 3.2). */
  type: number
  mode: number
  uid: number
  gid: number
  atime: number
  mtime: number
  ctime: number
  nlink: number
  length: number
  winattr: number
}

const isDevice = (type: number) => type === 5 || type === 6

/** 36 bytes between peers from 3.0.93 on, 35 before (spec client-master 3.1). */
export const attributes: Codec<Attributes> = {
  layout: 'ATTR',
  write(out, value) {
    u8.write(out, value.flags)
    u16.write(out, (value.type << 12) | (value.mode & 0xfff))
    for (const field of [value.uid, value.gid, value.atime, value.mtime, value.ctime, value.nlink])
      u32.write(out, field)
    if (isDevice(value.type)) {
      u32.write(out, value.length)
      u32.write(out, 0)
    } else u64n.write(out, value.length)
    if (out.version >= V3_0_93) u8.write(out, value.winattr)
  },
  read(input) {
    const flags = u8.read(input)
    const typeAndMode = u16.read(input)
    const type = typeAndMode >> 12
    const [uid, gid, atime] = [u32.read(input), u32.read(input), u32.read(input)]
    const [mtime, ctime, nlink] = [u32.read(input), u32.read(input), u32.read(input)]
    let length: number
    if (isDevice(type)) {
      length = u32.read(input)
      u32.read(input)
    } else length = u64n.read(input)
    const winattr = input.version >= V3_0_93 ? u8.read(input) : 0
    return { flags, type, mode: typeAndMode & 0xfff, uid, gid, atime, mtime, ctime, nlink, length, winattr }
  },
}

/** Who asks: user and groups, the primary one first. */
export interface Caller {
  uid: number
  gids: number[]
}

/** No group given. */
export const NO_GID = 0xffffffff

/**
 * Who asks, in the long form `uid count gid…` or the short one `uid gid`, told apart by what is left of the message
 * (spec client-master 4.1).
 * @param tailBytes bytes of the fields behind it
 */
export function caller(tailBytes: number): Codec<Caller> {
  return {
    layout: '(uid:32 gid:32 | uid:32 gids:32 N*[32])',
    write(out, { uid, gids }) {
      u32.write(out, uid)
      u32.write(out, gids.length)
      for (const gid of gids) u32.write(out, gid)
    },
    read(input) {
      const uid = u32.read(input)
      const second = u32.read(input)
      if (input.left === tailBytes) return { uid, gids: second === NO_GID ? [] : [second] }
      return { uid, gids: readGids(input, second, tailBytes) }
    },
  }
}

function readGids(input: Reader, count: number, tailBytes: number): number[] {
  if (input.left !== tailBytes + 4 * count)
    throw new ProtocolError(`${count} groups announced, ${input.left} bytes left`)
  const gids: number[] = []
  for (let i = 0; i < count; i++) gids.push(u32.read(input))
  return gids
}

/** Where a copy of a chunk is (spec client-master 5.6). */
export interface CopyLocation {
  /** IPv4 address as a big-endian number. */
  ip: number
  port: number
  /** Version of the chunkserver program. */
  serverVersion: number
  /** Bit 0 is label A. */
  labels: number
}
