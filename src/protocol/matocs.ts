// Master to chunkserver, in the order of their codes (spec chunkserver 2.2).
import { message, u8, u16, u32, u64, u64n } from './codec.ts'

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
