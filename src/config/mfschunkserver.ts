// mfschunkserver.cfg (spec daemons-and-config 4.2).
import { CONFIG_ROOT, commonOptions } from './common.ts'
import { flag, hosts, labels, listenHost, optionalText, path, port, real, size, whole } from './kinds.ts'
import { configFile, type Values } from './option.ts'

export const chunkserverConfigFile = configFile({
  program: 'mfschunkserver',
  options: {
    ...commonOptions('mfschunkserver'),
    HDD_CONF_FILENAME: {
      kind: path,
      default: `${CONFIG_ROOT}/mfs/mfshdd.cfg`,
      doc: 'List of folders for chunks; read again at each reload.',
    },
    HDD_TEST_SPEED: {
      kind: real({ min: 0 }),
      default: 1,
      unit: 'MB/s',
      doc: 'Speed at which the checksums of each disk are tested in the background; 0: not at all.',
      oldNames: { HDD_TEST_FREQ: text => String(Number(text) > 0 ? 10 / Number(text) : 0) },
    },
    HDD_MIN_TEST_INTERVAL: {
      kind: whole(),
      default: 86400,
      unit: 'seconds',
      doc: 'A chunk is not tested more often than this.',
    },
    HDD_FADVISE_MIN_TIME: {
      kind: whole({}),
      default: 86400,
      unit: 'seconds',
      doc: 'After a test the chunk leaves the page cache if it was not used for so long; 0: always, negative: never.',
      ignored: 'the system decides what stays in its page cache',
    },
    HDD_LEAVE_SPACE_DEFAULT: {
      kind: size,
      default: 256 * 1024 * 1024,
      doc: 'Space left free on folders without a size of their own.',
    },
    HDD_REBALANCE_UTILIZATION: {
      kind: whole({ min: 0, max: 100 }),
      default: 20,
      unit: 'percent',
      doc: 'Share of the time for moving chunks between the disks of this server; 0: none are moved.',
    },
    HDD_HIGH_SPEED_REBALANCE_LIMIT: {
      kind: whole({ min: 0, max: 10 }),
      default: 0,
      doc: 'Parallel writes per disk of the high-speed rebalance; 0: standard rebalance.',
      ignored: 'HDD_REBALANCE_UTILIZATION = 100 moves chunks as fast as one disk can be read',
    },
    HDD_ERROR_TOLERANCE_COUNT: {
      kind: whole({ min: 1, max: 10 }),
      default: 2,
      doc: 'So many I/O errors ...',
    },
    HDD_ERROR_TOLERANCE_PERIOD: {
      kind: whole({ min: 10, max: 86400 }),
      default: 600,
      unit: 'seconds',
      doc: '... within this time mark a disk as damaged.',
    },
    HDD_HANG_TIMEOUT: {
      kind: whole({ min: 1, max: 3600 }),
      default: 30,
      unit: 'seconds',
      doc: 'A disk that answers nothing for so long is marked as damaged; not in the original.',
    },
    HDD_FSYNC_BEFORE_CLOSE: { kind: flag, default: false, doc: 'Sync chunk files to the disk before closing them.' },
    HDD_SPARSIFY_ON_WRITE: { kind: flag, default: true, doc: 'Store no blocks of zeros.' },
    HDD_RR_CHUNK_COUNT: {
      kind: whole({ min: 1, max: 100000 }),
      default: 10000,
      doc: 'New chunks put into one sub-folder before the next one is used.',
    },
    HDD_KEEP_DUPLICATES_HOURS: {
      kind: whole({ min: 0, max: 2400 }),
      default: 168,
      unit: 'hours',
      doc: 'How long a second file of the same chunk is kept.',
    },
    ALLOW_STARTING_WITH_INVALID_DISKS: { kind: flag, default: false, doc: 'Start although some folders are unusable.' },
    WORKERS_MAX: { kind: whole({ min: 1 }), default: 250, doc: 'Most disk operations at a time.' },
    WORKERS_MAX_IDLE: {
      kind: whole(),
      default: 40,
      doc: 'Idle threads kept.',
      ignored: 'the number of threads is fixed at start (UV_THREADPOOL_SIZE)',
    },
    LABELS: { kind: labels, default: 0, doc: 'Labels for storage classes.' },
    BIND_HOST: { kind: listenHost, default: '*', doc: 'Local address of the connection to the master.' },
    MASTER_HOST: { kind: hosts, default: 'mfsmaster', doc: 'The master, or all masters of a cluster: a,b,c.' },
    MASTER_PORT: { kind: port, default: 9420, doc: 'Its port for chunkservers.' },
    MASTER_TIMEOUT: {
      kind: whole({ min: 0, max: 65535 }),
      default: 0,
      unit: 'seconds',
      doc: 'A master that is silent for so long is left; 0: as the master says, else at least 10.',
    },
    MASTER_RECONNECTION_DELAY: {
      kind: whole({ min: 1 }),
      default: 5,
      unit: 'seconds',
      doc: 'Time between attempts to connect.',
    },
    AUTH_CODE: {
      kind: optionalText,
      default: undefined as string | undefined,
      doc: 'Secret shared with the master.',
    },
    CHUNKS_PER_REGISTER_PACKET: {
      kind: whole({ min: 1000, max: 100000 }),
      default: 10000,
      doc: 'Chunks told to the master in one message.',
    },
    CSSERV_LISTEN_HOST: {
      kind: listenHost,
      default: '*',
      doc: 'Address for clients and other chunkservers, told to the master unless *.',
    },
    CSSERV_LISTEN_PORT: { kind: port, default: 9422, doc: 'Port for clients and other chunkservers.' },
  },
  reconcile: ({ MASTER_TIMEOUT }) =>
    MASTER_TIMEOUT > 0 && MASTER_TIMEOUT < 10
      ? { values: { MASTER_TIMEOUT: 10 }, notes: ['MASTER_TIMEOUT is too small, using 10'] }
      : { values: {}, notes: [] },
})

export type ChunkserverConfig = Values<typeof chunkserverConfigFile.options>
