// MS: sessions of mounts, those with a connection and those that are remembered for a while.
import type { Cluster, Session } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { cell, numberColumn, type Table, textColumn } from '../table.ts'
import { readable, spanText, versionText } from '../texts.ts'
import { isMeta, limitCells, limitColumns, limitFields, limitOrders } from './session-limits.ts'

export type Mount = Session & { readonly host: string; readonly mountPoint: string }

const FIRST_LIMIT = 8

/** Of all sessions, with their hosts. */
export async function mountsOf(cluster: Cluster, choice: Choice): Promise<Mount[]> {
  const sessions = await cluster.sessions()
  const hostOf = await cluster.hosts(
    sessions.map(({ ip }) => ip),
    choice.hasNames,
  )
  return sessions.map(session => ({ ...session, host: hostOf(session.ip), mountPoint: readable(session.info) }))
}

const isActive = ({ connections }: Session) => connections > 0

const shared: Orders<Mount> = {
  1: ({ sessionId }) => sessionId,
  2: ({ host }) => host,
  3: ({ mountPoint }) => mountPoint,
  4: ({ openFiles }) => openFiles,
}
const orders: Orders<Mount> = {
  ...shared,
  5: ({ connections }) => connections,
  6: ({ version }) => version,
  7: ({ path }) => path,
  ...limitOrders(FIRST_LIMIT),
}
const inactiveOrders: Orders<Mount> = { ...orders, 5: ({ expiresSeconds }) => expiresSeconds }

async function inOrder(cluster: Cluster, choice: Choice): Promise<{ active: Mount[]; inactive: Mount[] }> {
  const all = await mountsOf(cluster, choice)
  const usual = ({ host, sessionId }: Mount) => [host, sessionId]
  const tie = ({ sessionId }: Mount) => sessionId
  const inactive = all.filter(mount => !isActive(mount))
  return {
    active: sorted(all.filter(isActive), { orders, usual, tie }, choice),
    inactive: sorted(inactive, { orders: inactiveOrders, usual, tie }, choice),
  }
}

/** The original's program for the browser has left a trace. */
const rootField = (mount: Mount) => (isMeta(mount) ? '.&nbsp;(META)' : readable(mount.path))

const activeRow = (mount: Mount): string[] => [
  'active mounts, parameters:',
  ...[String(mount.sessionId), mount.host, mount.mountPoint, String(mount.openFiles), String(mount.connections)],
  ...[versionText(mount.version), rootField(mount), ...limitFields(mount)],
]

const inactiveRow = (mount: Mount): string[] => [
  'inactive mounts, parameters:',
  ...[String(mount.sessionId), mount.host, mount.mountPoint, String(mount.openFiles), String(mount.expiresSeconds)],
]

const columns = [
  ...[numberColumn('session id', 1), textColumn('ip/host', 2), textColumn('mount point', 3)],
  ...[numberColumn('open files', 4), numberColumn('connections', 5), textColumn('version', 6)],
  ...[textColumn('root dir', 7), ...limitColumns(FIRST_LIMIT)],
]

function activeTable(mounts: readonly Mount[]): Table {
  const rows = mounts.map(mount => [
    ...[cell(mount.sessionId), cell(mount.host), cell(mount.mountPoint), cell(mount.openFiles)],
    ...[cell(mount.connections), cell(versionText(mount.version))],
    ...[cell(isMeta(mount) ? '. (META)' : readable(mount.path)), ...limitCells(mount)],
  ])
  return { title: 'Active mounts (parameters)', columns, rows }
}

function inactiveTable(mounts: readonly Mount[]): Table {
  const rows = mounts.map(mount => [
    ...[cell(mount.sessionId), cell(mount.host), cell(mount.mountPoint), cell(mount.openFiles)],
    ...[cell(spanText(mount.expiresSeconds)), cell(`mfscli -C RS/${mount.sessionId}`, 'quiet')],
  ])
  const tail = [numberColumn('expires', 5), textColumn('command to remove')]
  return { title: 'Inactive mounts (parameters)', columns: [...columns.slice(0, 4), ...tail], rows }
}

export const mounts: Section = {
  async rows(cluster, choice) {
    const { active, inactive } = await inOrder(cluster, choice)
    return [...active.map(activeRow), ...(inactive.length > 0 ? [[], [], ...inactive.map(inactiveRow)] : [])]
  },
  async tables(cluster, choice) {
    const { active, inactive } = await inOrder(cluster, choice)
    return inactive.length > 0 ? [activeTable(active), inactiveTable(inactive)] : [activeTable(active)]
  },
}
