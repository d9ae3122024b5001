// Chunkserver to client, in the order of their codes (spec chunkserver 3).
import { dataMessage } from './block-data.ts'
import {
  bytes,
  type Codec,
  list,
  many,
  message,
  messageOf,
  name,
  ProtocolError,
  record,
  rest,
  type Shape,
  text,
  u8,
  u16,
  u32,
  u64,
  u64n,
} from './codec.ts'
import { MFSBLOCKSINCHUNK } from './constants.ts'

/** The answer to a question without msgid. */
export const plainVersion = message(11, 'ANTOAN_VERSION', { version: u32, text: rest })
/** The answer to a question with msgid. */
export const version = message(11, 'ANTOAN_VERSION', { msgid: u32, version: u32, text: rest })
export const configValue = message(81, 'ANTOAN_CONFIG_VALUE', { msgid: u32, value: name })

/** The end of a read: every block was sent, or why not. */
export const readStatus = message(201, 'CSTOCL_READ_STATUS', { chunkId: u64n, status: u8 })
/** Bytes of one block; `offset` is inside the block. */
export const readData = dataMessage(202, 'CSTOCL_READ_DATA', { chunkId: u64n, blockIndex: u16, offset: u16 }, 20)
/** `writeId` 0 answers CLTOCS_WRITE itself. */
export const writeStatus = message(211, 'CSTOCL_WRITE_STATUS', { chunkId: u64n, writeId: u32, status: u8 })

const aboutChunk = { chunkId: u64n, version: u32 }
export const chunkBlocks = message(251, 'CSTOAN_CHUNK_BLOCKS', { ...aboutChunk, blockCount: u16, status: u8 })

/** Not in the original. */
export const syncStatus = message(0x7001, 'CSTOCL_SYNC_STATUS', { ...aboutChunk, status: u8 })

/** Not in the original. `testedAt`: seconds since 1970; 0: not since the server was started. */
export const chunkTested = message(0x7003, 'CSTOCL_CHUNK_TESTED', { ...aboutChunk, testedAt: u32, status: u8 })

type OrStatus<T> =
  | { chunkId: number; version: number; status: number }
  | ({
      chunkId: number
      version: number
      status?: undefined
    } & T)

/** 13 bytes are an error, anything longer the data. */
function orStatus<F extends Parameters<typeof record>[0]>(fields: F): Codec<OrStatus<Shape<F>>> {
  const failed = record({ ...aboutChunk, status: u8 })
  const done = record(fields)
  const about = record(aboutChunk)
  return {
    layout: `(${failed.layout} | ${about.layout} ${done.layout})`,
    write(out, value) {
      if (value.status !== undefined) failed.write(out, value)
      else {
        about.write(out, value)
        done.write(out, value as Shape<F>)
      }
    },
    read(input) {
      if (input.left === 13) return failed.read(input)
      return { ...about.read(input), ...done.read(input) }
    },
  }
}

export const chunkChecksum = messageOf(301, 'CSTOAN_CHUNK_CHECKSUM', orStatus({ checksum: u32 }))
/** 1024 CRCs, as in the chunk's file. */
export const chunkChecksumTab = messageOf(
  303,
  'CSTOAN_CHUNK_CHECKSUM_TAB',
  orStatus({ table: bytes(4 * MFSBLOCKSINCHUNK) }),
)

const diskStatistics = record({
  bytesRead: u64n,
  bytesWritten: u64n,
  usecRead: u64n,
  usecWrite: u64n,
  usecSync: u64n,
  reads: u32,
  writes: u32,
  syncs: u32,
  usecReadMax: u32,
  usecWriteMax: u32,
  usecSyncMax: u32,
})
export type DiskStatistics = ReturnType<(typeof diskStatistics)['read']>

/** What the flags of a folder in the lists mean. */
export const DiskFlag = { MARKED_FOR_REMOVAL: 1, DAMAGED: 2, SCANNING: 4, UNUSABLE: 8 } as const

const folderFields = {
  path: text(u8, 255),
  flags: u8,
  errorChunkId: u64n,
  errorTime: u32,
  used: u64n,
  total: u64n,
  chunks: u32,
}

/** An entry of a list of folders, after its own size. */
function sized<T>(codec: Codec<T>): Codec<T> {
  return {
    layout: `size:16 ${codec.layout}`,
    write(out, value) {
      const at = out.reserve(2) - out.start
      const before = out.position - out.start
      codec.write(out, value)
      out.buffer.writeUInt16BE(out.position - out.start - before, out.start + at)
    },
    read(input) {
      const size = u16.read(input)
      const end = input.position + size
      const value = codec.read(input)
      if (input.position !== end) throw new ProtocolError(`entry of ${size} bytes ends elsewhere`)
      return value
    },
  }
}

/** Folders as they were in the last minute, hour and day, last line of mfshdd.cfg first. */
export const hddList = message(601, 'CSTOCL_HDD_LIST', {
  folders: many(sized(record({ ...folderFields, minute: diskStatistics, hour: diskStatistics, day: diskStatistics }))),
})

/** Since the start of the program; folders in the order of the list above. */
export const monotonicData = message(503, 'ANTOCL_MONOTONIC_DATA', {
  counters: list(u16, u64n),
  folders: list(u16, sized(record({ ...folderFields, statistics: diskStatistics }))),
})
export const moduleInfo = message(531, 'ANTOCL_MODULE_INFO', {
  kind: u8,
  version: u32,
  serverId: u16,
  metaId: u64,
  masterIp: u32,
  masterPort: u16,
})
