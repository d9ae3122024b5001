// One CLTOCS_WRITE_BLOCK: the bytes of a small file, or the last ones before an fsync. One message to each copy takes the
// place of a chain, and the disk is asked at once, not by a message of its own.
import * as cltocs from '../../protocol/cltocs.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import type { DataPacket } from '../../protocol/piece-frames.ts'
import { Status } from '../../protocol/status.ts'
import { ChunkError } from '../disks/chunk-error.ts'
import type { ChunkStore } from '../disks/chunk-store.ts'

export type BlockWrite = ReturnType<typeof cltocs.writeBlock.decodeHead> & Pick<DataPacket, 'parts'>

/** @throws ProtocolError when the packet announces another size than it has */
export function decodeBlockWrite(packet: DataPacket): BlockWrite {
  return { ...cltocs.writeBlock.decodeHead(packet), parts: packet.parts }
}

/**
 * Writes the bytes and, where that is wanted, puts the chunk on the disk.
 *
 * @param send takes the answers
 * @param written what comes of the writing is known, and was sent
 */
export async function writeBlock(
  store: ChunkStore,
  write: BlockWrite,
  send: (answer: Buffer) => void,
  written: (status: Status) => void,
): Promise<void> {
  const { chunkId, version, sync } = write
  const answerWritten = (status: Status) => {
    send(cstocl.writeStatus.encode({ chunkId, writeId: 0, status }))
    written(status)
  }
  const open = await opened(store, write)
  if (typeof open === 'number') return answerWritten(open)
  try {
    const { error } = await store.write(open, version, [write])
    answerWritten(error?.status ?? Status.OK)
    if (error || sync === 0) return
    const status = await synced(store.syncOpen(open))
    send(cstocl.syncStatus.encode({ chunkId, version, status }))
  } finally {
    store.done(open)
  }
}

async function opened(store: ChunkStore, { chunkId, version }: BlockWrite) {
  try {
    return store.openNow(chunkId, version) ?? (await store.open(chunkId, version))
  } catch (error) {
    return statusOf(error)
  }
}

async function synced(done: Promise<void>): Promise<Status> {
  try {
    await done
    return Status.OK
  } catch (error) {
    return statusOf(error)
  }
}

/** @throws what is no ChunkError */
function statusOf(error: unknown): Status {
  if (error instanceof ChunkError) return error.status
  throw error
}
