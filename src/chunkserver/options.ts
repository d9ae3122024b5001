// What a chunkserver is told at start and at reload.
import type { ChunkserverConfig } from '../config/mfschunkserver.ts'

export interface ChunkserverOptions {
  /** Where chunkserverid.mfs is. */
  readonly dataFolder: string
  /** The text of mfshdd.cfg. */
  readonly folders: string
  /** Start although some folders cannot be used. */
  readonly allowInvalidFolders: boolean
  readonly listenHost: string
  readonly listenPort: number
  readonly masterHost: string
  readonly masterPort: number
  /** Local address of the connection to the master; `*` any. */
  readonly bindHost: string
  /** 0: as the master says. */
  readonly masterTimeoutSeconds: number
  readonly reconnectionDelaySeconds: number
  readonly authCode: string | undefined
  /** Bit 0 is label A. */
  readonly labels: number
  readonly chunksPerRegisterPacket: number
  /** Most reads, writes and commands at a time. */
  readonly jobsMax: number
  readonly leaveBytes: number
  readonly sparsify: boolean
  /** A write is acknowledged once the disk has it. */
  readonly sync: boolean
  readonly subfolderChunks: number
  readonly errorsTolerated: number
  readonly errorPeriodSeconds: number
  /** A disk that answers nothing for so long is given up. */
  readonly hangSeconds: number
  readonly keepDuplicatesHours: number
  /** Megabytes a second and folder; 0: no tests. */
  readonly testSpeed: number
  readonly testIntervalSeconds: number
  /** Percent of the time that goes into moving chunks between disks; 0: none are moved. */
  readonly rebalanceUtilization: number
  /** Value of an option as it stands in the configuration file, for those who ask; empty when it is not set. */
  readonly configValue: (option: string) => string
}

/** From mfschunkserver.cfg and the text of mfshdd.cfg. */
export function chunkserverOptions(
  config: ChunkserverConfig,
  folders: string,
  configValue: (option: string) => string = () => '',
): ChunkserverOptions {
  return {
    dataFolder: config.DATA_PATH,
    folders,
    allowInvalidFolders: config.ALLOW_STARTING_WITH_INVALID_DISKS,
    listenHost: config.CSSERV_LISTEN_HOST,
    listenPort: config.CSSERV_LISTEN_PORT,
    masterHost: config.MASTER_HOST,
    masterPort: config.MASTER_PORT,
    bindHost: config.BIND_HOST,
    masterTimeoutSeconds: config.MASTER_TIMEOUT,
    reconnectionDelaySeconds: config.MASTER_RECONNECTION_DELAY,
    authCode: config.AUTH_CODE,
    labels: config.LABELS,
    chunksPerRegisterPacket: config.CHUNKS_PER_REGISTER_PACKET,
    jobsMax: config.WORKERS_MAX,
    leaveBytes: config.HDD_LEAVE_SPACE_DEFAULT,
    sparsify: config.HDD_SPARSIFY_ON_WRITE,
    sync: config.HDD_FSYNC_BEFORE_CLOSE,
    subfolderChunks: config.HDD_RR_CHUNK_COUNT,
    errorsTolerated: config.HDD_ERROR_TOLERANCE_COUNT,
    errorPeriodSeconds: config.HDD_ERROR_TOLERANCE_PERIOD,
    hangSeconds: config.HDD_HANG_TIMEOUT,
    keepDuplicatesHours: config.HDD_KEEP_DUPLICATES_HOURS,
    testSpeed: config.HDD_TEST_SPEED,
    testIntervalSeconds: config.HDD_MIN_TEST_INTERVAL,
    rebalanceUtilization: config.HDD_REBALANCE_UTILIZATION,
    configValue,
  }
}
