// How chunks are looked after (spec master-behaviour 5 to 7).
import type { MasterConfig } from '../../config/mfsmaster.ts'
import type { ReplicationLimits } from '../policy/repair.ts'

export interface ChunkOptions {
  /** Nothing is copied or deleted that long after the start (REPLICATIONS_DELAY_INIT). */
  replicationsDelaySeconds: number
  /** Replications to one server at a time (CHUNKS_WRITE_REP_LIMIT). */
  writeReplicationLimits: ReplicationLimits
  /** Replications from one server at a time (CHUNKS_READ_REP_LIMIT). */
  readReplicationLimits: ReplicationLimits
  /** Deletions on one server at a time (CHUNKS_SOFT_DEL_LIMIT). */
  softDeletionLimit: number
}

export function chunkOptions(config: MasterConfig): ChunkOptions {
  return {
    replicationsDelaySeconds: config.REPLICATIONS_DELAY_INIT,
    writeReplicationLimits: config.CHUNKS_WRITE_REP_LIMIT,
    readReplicationLimits: config.CHUNKS_READ_REP_LIMIT,
    softDeletionLimit: config.CHUNKS_SOFT_DEL_LIMIT,
  }
}
