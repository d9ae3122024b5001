// Chunkserver to master, in the order of their codes (spec chunkserver 2.2).
import { type Codec, many, message, messageOf, ProtocolError, record, rest, u8, u16, u32, u64n } from './codec.ts'

/** What a chunkserver has on its disks, in bytes and chunks; `removed…` is on disks marked for removal. */
export const spaceFields = {
  used: u64n,
  total: u64n,
  chunks: u32,
  removedUsed: u64n,
  removedTotal: u64n,
  removedChunks: u32,
}

/** Set in the version of a copy on a disk marked for removal. */
export const MARKED_FOR_REMOVAL = 0x80000000

export const chunkEntry = record({ chunkId: u64n, version: u32 })

/** EARLY is BEGIN to a follower of ours: END is said only when that leads. The original has no such form. */
export const RegisterForm = { BEGIN: 60, CHUNKS: 61, END: 62, DISCONNECT: 63, EARLY: 0xe0 } as const
export const register = message(100, 'CSTOMA_REGISTER', { form: u8, body: rest })

export const CHALLENGE_BYTES = 32

/** BEGIN without digest; with one, 16 bytes stand before it. */
export const registerBegin = record({
  version: u32,
  /** 0: where the connection comes from. */
  ip: u32,
  port: u16,
  /** Seconds; 0 lets the master decide. */
  timeout: u16,
  /** 0: none yet. */
  serverId: u16,
  ...spaceFields,
})
export const registerChunks = many(chunkEntry)

type Space = ReturnType<(typeof spaceRecord)['read']>
const spaceRecord = record(spaceFields)

/** 40 bytes; the older forms of 32 and 16 bytes lack the counts, or all about disks marked for removal. */
const spaceCodec: Codec<Space> = {
  layout: 'used:64 total:64 [chunks:32] [removedUsed:64 removedTotal:64] [removedChunks:32]',
  write: (out, value) => spaceRecord.write(out, value),
  read(input) {
    if (input.left === 40) return spaceRecord.read(input)
    if (input.left !== 32 && input.left !== 16) throw new ProtocolError(`${input.left} bytes of space numbers`)
    const [used, total] = [u64n.read(input), u64n.read(input)]
    const [removedUsed, removedTotal] = input.left > 0 ? [u64n.read(input), u64n.read(input)] : [0, 0]
    return { used, total, chunks: 0, removedUsed, removedTotal, removedChunks: 0 }
  },
}
export const space = messageOf(101, 'CSTOMA_SPACE', spaceCodec)
export const chunkDamaged = message(102, 'CSTOMA_CHUNK_DAMAGED', { chunkIds: many(u64n) })
export const currentLoad = message(103, 'CSTOMA_CURRENT_LOAD', { load: u32, state: rest })
export const chunkLost = message(105, 'CSTOMA_CHUNK_LOST', { chunkIds: many(u64n) })
export const errorOccurred = message(106, 'CSTOMA_ERROR_OCCURRED', {})
export const chunkNew = message(107, 'CSTOMA_CHUNK_NEW', { chunks: many(chunkEntry) })
export const labels = message(109, 'CSTOMA_LABELS', { mask: u32 })

/**
 * Not in the original, told to masters of ours only: the client at this address closed its connection in the middle of a
 * write of the chunk.
 */
export const writeCutShort = message(0x7010, 'CSTOMA_WRITE_CUT_SHORT', { chunkId: u64n, ip: u32 })

/** Of one server, more than it can write before they are not unsure any more; the rest is ignored. */
export const UNSURE_MAX = 1 << 20

/**
 * Not in the original, told to masters of ours only, before the copies themselves: of these, what was written last may be
 * missing, for the power was lost. They are not served before MATOCS_CHUNKS_SURE.
 */
export const chunksUnsure = message(0x7011, 'CSTOMA_CHUNKS_UNSURE', { chunkIds: many(u64n) })

/** Most commands are answered with the chunk and a status. */
const answer = (code: number, name: string) => message(code, name, { chunkId: u64n, status: u8 })
export const create = answer(111, 'CSTOMA_CREATE')
export const remove = answer(121, 'CSTOMA_DELETE')
export const duplicate = answer(131, 'CSTOMA_DUPLICATE')
export const setVersion = answer(141, 'CSTOMA_SET_VERSION')
export const replicate = message(151, 'CSTOMA_REPLICATE', { chunkId: u64n, version: u32, status: u8 })
export const truncate = answer(161, 'CSTOMA_TRUNCATE')
export const duptrunc = answer(171, 'CSTOMA_DUPTRUNC')
export const chunkOp = message(153, 'CSTOMA_CHUNKOP', {
  chunkId: u64n,
  version: u32,
  newVersion: u32,
  copyChunkId: u64n,
  copyVersion: u32,
  length: u32,
  status: u8,
})
