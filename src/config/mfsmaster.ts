// mfsmaster.cfg (spec daemons-and-config 3.3).
import { CONFIG_ROOT, commonOptions } from './common.ts'
import { haOptions } from './ha.ts'
import {
  changelogSync,
  choice,
  type FourLimits,
  fourLimits,
  ipv4,
  listenHost,
  type Networks,
  networks,
  optionalText,
  path,
  port,
  type Reserve,
  real,
  reserve,
  size,
  whole,
} from './kinds.ts'
import { configFile, sameValue, type Values } from './option.ts'

const eventDriven = 'chunks are looked at when something about them changes, not in passes'

export const masterConfigFile = configFile({
  program: 'mfsmaster',
  options: {
    ...commonOptions('mfsmaster'),
    EXPORTS_FILENAME: {
      kind: path,
      default: `${CONFIG_ROOT}/mfs/mfsexports.cfg`,
      doc: 'Who may mount what; read again at each reload.',
    },
    TOPOLOGY_FILENAME: {
      kind: path,
      default: `${CONFIG_ROOT}/mfs/mfstopology.cfg`,
      doc: 'Which machines are near each other; read again at each reload.',
    },
    MONITOR_COMMANDS_FROM: {
      kind: networks,
      default: [[0, 0xffffffff]] as Networks,
      doc:
        'Addresses from which commands of monitors are taken (mfscli -C, the web page): removing chunkservers and ' +
        'sessions, maintenance. Others may only look. The original takes them from anybody who reaches its port.',
    },
    BACK_LOGS: { kind: whole({ min: 0, max: 1000 }), default: 50, doc: 'Older changelogs kept.' },
    METADATA_SAVE_FREQ: {
      kind: whole({ min: 1 }),
      default: 1,
      unit: 'hours',
      doc: 'How often a checkpoint of all metadata is stored; at most half of BACK_LOGS.',
    },
    BACK_META_KEEP_PREVIOUS: { kind: whole({ min: 0, max: 99 }), default: 1, doc: 'Older checkpoints kept.' },
    CHANGELOG_PRESERVE_SECONDS: {
      kind: whole({ min: 0, max: 15000 }),
      default: 1800,
      unit: 'seconds',
      doc: 'How long changes are kept in memory for metaloggers that come back.',
    },
    CHANGELOG_SAVE_MODE: {
      kind: choice([0, 1, 2], 0),
      default: 0,
      doc: 'How the original writes its changelog.',
      ignored: 'CHANGELOG_SYNC says when a change is safe',
    },
    CHANGELOG_SYNC: {
      kind: changelogSync,
      default: { kind: 'commit' } as const,
      doc:
        'When a change counts as safe and is answered. commit: once its changelog line is on the disk; nothing that was ' +
        'answered is ever lost. interval MS: once it is written, with a sync every MS milliseconds; the death of the ' +
        'master loses nothing, a power cut or a crash of the system loses up to the last MS milliseconds. none: once it ' +
        'is written, synced only when a changelog is finished; a power cut may lose all since then (what the original ' +
        'does by default, and more, for it answers before it writes).',
    },
    BUSY_POLL: {
      kind: whole({ min: 0, max: 10_000 }),
      default: 300,
      unit: 'microseconds',
      doc:
        'After a message has gone out, so long the master looks for the next one before it sleeps: it answers sooner for ' +
        'more processor time. Others on this machine go first, and where it does not pay it is left. 0: it sleeps at once.',
      needsRestart: true,
    },
    CHANGELOG_SIZE_MAX: {
      kind: size,
      default: 512 << 20,
      doc:
        'A changelog that grows beyond this is finished before the hour is over, and a checkpoint is made, so that a ' +
        'start has never much to replay; 0: only the hour counts.',
    },
    MISSING_LOG_CAPACITY: {
      kind: whole(),
      default: 100000,
      doc: 'Entries in the list of missing chunks.',
    },
    MATOML_LISTEN_HOST: { kind: listenHost, default: '*', doc: 'Address for metaloggers.' },
    MATOML_LISTEN_PORT: { kind: port, default: 9419, doc: 'Port for metaloggers.' },
    MATOCS_LISTEN_HOST: { kind: listenHost, default: '*', doc: 'Address for chunkservers.' },
    MATOCS_LISTEN_PORT: { kind: port, default: 9420, doc: 'Port for chunkservers.' },
    MATOCS_TIMEOUT: {
      kind: whole({ min: 10, max: 65535 }),
      default: 10,
      unit: 'seconds',
      doc: 'A chunkserver that is silent for so long is disconnected.',
    },
    AUTH_CODE: {
      kind: optionalText,
      default: undefined as string | undefined,
      doc: 'Secret that chunkservers must know; without it all are accepted.',
    },
    REMAP_BITS: {
      kind: whole({ min: 0, max: 32 }),
      default: 0,
      doc: 'Leading bits of chunkserver addresses that are replaced for clients; 0: none. Needs the next two.',
    },
    REMAP_SOURCE_IP_CLASS: {
      kind: ipv4,
      default: undefined as string | undefined,
      doc: 'Addresses that begin like this one are replaced.',
    },
    REMAP_DESTINATION_IP_CLASS: {
      kind: ipv4,
      default: undefined as string | undefined,
      doc: 'Their replacement begins like this one.',
    },
    REPLICATIONS_DELAY_INIT: {
      kind: whole(),
      default: 60,
      unit: 'seconds',
      doc: 'No replication for so long after the start.',
    },
    REPLICATIONS_RESPECT_TOPOLOGY: {
      kind: choice([0, 1, 2], 0),
      default: 0 as const,
      doc: '0: ignore topology; 1: nearest source; 2: target in the rack of a copy if possible.',
    },
    CREATIONS_RESPECT_TOPOLOGY: {
      kind: whole(),
      default: 0,
      doc: 'New chunks first go to servers nearer to the client than this; 0: ignore topology.',
    },
    CHUNKS_UNIQUE_MODE: {
      kind: choice([0, 1, 2], 0),
      default: 0 as const,
      doc: '1: avoid two copies on one address; 2: avoid two copies in one rack.',
    },
    CHUNKS_LOOP_MAX_CPS: {
      kind: whole({ min: 10000, max: 10000000 }),
      default: 100000,
      doc: 'Chunks checked per second at most.',
      ignored: eventDriven,
    },
    CHUNKS_LOOP_MIN_TIME: {
      kind: whole({ min: 60, max: 7200 }),
      default: 300,
      unit: 'seconds',
      doc: 'Shortest time for a check of all chunks.',
      oldNames: { CHUNKS_LOOP_TIME: sameValue },
      ignored: eventDriven,
    },
    CHUNKS_SOFT_DEL_LIMIT: {
      kind: whole({ min: 1 }),
      default: 10,
      doc: 'Simultaneous deletions on one chunkserver, normally.',
    },
    CHUNKS_HARD_DEL_LIMIT: {
      kind: whole({ min: 1 }),
      default: 25,
      doc: 'Simultaneous deletions on one chunkserver at most.',
    },
    CHUNKS_WRITE_REP_LIMIT: {
      kind: fourLimits,
      default: [2, 1, 1, 4] as FourLimits,
      doc: 'Replications to one chunkserver: endangered, undergoal, rebalance near average, other rebalance.',
    },
    CHUNKS_READ_REP_LIMIT: {
      kind: fourLimits,
      default: [10, 5, 2, 5] as FourLimits,
      doc: 'Replications from one chunkserver: endangered, undergoal, rebalance near average, other rebalance.',
    },
    CS_HEAVY_LOAD_THRESHOLD: {
      kind: whole(),
      default: 150,
      doc: 'Load above which a chunkserver may get a grace period.',
    },
    CS_HEAVY_LOAD_RATIO_THRESHOLD: {
      kind: real({ min: 0 }),
      default: 3,
      doc: 'And its load must be so many times the average.',
    },
    CS_HEAVY_LOAD_GRACE_PERIOD: {
      kind: whole(),
      default: 900,
      unit: 'seconds',
      doc: 'Length of the grace period.',
    },
    ACCEPTABLE_PERCENTAGE_DIFFERENCE: {
      kind: real({ min: 0.1, max: 10 }),
      default: 1,
      unit: 'percent points',
      doc: 'Wanted maximum difference of usage between chunkservers.',
      oldNames: { ACCEPTABLE_DIFFERENCE: text => String(Number(text) * 100) },
    },
    PRIORITY_QUEUES_LENGTH: {
      kind: whole({ min: 10000 }),
      default: 1000000,
      doc: 'Length of the queues of chunks that need work first.',
      ignored: eventDriven,
    },
    CS_MAINTENANCE_MODE_TIMEOUT: {
      kind: whole(),
      default: 0,
      unit: 'seconds',
      doc: 'Maintenance mode ends after so long; 0: never by itself.',
    },
    CS_TEMP_MAINTENANCE_MODE_TIMEOUT: {
      kind: whole(),
      default: 1800,
      unit: 'seconds',
      doc: 'How long a chunkserver that was stopped in order is expected back.',
    },
    CS_DAYS_TO_REMOVE_UNUSED: {
      kind: whole(),
      default: 7,
      unit: 'days',
      doc: 'Disconnected chunkservers without chunks are forgotten after so long; 0 or more than 365: never.',
    },
    MATOCL_LISTEN_HOST: {
      kind: listenHost,
      default: '*',
      doc: 'Address for clients.',
      oldNames: { MATOCU_LISTEN_HOST: sameValue },
    },
    MATOCL_LISTEN_PORT: {
      kind: port,
      default: 9421,
      doc: 'Port for clients.',
      oldNames: { MATOCU_LISTEN_PORT: sameValue },
    },
    SESSION_SUSTAIN_TIME: {
      kind: whole({ min: 60, max: 604800 }),
      default: 86400,
      unit: 'seconds',
      doc: 'How long the session of a vanished client is kept.',
    },
    QUOTA_DEFAULT_GRACE_PERIOD: {
      kind: whole(),
      default: 604800,
      unit: 'seconds',
      doc: 'Grace period of soft quotas that have none of their own.',
      oldNames: { QUOTA_TIME_LIMIT: sameValue },
    },
    ATIME_MODE: {
      kind: choice([0, 1, 2, 3, 4], 0),
      default: 2,
      doc: 'Access times: 0 always; 1 always, files only; 2 relatime; 3 relatime, files only; 4 never.',
    },
    RESERVE_SPACE: {
      kind: reserve,
      default: { kind: 'bytes', bytes: 0 } as Reserve,
      doc: 'Space that only root may use.',
    },
    MAX_ALLOWED_HARD_LINKS: { kind: whole({ min: 8, max: 65000 }), default: 32767, doc: 'Most hard links of a file.' },
    INODE_REUSE_DELAY: {
      kind: whole({ min: 300, max: 3000000 }),
      default: 86400,
      unit: 'seconds',
      doc: 'Time before the number of a deleted file is used again.',
    },
    ...haOptions,
  },
  reconcile(values, isSet) {
    const notes: string[] = []
    let saveFreq = values.METADATA_SAVE_FREQ
    const saveFreqMax = Math.max(1, Math.floor(values.BACK_LOGS / 2))
    if (saveFreq > saveFreqMax) {
      saveFreq = saveFreqMax
      notes.push(`METADATA_SAVE_FREQ is more than half of BACK_LOGS, using ${saveFreq}`)
    }
    let soft = values.CHUNKS_SOFT_DEL_LIMIT
    let hard = values.CHUNKS_HARD_DEL_LIMIT
    if (isSet('CHUNKS_SOFT_DEL_LIMIT') && !isSet('CHUNKS_HARD_DEL_LIMIT')) hard = soft * 3
    if (hard < soft) {
      soft = hard
      notes.push(`CHUNKS_SOFT_DEL_LIMIT is more than CHUNKS_HARD_DEL_LIMIT, using ${soft}`)
    }
    let remapBits = values.REMAP_BITS
    const remapped = isSet('REMAP_SOURCE_IP_CLASS') && isSet('REMAP_DESTINATION_IP_CLASS')
    if (isSet('REMAP_BITS') !== remapped || isSet('REMAP_SOURCE_IP_CLASS') !== isSet('REMAP_DESTINATION_IP_CLASS')) {
      remapBits = 0
      notes.push('REMAP_BITS, REMAP_SOURCE_IP_CLASS and REMAP_DESTINATION_IP_CLASS only work together: ignored')
    }
    return {
      values: {
        METADATA_SAVE_FREQ: saveFreq,
        CHUNKS_SOFT_DEL_LIMIT: soft,
        CHUNKS_HARD_DEL_LIMIT: hard,
        REMAP_BITS: remapBits,
      },
      notes,
    }
  },
})

export type MasterConfig = Values<typeof masterConfigFile.options>
