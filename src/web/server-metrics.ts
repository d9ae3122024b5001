// Numbers of chunkservers and their disks.
import type { Folder, Server, ServerFolders } from '../monitor/cluster.ts'
import { serverVersion } from '../monitor/sections/servers.ts'
import { readable } from '../monitor/texts.ts'
import { DiskFlag } from '../protocol/cstocl.ts'
import { ServerFlag } from '../protocol/matocl.ts'
import { formatIpv4 } from '../util/ipv4.ts'
import { gauge, type Metric, type Sample } from './metric-text.ts'

const labelsOf = (mask: number) => [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter((_, bit) => mask & (1 << bit)).join(',')

const addressOf = ({ ip, port }: Server) => `${formatIpv4(ip)}:${port}`

export function serverMetrics(servers: readonly Server[]): Metric[] {
  const isConnected = ({ flags }: Server) => !(flags & ServerFlag.DISCONNECTED)
  const connected = servers.filter(isConnected)
  const of = (value: (server: Server) => number, which: readonly Server[] = connected): Sample[] =>
    which.map(server => ({ labels: { server: addressOf(server) }, value: value(server) }))
  const byDisks = (regular: (server: Server) => number, removal: (server: Server) => number): Sample[] =>
    connected.flatMap(server => [
      { labels: { server: addressOf(server), disks: 'regular' }, value: regular(server) },
      { labels: { server: addressOf(server), disks: 'removal' }, value: removal(server) },
    ])
  return [
    gauge(
      'mfs_chunkserver_up',
      'Whether this chunkserver is connected.',
      of(server => Number(isConnected(server)), servers),
    ),
    gauge(
      'mfs_chunkserver_maintenance',
      'Whether maintenance is switched on.',
      of(({ flags }) => Number((flags & ServerFlag.MAINTENANCE) !== 0), servers),
    ),
    gauge(
      'mfs_chunkserver_info',
      'Always 1: its labels tell id, version and labels of the chunkserver.',
      connected.map(server => ({
        labels: {
          server: addressOf(server),
          id: server.serverId,
          version: serverVersion(server),
          labels: labelsOf(server.labels),
        },
        value: 1,
      })),
    ),
    gauge(
      'mfs_chunkserver_total_bytes',
      'Space of the disks of this chunkserver.',
      byDisks(
        each => each.total,
        each => each.removalTotal,
      ),
    ),
    gauge(
      'mfs_chunkserver_used_bytes',
      'Used space of the disks of this chunkserver.',
      byDisks(
        each => each.used,
        each => each.removalUsed,
      ),
    ),
    gauge(
      'mfs_chunkserver_chunks',
      'Copies of chunks on the disks of this chunkserver.',
      byDisks(
        each => each.chunks,
        each => each.removalChunks,
      ),
    ),
    gauge(
      'mfs_chunkserver_load',
      'Jobs that wait or are being done.',
      of(({ load }) => load),
    ),
    gauge(
      'mfs_chunkserver_overloaded',
      'Whether it is spared new chunks: overloaded now or a moment ago, or moving chunks between its disks.',
      of(({ grace }) => Number(grace > 0)),
    ),
    gauge(
      'mfs_chunkserver_errors',
      'Errors of disks that it has told the master of.',
      of(({ errors }) => errors),
    ),
  ]
}

export function diskMetrics(servers: readonly ServerFolders[]): Metric[] {
  const disks = servers.flatMap(({ server, folders }) =>
    folders.map(folder => ({ labels: { server: addressOf(server), path: readable(folder.path) }, folder })),
  )
  const of = (value: (folder: Folder) => number, which = disks): Sample[] =>
    which.map(({ labels, folder }) => ({ labels, value: value(folder) }))
  // While it is looked through, these numbers say how far that is.
  const known = disks.filter(({ folder }) => !(folder.flags & DiskFlag.SCANNING))
  const has = (flag: number) => (folder: Folder) => Number((folder.flags & flag) !== 0)
  return [
    gauge(
      'mfs_chunkserver_disks_known',
      'Whether this chunkserver tells of its disks.',
      servers.map(({ server, problem }) => ({
        labels: { server: addressOf(server) },
        value: Number(problem === undefined),
      })),
    ),
    gauge(
      'mfs_disk_total_bytes',
      'Space of this disk.',
      of(({ total }) => total, known),
    ),
    gauge(
      'mfs_disk_used_bytes',
      'Used space of this disk.',
      of(({ used }) => used, known),
    ),
    gauge(
      'mfs_disk_chunks',
      'Copies of chunks on this disk.',
      of(({ chunks }) => chunks),
    ),
    gauge('mfs_disk_damaged', 'Whether this disk was given up.', of(has(DiskFlag.DAMAGED | DiskFlag.UNUSABLE))),
    gauge('mfs_disk_removal', 'Whether this disk is marked for removal.', of(has(DiskFlag.MARKED_FOR_REMOVAL))),
    gauge('mfs_disk_scanning', 'Whether this disk is being looked through.', of(has(DiskFlag.SCANNING))),
    gauge(
      'mfs_disk_error_timestamp_seconds',
      'When this disk had its last error.',
      of(
        ({ errorTime }) => errorTime,
        disks.filter(({ folder }) => folder.errorTime > 0),
      ),
    ),
  ]
}
