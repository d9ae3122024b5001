// What the master is told at start and at reload.
import type { Networks } from '../config/kinds.ts'
import type { MasterConfig } from '../config/mfsmaster.ts'
import type { SyncMode } from '../journal/journal.ts'
import type { RecoveryListener } from '../journal/recovery.ts'
import { type ChunkOptions, chunkOptions } from './chunks/options.ts'
import { type Admission, admissionRules } from './chunkservers/admission.ts'
import type { ClientOptions } from './clients/context.ts'
import type { Exports } from './clients/exports.ts'
import type { TreeSlices } from './clients/tree-jobs.ts'

export interface MasterOptions {
  /** How work on whole trees is divided, when not as usual. */
  treeSlices?: TreeSlices
  dataFolder: string
  exports: Exports
  clientsHost: string
  clientsPort: number
  metaloggersHost: string
  metaloggersPort: number
  /** Seconds that changes are kept in memory for metaloggers that come back. */
  preserveSeconds: number
  chunkserversHost: string
  chunkserversPort: number
  sync: SyncMode
  backLogs: number
  keepPrevious: number
  /** Hours between checkpoints. */
  saveEveryHours: number
  /** -i: mend at the start what can be mended without loss. */
  ignoresFlaws?: boolean
  /** Where a checkpoint goes when the data folder does not take it, and is looked for at the start. */
  emergencyPaths?: readonly string[]
  /** Hears of the files that the start considers and of the changes that it makes (-x). */
  recoveryListener?: RecoveryListener
  /** A changelog of so many bytes is finished; 0: any size. */
  changelogBytesMax: number
  chunks: ChunkOptions
  chunkserverTimeoutSeconds: number
  admission: Admission
  sessionSustainSeconds: number
  inodeReuseDelaySeconds: number
  /** Where commands of monitors may come from. */
  monitorCommandsFrom: Networks
  /** Chunks without copies that are remembered for monitors. */
  missingLogCapacity: number
  client: ClientOptions
}

/** From mfsmaster.cfg and mfsexports.cfg. */
export function masterOptions(config: MasterConfig, exports: Exports): MasterOptions {
  return {
    dataFolder: config.DATA_PATH,
    exports,
    clientsHost: config.MATOCL_LISTEN_HOST,
    clientsPort: config.MATOCL_LISTEN_PORT,
    metaloggersHost: config.MATOML_LISTEN_HOST,
    metaloggersPort: config.MATOML_LISTEN_PORT,
    preserveSeconds: config.CHANGELOG_PRESERVE_SECONDS,
    chunkserversHost: config.MATOCS_LISTEN_HOST,
    chunkserversPort: config.MATOCS_LISTEN_PORT,
    sync: config.CHANGELOG_SYNC,
    backLogs: config.BACK_LOGS,
    keepPrevious: config.BACK_META_KEEP_PREVIOUS,
    saveEveryHours: config.METADATA_SAVE_FREQ,
    changelogBytesMax: config.CHANGELOG_SIZE_MAX,
    chunks: chunkOptions(config),
    chunkserverTimeoutSeconds: config.MATOCS_TIMEOUT,
    admission: admissionRules(config),
    sessionSustainSeconds: config.SESSION_SUSTAIN_TIME,
    inodeReuseDelaySeconds: config.INODE_REUSE_DELAY,
    monitorCommandsFrom: config.MONITOR_COMMANDS_FROM,
    missingLogCapacity: config.MISSING_LOG_CAPACITY,
    client: {
      atimeMode: config.ATIME_MODE,
      maxHardLinks: config.MAX_ALLOWED_HARD_LINKS,
      quotaGraceSeconds: config.QUOTA_DEFAULT_GRACE_PERIOD,
    },
  }
}
