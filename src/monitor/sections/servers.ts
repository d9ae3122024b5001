// CS: chunkservers, those that are connected and those that are not.
import { ServerFlag } from '../../protocol/matocl.ts'
import type { Cluster, Server } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { type Cell, cell, numberColumn, shareCell, type Table, textColumn } from '../table.ts'
import { bytesText, versionText } from '../texts.ts'

const INTERNAL_REBALANCE = 0x80000000
const OVERLOADED = 0xc0000000
const REMOVAL_STATES = ['PENDING', 'NOT READY', 'READY']
const NEARLY_FULL = 0.95

type Named = Server & { readonly host: string }

export const serverVersion = ({ versionHigh, versionLow }: Server) => versionText(versionHigh * 0x10000 + versionLow)

function labelsText(mask: number): string {
  const letters = Array.from({ length: 26 }, (_, i) => i).filter(i => mask & (1 << i))
  return letters.map(i => String.fromCharCode(0x41 + i)).join(',') || '-'
}

/** How a chunkserver takes part: as usual, for a while with less, busy with itself, or with too much to do. */
function loadText({ load, grace }: Server): string {
  if (grace === 0) return String(load)
  if (grace === INTERNAL_REBALANCE) return `(${load})`
  return grace === OVERLOADED ? `<${load}>` : `[${load}]`
}

function removalText({ removalChunks, removalStatus }: Server): string {
  return removalChunks > 0 ? (REMOVAL_STATES[removalStatus] ?? 'PENDING') : '-'
}

function maintenanceText({ flags }: Server, temporary: string): string {
  if (!(flags & ServerFlag.MAINTENANCE)) return 'off'
  return flags & ServerFlag.TEMPORARY_MAINTENANCE ? temporary : 'on'
}

const part = (used: number, total: number) => (total > 0 ? used / total : 0)

const removalOrders: Orders<Named> = {
  9: ({ removalChunks }) => removalChunks,
  10: ({ removalUsed }) => removalUsed,
  11: ({ removalTotal }) => removalTotal,
  12: ({ removalUsed, removalTotal }) => part(removalUsed, removalTotal),
}
const orders: Orders<Named> = {
  1: ({ host }) => host,
  2: ({ port }) => port,
  3: ({ serverId }) => serverId,
  4: ({ versionHigh, versionLow }) => [versionHigh, versionLow],
  5: ({ chunks }) => chunks,
  6: ({ used }) => used,
  7: ({ total }) => total,
  8: ({ used, total }) => part(used, total),
  ...removalOrders,
}

async function inOrder(cluster: Cluster, choice: Choice): Promise<{ connected: Named[]; gone: Named[] }> {
  const servers = await cluster.servers()
  const hostOf = await cluster.hosts(
    servers.map(({ ip }) => ip),
    choice.hasNames,
  )
  const named = servers.map(server => ({ ...server, host: hostOf(server.ip) }))
  const usual = ({ ip, port }: Named) => [ip, port]
  const all = sorted(named, { orders, usual, tie: ({ host, port }) => [host, port] }, choice)
  const isGone = ({ flags }: Server) => (flags & ServerFlag.DISCONNECTED) !== 0
  return { connected: all.filter(server => !isGone(server)), gone: all.filter(isGone) }
}

const connectedRow = (server: Named): string[] => [
  'chunk servers:',
  ...[server.host, String(server.port), String(server.serverId), labelsText(server.labels), serverVersion(server)],
  ...[loadText(server), `maintenance_${maintenanceText(server, 'tmp_on')}`],
  ...[server.chunks, server.used, server.total].map(String),
  removalText(server),
  ...[server.removalChunks, server.removalUsed, server.removalTotal].map(String),
]

const goneRow = (server: Named): string[] => [
  'Disconnected chunk servers:',
  ...[server.host, String(server.port), String(server.serverId)],
  `maintenance_${maintenanceText(server, 'temp_on')}`,
]

function maintenanceCell(server: Server): Cell {
  const text = maintenanceText(server, 'on (temporary)')
  return cell(text, text === 'off' ? undefined : 'notable')
}

const connectedCells = (server: Named): Cell[] => [
  ...[cell(server.host), cell(server.port), cell(server.serverId), cell(labelsText(server.labels))],
  ...[cell(serverVersion(server)), cell(loadText(server), server.grace === 0 ? undefined : 'notable')],
  maintenanceCell(server),
  ...[cell(server.chunks), cell(bytesText(server.used)), cell(bytesText(server.total))],
  shareCell(server.used, server.total, NEARLY_FULL),
  cell(removalText(server), removalText(server) === 'READY' ? 'good' : undefined),
  ...[cell(server.removalChunks), cell(bytesText(server.removalUsed)), cell(bytesText(server.removalTotal))],
  shareCell(server.removalUsed, server.removalTotal),
]

const [REGULAR, REMOVAL] = ["'regular' hdd space", "'marked for removal' hdd space"]
const places = [textColumn('ip/host', 1), numberColumn('port', 2), numberColumn('id', 3)]
const columns = [
  ...[...places, textColumn('labels'), textColumn('version', 4), numberColumn('load'), textColumn('maintenance')],
  ...[numberColumn('chunks', 5, REGULAR), numberColumn('used', 6, REGULAR), numberColumn('total', 7, REGULAR)],
  ...[numberColumn('% used', 8, REGULAR), textColumn('status', undefined, REGULAR)],
  ...[numberColumn('chunks', 9, REMOVAL), numberColumn('used', 10, REMOVAL), numberColumn('total', 11, REMOVAL)],
  numberColumn('% used', 12, REMOVAL),
]

function goneTable(gone: readonly Named[]): Table {
  const rows = gone.map(server => [
    ...[cell(server.host, 'bad'), cell(server.port), cell(server.serverId), maintenanceCell(server)],
    cell(`mfscli -C RC/${server.host}/${server.port}`, 'quiet'),
  ])
  return {
    title: 'Disconnected chunk servers',
    columns: [...places, textColumn('maintenance'), textColumn('command to remove')],
    rows,
  }
}

export const servers: Section = {
  async rows(cluster, choice) {
    const { connected, gone } = await inOrder(cluster, choice)
    return [...connected.map(connectedRow), ...(gone.length > 0 ? [[], [], ...gone.map(goneRow)] : [])]
  },
  async tables(cluster, choice) {
    const { connected, gone } = await inOrder(cluster, choice)
    const table = { title: 'Chunk Servers', columns, rows: connected.map(connectedCells) }
    return gone.length > 0 ? [table, goneTable(gone)] : [table]
  },
}
