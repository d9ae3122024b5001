// How much chunks are worked on at once (spec master-behaviour 6, 7).
import type { MasterConfig } from '../../config/mfsmaster.ts'

/** What a replication counts as; each class has a limit of its own. */
export const LimitClass = { ENDANGERED: 0, UNDERGOAL: 1, REBALANCE_NEAR: 2, REBALANCE: 3 } as const
export type LimitClass = (typeof LimitClass)[keyof typeof LimitClass]

/** A limit for each class. */
export type ReplicationLimits = readonly [number, number, number, number]

export interface ChunkOptions {
  /** No replication that long after the start (REPLICATIONS_DELAY_INIT). */
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
