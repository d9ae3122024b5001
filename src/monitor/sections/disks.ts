// HD: data folders of the connected chunkservers.
import { DiskFlag, type DiskStatistics } from '../../protocol/cstocl.ts'
import type { Cluster, Folder, Server } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { type Cell, cell, numberColumn, shareCell, textColumn } from '../table.ts'
import { bytesText, readable, timeText } from '../texts.ts'

const PERIODS = ['minute', 'hour', 'day'] as const
const MODES = 2 * PERIODS.length
const REMOVAL_STATES = ['', ' (not ready)', ' (ready)']
const NEARLY_FULL = 0.95

interface Transfers {
  readonly speeds: readonly number[]
  readonly times: readonly number[]
  readonly counts: readonly number[]
}

interface Disk {
  readonly server: Server
  readonly folder: Folder
  readonly place: string
  readonly path: string
  readonly statuses: readonly string[]
  /** Undefined when nothing happened. */
  readonly transfers: Transfers | undefined
}

/** Which numbers are shown; views that there are not are the first one. */
function viewOf({ mode = 0 }: Choice): { period: (typeof PERIODS)[number]; hasAverages: boolean } {
  const view = mode >= 0 && mode < MODES ? mode : 0
  return { period: PERIODS[view >> 1] ?? 'minute', hasAverages: view % 2 === 1 }
}

const divided = (a: number, b: number) => (b > 0 ? Math.floor(a / b) : 0)
const speed = (bytes: number, usec: number) => (usec > 0 ? Number((BigInt(bytes) * 1_000_000n) / BigInt(usec)) : 0)

function transfersOf(of: DiskStatistics, hasAverages: boolean): Transfers | undefined {
  const counts = [of.reads, of.writes, of.syncs]
  const speeds = [speed(of.bytesRead, of.usecRead), speed(of.bytesWritten, of.usecWrite + of.usecSync)]
  const times = hasAverages
    ? [divided(of.usecRead, of.reads), divided(of.usecWrite, of.writes), divided(of.usecSync, of.syncs)]
    : [of.usecReadMax, of.usecWriteMax, of.usecSyncMax]
  return [...counts, ...speeds, ...times].every(number => number === 0) ? undefined : { speeds, times, counts }
}

function statusesOf({ flags }: Folder, { removalStatus }: Server): string[] {
  const statuses: [number, string][] = [
    [DiskFlag.UNUSABLE, 'invalid'],
    [DiskFlag.DAMAGED, 'damaged'],
    [DiskFlag.MARKED_FOR_REMOVAL, `marked for removal${REMOVAL_STATES[removalStatus] ?? ''}`],
    [DiskFlag.SCANNING, 'scanning'],
  ]
  return statuses.filter(([flag]) => flags & flag).map(([, text]) => text)
}

const statusText = ({ statuses }: Disk) => statuses.join(', ') || 'ok'
const isScanning = ({ folder }: Disk) => (folder.flags & DiskFlag.SCANNING) !== 0
const part = ({ folder }: Disk) => (folder.total > 0 ? folder.used / folder.total : 0)
const number = (of: keyof Transfers, i: number) => (disk: Disk) => disk.transfers?.[of][i] ?? 0

const orders: Orders<Disk> = {
  2: ({ folder }) => folder.chunks,
  3: ({ folder }) => folder.errorTime,
  4: ({ folder }) => -folder.flags,
  ...{ 5: number('speeds', 0), 6: number('speeds', 1) },
  ...{ 7: number('times', 0), 8: number('times', 1), 9: number('times', 2) },
  ...{ 10: number('counts', 0), 11: number('counts', 1), 12: number('counts', 2) },
  13: disk => (isScanning(disk) ? 0 : disk.folder.used),
  14: disk => (isScanning(disk) ? 0 : disk.folder.total),
  15: disk => (isScanning(disk) ? 0 : part(disk)),
}

const usual = ({ server, path }: Disk) => [server.ip, server.port, path]
const tie = ({ place }: Disk) => place

