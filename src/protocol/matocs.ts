// Master to chunkserver, in the order of their codes (spec chunkserver 2.2).
import {
  bytes,
  type Codec,
  many,
  message,
  messageOf,
  optional,
  ProtocolError,
  record,
  u8,
  u16,
  u32,
  u64,
  u64n,
} from './codec.ts'

/** The answer to each packet of chunks. */
export const masterGoOn = message(104, 'MATOCS_MASTER_ACK', { kind: u8 })
/** The answer to BEGIN: `kind` 0. */
export const masterWelcome = message(104, 'MATOCS_MASTER_ACK', {
  kind: u8,
  version: u32,
  timeout: u16,
  serverId: u16,
  metaId: u64,
})

export const create = message(110, 'MATOCS_CREATE', { chunkId: u64n, version: u32 })
/** Version 0: whichever there is. */
export const remove = message(120, 'MATOCS_DELETE', { chunkId: u64n, version: u32 })
export const duplicate = message(130, 'MATOCS_DUPLICATE', {
  chunkId: u64n,
  version: u32,
  sourceChunkId: u64n,
  sourceVersion: u32,
})
export const setVersion = message(140, 'MATOCS_SET_VERSION', { chunkId: u64n, version: u32, previousVersion: u32 })
export const replicate = message(150, 'MATOCS_REPLICATE', { chunkId: u64n, version: u32, ip: u32, port: u16 })
export const truncate = message(160, 'MATOCS_TRUNCATE', {
  chunkId: u64n,
  length: u32,
  version: u32,
  previousVersion: u32,
})
export const duptrunc = message(170, 'MATOCS_DUPTRUNC', {
  chunkId: u64n,
  version: u32,
  sourceChunkId: u64n,
  sourceVersion: u32,
  length: u32,
})

/** Every form of the answer to BEGIN (spec chunkserver 2.3.2). The forms of one kind differ in length. */
export type MasterAck =
  | { kind: 'goOn' }
  | { kind: 'welcome'; version: number; timeout?: number; serverId?: number; metaId?: bigint }
  | { kind: 'leaderIs'; ip: number }
  | { kind: 'wait'; version: number; timeout: number; metaId?: bigint }
  | { kind: 'challenge'; random: Buffer }

const masterAckCodec: Codec<MasterAck> = {
  layout:
    '(0:8 | 0:8 version:32 [timeout:16 serverId:16 [metaId:64]] | 1:8 ip:32 | 2:8 version:32 timeout:16 [metaId:64] | 3:8 random:32B)',
  write(out, ack) {
    switch (ack.kind) {
      case 'goOn':
        return u8.write(out, 0)
      case 'welcome':
        u8.write(out, 0)
        u32.write(out, ack.version)
        if (ack.timeout === undefined) return
        u16.write(out, ack.timeout)
        u16.write(out, ack.serverId ?? 0)
        return optional(u64).write(out, ack.metaId)
      case 'leaderIs':
        u8.write(out, 1)
        return u32.write(out, ack.ip)
      case 'wait':
        u8.write(out, 2)
        u32.write(out, ack.version)
        u16.write(out, ack.timeout)
        return optional(u64).write(out, ack.metaId)
      case 'challenge':
        u8.write(out, 3)
        return bytes(32).write(out, ack.random)
    }
  },
  read(input) {
    const kind = u8.read(input)
    if (kind === 0 && input.left === 0) return { kind: 'goOn' }
    if (kind === 0) {
      const version = u32.read(input)
      if (input.left === 0) return { kind: 'welcome', version }
      const known = { version, timeout: u16.read(input), serverId: u16.read(input) }
      return input.left === 0 ? { kind: 'welcome', ...known } : { kind: 'welcome', ...known, metaId: u64.read(input) }
    }
    if (kind === 1) return { kind: 'leaderIs', ip: u32.read(input) }
    if (kind === 2) {
      const known = { version: u32.read(input), timeout: u16.read(input) }
      return input.left === 0 ? { kind: 'wait', ...known } : { kind: 'wait', ...known, metaId: u64.read(input) }
    }
    if (kind === 3) return { kind: 'challenge', random: bytes(32).read(input) }
    throw new ProtocolError(`answer of kind ${kind}`)
  },
}
export const masterAck = messageOf(104, 'MATOCS_MASTER_ACK', masterAckCodec)

/**
 * Not in the original, and answers CSTOMA_CHUNKS_UNSURE: the master counts on these copies, and the server may serve them.
 */
export const chunksSure = message(0x7012, 'MATOCS_CHUNKS_SURE', { chunkIds: many(u64n) })

/** What CHUNKOP does depends on which of its fields are set (spec chunkserver 2.5). */
export const chunkOp = message(152, 'MATOCS_CHUNKOP', {
  chunkId: u64n,
  version: u32,
  newVersion: u32,
  copyChunkId: u64n,
  copyVersion: u32,
  length: u32,
})

/** The long form of REPLICATE: a chunk put together from several sources (spec chunkserver 4.3). */
export const replicateFromMany = message(150, 'MATOCS_REPLICATE', {
  chunkId: u64n,
  version: u32,
  masks: bytes(16),
  sources: many(record({ chunkId: u64n, version: u32, ip: u32, port: u16 })),
})
