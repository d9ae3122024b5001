// Records that several messages between clients and master share.
import { type Codec, getU32, ProtocolError, putU32, type Reader, u32 } from './codec.ts'
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
  /** Chunks of a file, holes not counted; only peers that are both ours tell. */
  chunks?: number | undefined
}

const isDevice = (type: number) => type === 5 || type === 6

/** Types of nodes by number, as old clients know them. */
const TYPE_LETTERS = ' fdlqbcstr'

/** The letter of a type of node. */
export const typeLetter = (type: number) => TYPE_LETTERS.charCodeAt(type)

/** Before 1.7.32 the type came first, as a letter, and the flags shared a field with the mode. */
export const isOldRecord = (version: number) => version < V1_7_32

function putHead(buffer: Buffer, at: number, { flags, type, mode }: Attributes, version: number): void {
  const isOld = isOldRecord(version)
  const field = isOld ? ((flags & 0xf) << 12) | (mode & 0xfff) : (type << 12) | (mode & 0xfff)
  buffer[at] = isOld ? typeLetter(type) : flags
  buffer[at + 1] = field >>> 8
  buffer[at + 2] = field
}

/** Where fields of a record begin; the last three are only told to some peers. */
export const RecordAt = { TYPE_AND_MODE: 1, UID: 3, LENGTH: 27, WINATTR: 35, FINE_TIMES: 36, CHUNKS: 48 } as const
/** Of peers that are both ours. */
export const RECORD_BYTES_MAX = 52

/** Bytes of a record: 36 between peers from 3.0.93 on, 35 before (spec client-master 3.1); 52 between ours. */
export function attributesBytes(version: number): number {
  if (version === EXTENDED_VERSION) return RECORD_BYTES_MAX
  return knowsWinattr(version) ? RecordAt.FINE_TIMES : RecordAt.WINATTR
}

// Field by field this took a third of a listing's time: so the offsets are counted here.

export const attributes: Codec<Attributes> = {
  layout: 'ATTR',
  write(out, value) {
    const { version } = out
    const bytes = attributesBytes(version)
    const isExtended = version === EXTENDED_VERSION
    const shown = isExtended ? lowSeconds : plainSeconds
    // Room first: it may put another buffer in place.
    const at = out.reserve(bytes)
    const { buffer } = out
    putHead(buffer, at, value, version)
    putU32(buffer, at + RecordAt.UID, value.uid)
    putU32(buffer, at + 7, value.gid)
    putU32(buffer, at + 11, shown(value.atime))
    putU32(buffer, at + 15, shown(value.mtime))
    putU32(buffer, at + 19, shown(value.ctime))
    putU32(buffer, at + 23, value.nlink)
    const wide = !isDevice(value.type)
    putU32(buffer, at + RecordAt.LENGTH, wide ? Math.floor(value.length / 0x100000000) : value.length)
    putU32(buffer, at + RecordAt.LENGTH + 4, wide ? value.length : 0)
    if (bytes > RecordAt.WINATTR) buffer[at + RecordAt.WINATTR] = value.winattr
    if (!isExtended) return
    putU32(buffer, at + RecordAt.FINE_TIMES, moreOf(value.atime, value.atimeNs ?? 0))
    putU32(buffer, at + RecordAt.FINE_TIMES + 4, moreOf(value.mtime, value.mtimeNs ?? 0))
    putU32(buffer, at + RecordAt.FINE_TIMES + 8, moreOf(value.ctime, value.ctimeNs ?? 0))
    putU32(buffer, at + RecordAt.CHUNKS, value.chunks ?? 0)
  },
  read(input) {
    const { buffer, version } = input
    const bytes = attributesBytes(version)
    const at = input.take(bytes)
    if (version === EXTENDED_VERSION) return extended(buffer, at)
    const typeAndMode = typeAndModeAt(buffer, at)
    const type = typeAndMode >> 12
    return {
      flags: buffer[at] as number,
      type,
      mode: typeAndMode & 0xfff,
      uid: getU32(buffer, at + RecordAt.UID),
      gid: getU32(buffer, at + 7),
      atime: getU32(buffer, at + 11),
      mtime: getU32(buffer, at + 15),
      ctime: getU32(buffer, at + 19),
      nlink: getU32(buffer, at + 23),
      length: lengthAt(buffer, at, type),
      winattr: bytes > RecordAt.WINATTR ? (buffer[at + RecordAt.WINATTR] as number) : 0,
    }
  },
}

/** All at once: fields that an object gets later lie outside of it. */
function extended(buffer: Buffer, at: number): Attributes {
  const typeAndMode = typeAndModeAt(buffer, at)
  const type = typeAndMode >> 12
  const atime = getU32(buffer, at + RecordAt.FINE_TIMES)
  const mtime = getU32(buffer, at + RecordAt.FINE_TIMES + 4)
  const ctime = getU32(buffer, at + RecordAt.FINE_TIMES + 8)
  return {
    flags: buffer[at] as number,
    type,
    mode: typeAndMode & 0xfff,
    uid: getU32(buffer, at + RecordAt.UID),
    gid: getU32(buffer, at + 7),
    atime: secondsOf(getU32(buffer, at + 11), atime),
    mtime: secondsOf(getU32(buffer, at + 15), mtime),
    ctime: secondsOf(getU32(buffer, at + 19), ctime),
    nlink: getU32(buffer, at + 23),
    length: lengthAt(buffer, at, type),
    winattr: buffer[at + RecordAt.WINATTR] as number,
    atimeNs: nanosecondsOf(atime),
    mtimeNs: nanosecondsOf(mtime),
    ctimeNs: nanosecondsOf(ctime),
    chunks: getU32(buffer, at + RecordAt.CHUNKS),
  }
}

const typeAndModeAt = (buffer: Buffer, at: number) => ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number)

const lengthAt = (buffer: Buffer, at: number, type: number) =>
  isDevice(type) ? getU32(buffer, at + RecordAt.LENGTH) : wideLength(buffer, at + RecordAt.LENGTH)

/** A file of the original's may be longer than what a number counts: it ends there for us (docs/differences.md). */
function wideLength(buffer: Buffer, at: number): number {
  const high = getU32(buffer, at)
  if (high > 0x1fffff) return Number.MAX_SAFE_INTEGER
  return high * 0x100000000 + getU32(buffer, at + 4)
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
