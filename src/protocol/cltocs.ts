// Client to chunkserver, in the order of their codes (spec chunkserver 3). A chunkserver that forwards a write or
// copies a chunk speaks to the other chunkserver as a client does, with the same messages.
import { dataMessage } from './block-data.ts'
import {
  type Codec,
  many,
  message,
  messageOf,
  name,
  optional,
  record,
  type Shape,
  u8,
  u16,
  u32,
  u64n,
} from './codec.ts'

/** Either side, when it said nothing else for a while; may stand between any two messages. */
export const nop = message(0, 'ANTOAN_NOP', {})
export const getVersion = message(10, 'ANTOAN_GET_VERSION', { msgid: optional(u32) })
/** One option of the configuration file. */
export const getConfig = message(80, 'ANTOAN_GET_CONFIG', { msgid: u32, option: name })

/** Peers from 1.7.32 on put a protocol number, 1, before the rest: they understand NOPs and reuse connections. */
export const PROTOCOL = 1

/** A body that begins with the protocol number when its length is odd. */
function withProtocol<F extends Parameters<typeof record>[0]>(fields: F): Codec<Shape<F> & { protocol?: number }> {
  const body = record(fields)
  return {
    layout: `[protocol:8] ${body.layout}`,
    write(out, value) {
      if (value.protocol !== undefined) u8.write(out, value.protocol)
      body.write(out, value)
    },
    read(input) {
      if (input.left % 2 === 0) return body.read(input)
      const protocol = u8.read(input)
      return { protocol, ...body.read(input) }
    },
  }
}

/** Answered with `cstocl.readData` for each block touched, then `cstocl.readStatus`. Version 0: whichever there is. */
export const read = messageOf(200, 'CLTOCS_READ', withProtocol({ chunkId: u64n, version: u32, offset: u32, size: u32 }))

/** `chain`: the other copies, in the order in which the data goes from one to the next. */
export const write = messageOf(
  210,
  'CLTOCS_WRITE',
  withProtocol({ chunkId: u64n, version: u32, chain: many(record({ ip: u32, port: u16 })) }),
)

/** Bytes within one block. Answered with `cstocl.writeStatus`. */
export const writeData = dataMessage(
  212,
  'CLTOCS_WRITE_DATA',
  { chunkId: u64n, writeId: u32, blockIndex: u16, offset: u16 },
  24,
)

/** Ends a session in which every write was answered. Has no answer; the connection may serve again. */
export const writeFinish = message(213, 'CLTOCS_WRITE_FINISH', { chunkId: u64n, version: u32 })

const aboutChunk = { chunkId: u64n, version: u32 }
/**
 * Not in the original: puts the chunk on the disk, bytes and name. Answered with `cstocl.syncStatus`. Only for servers
 * whose version text says that they are ours; others close the connection.
 */
export const syncChunk = message(0x7000, 'CLTOCS_SYNC_CHUNK', aboutChunk)
/** Not in the original: when was the chunk last read as a whole and right? Answered with `cstocl.chunkTested`. */
export const getChunkTested = message(0x7002, 'CLTOCS_GET_CHUNK_TESTED', aboutChunk)
/**
 * Not in the original: bytes within one block of one copy. Answered with `cstocl.writeStatus` of write id 0 when they are
 * written and, if that went well and `sync` is not 0, with `cstocl.syncStatus` when the chunk is on the disk, bytes and
 * name. Only for servers of ours, as `syncChunk`.
 */
export const writeBlock = dataMessage(
  0x7004,
  'CLTOCS_WRITE_BLOCK',
  { ...aboutChunk, sync: u8, blockIndex: u16, offset: u16 },
  25,
)
export const getChunkBlocks = message(250, 'ANTOCS_GET_CHUNK_BLOCKS', aboutChunk)
export const getChunkChecksum = message(300, 'ANTOCS_GET_CHUNK_CHECKSUM', aboutChunk)
export const getChunkChecksumTab = message(302, 'ANTOCS_GET_CHUNK_CHECKSUM_TAB', aboutChunk)

export const monotonicData = message(502, 'CLTOAN_MONOTONIC_DATA', {})
export const moduleInfo = message(530, 'CLTOAN_MODULE_INFO', {})
export const hddList = message(600, 'CLTOCS_HDD_LIST', {})
