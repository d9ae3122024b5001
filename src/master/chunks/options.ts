// How chunks are looked after (spec master-behaviour 5 to 7).
import type { Reserve } from '../../config/kinds.ts'
import type { MasterConfig } from '../../config/mfsmaster.ts'
import type { UniqueMode } from '../policy/matching.ts'
import type { ReplicationLimits } from '../policy/repair.ts'

export interface ChunkOptions {
  /** Nothing is copied or deleted that long after the start (REPLICATIONS_DELAY_INIT). */
  replicationsDelaySeconds: number
  /** Replications to one server at a time (CHUNKS_WRITE_REP_LIMIT). */
  writeReplicationLimits: ReplicationLimits
  /** Replications from one server at a time (CHUNKS_READ_REP_LIMIT). */
  readReplicationLimits: ReplicationLimits
  /** Deletions on one server at a time (CHUNKS_SOFT_DEL_LIMIT), and when very many are to do (CHUNKS_HARD_DEL_LIMIT). */
  softDeletionLimit: number
  hardDeletionLimit: number
  /** No two copies on one address, or in one rack (CHUNKS_UNIQUE_MODE). */
  unique: UniqueMode
  /** 1: copies are made from the nearest server; 2: in the rack of another copy, too (REPLICATIONS_RESPECT_TOPOLOGY). */
  replicationsRespectTopology: 0 | 1 | 2
  /** New chunks go first to servers nearer to the client than this; 0 = no matter (CREATIONS_RESPECT_TOPOLOGY). */
  creationsNearerThan: number
  /** Chunks are not moved for a smaller difference of the used share, 0..1 (ACCEPTABLE_PERCENTAGE_DIFFERENCE). */
  acceptableDifference: number
  /** A server with more jobs than this, and so many times the average, is spared for a while (CS_HEAVY_LOAD_…). */
  heavyLoad: number
  heavyLoadRatio: number
  heavyLoadGraceSeconds: number
  /** How long a maintenance lasts; 0 = until it is ended (CS_MAINTENANCE_MODE_TIMEOUT). */
  maintenanceSeconds: number
  /** How long a server that was stopped in order is expected back (CS_TEMP_MAINTENANCE_MODE_TIMEOUT). */
  temporaryMaintenanceSeconds: number
  /** After so many days a server that is away is forgotten; 0 = never (CS_DAYS_TO_REMOVE_UNUSED). */
  daysToRemoveUnused: number
  /** Space that only root may use (RESERVE_SPACE). */
  reserve: Reserve
  /** Chunks that a walk through all of them looks at between two turns of the event loop. */
  sweptAtOnce: number
}

/**
 * A fifth of a millisecond of work: 0.4 us a chunk where millions of them wait for servers after a start. An operation
 * takes several turns of the loop, and each of them waits for a slice.
 */
const SWEPT_AT_ONCE = 500
const MAX_DAYS = 365

export function chunkOptions(config: MasterConfig): ChunkOptions {
  return {
    replicationsDelaySeconds: config.REPLICATIONS_DELAY_INIT,
    writeReplicationLimits: config.CHUNKS_WRITE_REP_LIMIT,
    readReplicationLimits: config.CHUNKS_READ_REP_LIMIT,
    softDeletionLimit: config.CHUNKS_SOFT_DEL_LIMIT,
    hardDeletionLimit: config.CHUNKS_HARD_DEL_LIMIT,
    unique: config.CHUNKS_UNIQUE_MODE,
    replicationsRespectTopology: config.REPLICATIONS_RESPECT_TOPOLOGY,
    creationsNearerThan: config.CREATIONS_RESPECT_TOPOLOGY,
    acceptableDifference: config.ACCEPTABLE_PERCENTAGE_DIFFERENCE / 100,
    heavyLoad: config.CS_HEAVY_LOAD_THRESHOLD,
    heavyLoadRatio: config.CS_HEAVY_LOAD_RATIO_THRESHOLD,
    heavyLoadGraceSeconds: config.CS_HEAVY_LOAD_GRACE_PERIOD,
    maintenanceSeconds: config.CS_MAINTENANCE_MODE_TIMEOUT,
    temporaryMaintenanceSeconds: config.CS_TEMP_MAINTENANCE_MODE_TIMEOUT,
    daysToRemoveUnused: config.CS_DAYS_TO_REMOVE_UNUSED > MAX_DAYS ? 0 : config.CS_DAYS_TO_REMOVE_UNUSED,
    reserve: config.RESERVE_SPACE,
    sweptAtOnce: SWEPT_AT_ONCE,
  }
}
