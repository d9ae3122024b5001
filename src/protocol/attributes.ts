// Records that several messages between clients and master share.
import { type Codec, ProtocolError, type Reader, u8, u16, u32, u64n, type Writer } from './codec.ts'
import { EXTENDED_VERSION, versionNumber } from './constants.ts'
import { lowSeconds, moreOf, nanosecondsOf, plainSeconds, secondsOf } from './fine-times.ts'

export const V2_0_0 = versionNumber(2, 0, 0)
const V3_0_93 = versionNumber(3, 0, 93)
const V1_7_32 = versionNumber(1, 7, 32)

/** Whether peers of this version know the attributes of Windows. */
export const knowsWinattr = (version: number) => version >= V3_0_93

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
  /** Whole seconds. Peers that are not both ours are told the nearest of 0..2^32-1. */
  atime: number
  mtime: number
  ctime: number
  nlink: number
  length: number
  winattr: number
  /** Nanoseconds of the times; only peers that are both ours tell them. */
  atimeNs?: number
  mtimeNs?: number
  ctimeNs?: number
}

const isDevice = (type: number) => type === 5 || type === 6

/** Types of nodes by number, as old clients know them. */
const TYPE_LETTERS = ' fdlqbcstr'

/** The letter of a type of node. */
export const typeLetter = (type: number) => TYPE_LETTERS.charCodeAt(type)

/** Before 1.7.32 the type came first, as a letter, and the flags shared a field with the mode. */
function writeOldHead(out: Writer, { flags, type, mode }: Attributes): void {
  u8.write(out, typeLetter(type))
  u16.write(out, ((flags & 0xf) << 12) | (mode & 0xfff))
}

/** 36 bytes between peers from 3.0.93 on, 35 before (spec client-master 3.1); 48 between ours. */
export const attributes: Codec<Attributes> = {
  layout: 'ATTR',
  write(out, value) {
    if (out.version < V1_7_32) writeOldHead(out, value)
    else {
      u8.write(out, value.flags)
      u16.write(out, (value.type << 12) | (value.mode & 0xfff))
    }
    const isExtended = out.version === EXTENDED_VERSION
    const shown = isExtended ? lowSeconds : plainSeconds
    const { uid, gid, atime, mtime, ctime, nlink } = value
    for (const field of [uid, gid, shown(atime), shown(mtime), shown(ctime), nlink]) u32.write(out, field)
    if (isDevice(value.type)) {
      u32.write(out, value.length)
      u32.write(out, 0)
    } else u64n.write(out, value.length)
    if (knowsWinattr(out.version)) u8.write(out, value.winattr)
    if (!isExtended) return
    u32.write(out, moreOf(atime, value.atimeNs ?? 0))
    u32.write(out, moreOf(mtime, value.mtimeNs ?? 0))
    u32.write(out, moreOf(ctime, value.ctimeNs ?? 0))
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
    const winattr = knowsWinattr(input.version) ? u8.read(input) : 0
    const mode = typeAndMode & 0xfff
    if (input.version !== EXTENDED_VERSION)
      return { flags, type, mode, uid, gid, atime, mtime, ctime, nlink, length, winattr }
    const [am, mm, cm] = [u32.read(input), u32.read(input), u32.read(input)]
    return {
      ...{ flags, type, mode, uid, gid, nlink, length, winattr },
      ...{ atime: secondsOf(atime, am), mtime: secondsOf(mtime, mm), ctime: secondsOf(ctime, cm) },
      ...{ atimeNs: nanosecondsOf(am), mtimeNs: nanosecondsOf(mm), ctimeNs: nanosecondsOf(cm) },
    }
  },
}

/** Who asks: user and groups, the primary one first. */
export interface Caller {
  uid: number
  gids: number[]
}

/**
 * Who asks, in the long form `uid count gid…` or the short one `uid gid`, told apart by what is left of the message
 * (spec client-master 4.1). Clients before 2.0.0 know the short one only; without a group its gid is 0xFFFFFFFF.
 * @param tailBytes bytes of the fields behind it
 * @param extendedBytes the same between peers that are both ours
 */
export function caller(tailBytes: number, extendedBytes = tailBytes): Codec<Caller> {
  return {
    layout: '(uid:32 gid:32 | uid:32 gids:32 N*[32])',
    write(out, { uid, gids }) {
      u32.write(out, uid)
      if (out.version < V2_0_0) return u32.write(out, gids[0] ?? 0xffffffff)
      u32.write(out, gids.length)
      for (const gid of gids) u32.write(out, gid)
    },
    read(input) {
      const uid = u32.read(input)
      const second = u32.read(input)
      const tail = input.version === EXTENDED_VERSION ? extendedBytes : tailBytes
      if (input.version < V2_0_0 || input.left === tail) return { uid, gids: [second] }
      return { uid, gids: readGids(input, second, tail) }
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
