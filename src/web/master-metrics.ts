// Numbers that a master tells: of itself, of the file system, its chunks and its mounts.
import type { Cluster, FileCheck, Matrix, Quota, Session } from '../monitor/cluster.ts'
import { leaderOf, type MasterInfo } from '../monitor/masters.ts'
import { classSums } from '../monitor/sections/matrix.ts'
import * as monitors from '../protocol/monitors.ts'
import { OPERATIONS } from './charts-view.ts'
import { counter, gauge, type Metric, one, type Sample } from './metric-text.ts'

/** Processor time in billionths of one processor. */
const CPU_UNIT = 1e9

export function masterMetrics(info: MasterInfo): Metric[] {
  const { memory, systemCpu, userCpu, metaVersion, lastStore, lastDuration, lastStatus, microseconds } = info
  return [
    gauge('mfs_master_memory_bytes', 'Memory of the master.', one(memory)),
    gauge('mfs_master_cpu_ratio', 'Processors that the master used in its last full minute; 1 is one processor.', [
      { labels: { mode: 'system' }, value: systemCpu / CPU_UNIT },
      { labels: { mode: 'user' }, value: userCpu / CPU_UNIT },
    ]),
    gauge('mfs_master_time_seconds', 'The clock of the master.', one(microseconds / 1e6)),
    gauge('mfs_metadata_version', 'Version of the metadata: it grows with each change.', one(metaVersion)),
    gauge('mfs_metadata_save_timestamp_seconds', 'When metadata was saved last.', lastStore > 0 ? one(lastStore) : []),
    gauge(
      'mfs_metadata_save_duration_seconds',
      'How long the last save of metadata took.',
      lastStore > 0 ? one(lastDuration / 1000) : [],
    ),
    gauge(
      'mfs_metadata_save_status',
      'How metadata was saved last: 0 in background, 1 taken from another master, 2 in foreground.',
      lastStore > 0 ? one(lastStatus) : [],
    ),
  ]
}

export function spaceMetrics(info: MasterInfo): Metric[] {
  return [
    gauge('mfs_space_total_bytes', 'Space of all chunkservers.', one(info.total)),
    gauge('mfs_space_available_bytes', 'Space that new data may use.', one(info.available)),
    gauge('mfs_space_free_bytes', 'Free space, with what is kept in reserve.', one(info.free)),
    gauge('mfs_trash_bytes', 'Length of files in the trash.', one(info.trashSpace)),
    gauge('mfs_trash_files', 'Files in the trash.', one(info.trashNodes)),
    gauge('mfs_sustained_bytes', 'Length of deleted files that are open still.', one(info.sustainedSpace)),
    gauge('mfs_sustained_files', 'Deleted files that are open still.', one(info.sustainedNodes)),
    gauge('mfs_objects', 'Objects of the file system, of every kind.', one(info.nodes)),
    gauge('mfs_directories', 'Folders of the file system.', one(info.folders)),
    gauge('mfs_files', 'Files of the file system.', one(info.files)),
    gauge('mfs_chunks', 'Chunks of all files.', one(info.chunks)),
    gauge('mfs_chunk_copies', 'Copies of chunks.', [
      { labels: { disks: 'all' }, value: info.copies },
      { labels: { disks: 'regular' }, value: info.regularCopies },
    ]),
  ]
}

/** What the master has counted since it started, by number of the series (spec tools-and-admin A.5.8). */
export async function totalsOf({ masters }: Cluster): Promise<readonly number[]> {
  const leader = leaderOf(masters)
  if (!leader) return []
  return (await leader.daemon.ask(monitors.monotonicData.encode({}), monitors.totals)).counters
}

const Total = {
  FIRST_OPERATION: 4,
  PACKETS_IN: 21,
  PACKETS_OUT: 22,
  BYTES_IN: 23,
  BYTES_OUT: 24,
  FIRST_JOB: 30,
} as const
/** In the order of their series; each is counted as done, then as failed. */
const CHUNK_JOBS = ['delete', 'replicate', 'create', 'change']

export function totalMetrics(totals: readonly number[]): Metric[] {
  const total = (series: number) => totals[series] ?? 0
  const ways = (received: number, sent: number): Sample[] => [
    { labels: { way: 'received' }, value: total(received) },
    { labels: { way: 'sent' }, value: total(sent) },
  ]
  return [
    counter(
      'mfs_operations_total',
      'Operations of mounts since the master started.',
      OPERATIONS.map((operation, i) => ({ labels: { operation }, value: total(Total.FIRST_OPERATION + i) })),
    ),
    counter(
      'mfs_chunk_jobs_total',
      'What chunkservers did to chunks since the master started.',
      CHUNK_JOBS.flatMap((job, i) => [
        { labels: { job, result: 'ok' }, value: total(Total.FIRST_JOB + 2 * i) },
        { labels: { job, result: 'error' }, value: total(Total.FIRST_JOB + 2 * i + 1) },
      ]),
    ),
    counter('mfs_master_packets_total', 'Packets of clients.', ways(Total.PACKETS_IN, Total.PACKETS_OUT)),
    counter('mfs_master_bytes_total', 'Bytes of packets of clients.', ways(Total.BYTES_IN, Total.BYTES_OUT)),
  ]
}

export function chunkMetrics({
  isSettled,
  all,
  regular,
}: {
  isSettled: boolean
  all: Matrix
  regular: Matrix
}): Metric[] {
  const samples = Object.entries({ all, regular }).flatMap(([disks, matrix]) =>
    classSums(matrix).map(([state, value]) => ({ labels: { disks, state: state.replaceAll(' ', '_') }, value })),
  )
  return [
    gauge('mfs_chunks_by_state', 'Chunks by how many of the wanted copies are good.', samples),
    gauge(
      'mfs_chunks_settled',
      'Whether these numbers are right: no chunkserver is coming or going.',
      one(Number(isSettled)),
    ),
  ]
}

/** Nothing before the first look at all files is done. */
export function checkMetrics(check: FileCheck): Metric[] {
  const of = (value: number) => (check.to > 0 ? one(value) : [])
  return [
    gauge('mfs_check_timestamp_seconds', 'When the last look at all files ended.', of(check.to)),
    gauge('mfs_check_files', 'Files that the last look saw.', of(check.files)),
    gauge('mfs_check_undergoal_files', 'Files with chunks that have too few copies.', of(check.undergoalFiles)),
    gauge('mfs_check_missing_files', 'Files with chunks that have no good copy.', of(check.missingFiles)),
    gauge('mfs_check_undergoal_chunks', 'Chunks of files with too few copies.', of(check.undergoalChunks)),
    gauge('mfs_check_missing_chunks', 'Chunks of files without a good copy.', of(check.missingChunks)),
  ]
}

export function mountMetrics(sessions: readonly Session[]): Metric[] {
  const active = sessions.filter(({ connections }) => connections > 0)
  return [
    gauge('mfs_mounts', 'Mounts by whether they are connected.', [
      { labels: { state: 'active' }, value: active.length },
      { labels: { state: 'inactive' }, value: sessions.length - active.length },
    ]),
    gauge(
      'mfs_open_files',
      'Files that mounts have open.',
      one(sessions.reduce((sum, each) => sum + each.openFiles, 0)),
    ),
  ]
}

export function quotaMetrics(quotas: readonly Quota[]): Metric[] {
  return [
    gauge('mfs_quotas', 'Folders with a quota.', one(quotas.length)),
    gauge(
      'mfs_quotas_exceeded',
      'Folders above their quota.',
      one(quotas.filter(({ exceeded }) => exceeded !== 0).length),
    ),
  ]
}