async function inOrder(cluster: Cluster, choice: Choice): Promise<Disk[]> {
  const { period, hasAverages } = viewOf(choice)
  const found = await cluster.folders()
  const hostOf = await cluster.hosts(
    found.map(({ server }) => server.ip),
    choice.hasNames,
  )
  const disks = found.flatMap(({ server, folders }) =>
    folders.map(folder => {
      const path = readable(folder.path)
      return {
        ...{ server, folder, path, place: `${hostOf(server.ip)}:${server.port}:${path}` },
        statuses: statusesOf(folder, server),
        transfers: transfersOf(folder[period], hasAverages),
      }
    }),
  )
  return sorted(disks, { orders, usual, tie }, choice)
}

const hasError = ({ errorChunkId, errorTime }: Folder) => errorChunkId !== 0 || errorTime !== 0

function row(disk: Disk): string[] {
  const { folder, transfers } = disk
  const numbers = transfers ? [transfers.speeds, transfers.times, transfers.counts].flat() : Array(8).fill('-')
  return [
    'disks:',
    ...[disk.place, String(folder.chunks), hasError(folder) ? String(folder.errorTime) : 'no errors'],
    statusText(disk),
    ...numbers.map(String),
    ...(isScanning(disk) ? ['progress:', String(folder.used)] : [String(folder.used), String(folder.total)]),
  ]
}

function transferCells(transfers: Transfers | undefined): Cell[] {
  if (!transfers) return Array.from({ length: 8 }, () => cell('-'))
  const { speeds, times, counts } = transfers
  return [
    ...speeds.map(each => cell(`${bytesText(each)}/s`)),
    ...times.map(each => cell(`${each} us`)),
    ...counts.map(each => cell(each)),
  ]
}

function cells(disk: Disk): Cell[] {
  const { folder, statuses } = disk
  const space = isScanning(disk)
    ? [cell(`scanned: ${folder.used}%`), cell('-'), cell('-')]
    : [cell(bytesText(folder.used)), cell(bytesText(folder.total)), shareCell(folder.used, folder.total, NEARLY_FULL)]
  const isBroken = (folder.flags & (DiskFlag.DAMAGED | DiskFlag.UNUSABLE)) !== 0
  return [
    ...[cell(disk.place), cell(folder.chunks)],
    hasError(folder) ? cell(timeText(folder.errorTime), 'bad') : cell('no errors'),
    cell(statusText(disk), isBroken ? 'bad' : statuses.length > 0 ? 'notable' : 'good'),
    ...transferCells(disk.transfers),
    ...space,
  ]
}

function columnsOf(hasAverages: boolean) {
  const [transfer, operations] = ['transfer', '# of ops']
  const time = hasAverages ? 'average time' : 'max time'
  return [
    ...[textColumn('IP path', 1), numberColumn('chunks', 2), textColumn('last error', 3), textColumn('status', 4)],
    ...[numberColumn('read', 5, transfer), numberColumn('write', 6, transfer)],
    ...[numberColumn('read', 7, time), numberColumn('write', 8, time), numberColumn('fsync', 9, time)],
    ...[numberColumn('read', 10, operations), numberColumn('write', 11, operations)],
    ...[numberColumn('fsync', 12, operations), numberColumn('used', 13, 'space'), numberColumn('total', 14, 'space')],
    numberColumn('% used', 15, 'space'),
  ]
}

export const disks: Section = {
  async rows(cluster, choice) {
    return (await inOrder(cluster, choice)).map(row)
  },
  async tables(cluster, choice) {
    const { period, hasAverages } = viewOf(choice)
    const rows = (await inOrder(cluster, choice)).map(cells)
    const problems = (await cluster.folders()).flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
    return [
      {
        title: `Disks (I/O of the last ${period})`,
        columns: columnsOf(hasAverages),
        rows,
        notes: problems.map(problem => cell(problem, 'bad')),
      },
    ]
  },
}
