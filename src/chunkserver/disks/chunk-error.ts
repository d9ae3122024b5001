import { Status, statusName } from '../../protocol/status.ts'
import { formatChunkId } from './chunk-file.ts'

/** Why something could not be done with a chunk; `status` is what the peer is told. */
export class ChunkError extends Error {
  override readonly name = 'ChunkError'
  readonly status: Status
  readonly chunkId: number

  constructor(status: Status, chunkId: number, options?: ErrorOptions) {
    super(`chunk ${formatChunkId(chunkId)}: ${statusName(status)}`, options)
    this.status = status
    this.chunkId = chunkId
  }
}

/** The status that an action ends with. */
export async function statusOf(action: () => Promise<void>): Promise<Status> {
  try {
    await action()
    return Status.OK
  } catch (error) {
    if (error instanceof ChunkError) return error.status
    throw error
  }
}

/** The errno of a failed system call; undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
