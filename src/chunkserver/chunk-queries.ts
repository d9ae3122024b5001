// Questions about one chunk, the same from clients and from the master (spec chunkserver 3.6).
import * as cltocs from '../protocol/cltocs.ts'
import { ProtocolError } from '../protocol/codec.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { ChunkError } from './disks/chunk-error.ts'
import { tableChecksum } from './disks/chunk-file.ts'
import type { ChunkStore } from './disks/chunk-store.ts'

/** @throws ProtocolError, at once, for a message that is none of these */
export function answerQuery(store: ChunkStore, type: number, payload: Buffer): Promise<Buffer> {
  switch (type) {
    case cltocs.getChunkBlocks.code: {
      const about = cltocs.getChunkBlocks.decode(payload)
      const answer = (blockCount: number, status: number) => cstocl.chunkBlocks.encode({ ...about, blockCount, status })
      return answered(
        async () => answer(await store.blockCount(about.chunkId, about.version), 0),
        status => answer(0, status),
      )
    }
    case cltocs.getChunkChecksum.code: {
      const about = cltocs.getChunkChecksum.decode(payload)
      return answered(
        async () => {
          const checksum = tableChecksum(await store.crcTable(about.chunkId, about.version))
          return cstocl.chunkChecksum.encode({ ...about, checksum })
        },
        status => cstocl.chunkChecksum.encode({ ...about, status }),
      )
    }
    case cltocs.getChunkChecksumTab.code: {
      const about = cltocs.getChunkChecksumTab.decode(payload)
      return answered(
        async () => {
          const table = await store.crcTable(about.chunkId, about.version)
          return cstocl.chunkChecksumTab.encode({ ...about, table })
        },
        status => cstocl.chunkChecksumTab.encode({ ...about, status }),
      )
    }
    case cltocs.getChunkTested.code: {
      const about = cltocs.getChunkTested.decode(payload)
      const answer = (testedAt: number, status: number) => cstocl.chunkTested.encode({ ...about, testedAt, status })
      return answered(
        async () => answer(store.testedAt(about.chunkId, about.version), 0),
        status => answer(0, status),
      )
    }
    case cltocs.syncChunk.code: {
      const about = cltocs.syncChunk.decode(payload)
      const answer = (status: number) => cstocl.syncStatus.encode({ ...about, status })
      return answered(async () => {
        await store.sync(about.chunkId, about.version)
        return answer(0)
      }, answer)
    }
    default:
      throw new ProtocolError(`message ${type} is no question about a chunk`)
  }
}

async function answered(action: () => Promise<Buffer>, failed: (status: number) => Buffer): Promise<Buffer> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof ChunkError) return failed(error.status)
    throw error
  }
}
