// /metrics: the numbers of a cluster for Prometheus. docs/monitor.md lists them.
import type { Cluster } from '../monitor/cluster.ts'
import { type Daemon, Unanswered } from '../monitor/daemon.ts'
import { type Master, UnknownMaster } from '../monitor/masters.ts'
import { MasterPlace } from '../protocol/matocl.ts'
import {
  checkMetrics,
  chunkMetrics,
  masterMetrics,
  mountMetrics,
  quotaMetrics,
  spaceMetrics,
  totalMetrics,
  totalsOf,
} from './master-metrics.ts'
import { gauge, type Metric, metricText, one } from './metric-text.ts'
import { diskMetrics, serverMetrics } from './server-metrics.ts'
import { NoLeader, type WatchedCluster } from './watched-cluster.ts'

/** A cluster without a master has numbers, too: that it has none. */
export async function metricsText(watched: WatchedCluster): Promise<string> {
  try {
    return metricText(await watched.use(metricsOf))
  } catch (error) {
    if (error instanceof NoLeader) return metricText([up(0), ...aboutMasters(error.masters)])
    if (error instanceof UnknownMaster || error instanceof Unanswered) return metricText([up(0)])
    throw error
  }
}

const up = (value: number) => gauge('mfs_up', 'Whether a master that leads answers.', one(value))

const labelsOf = ({ host, port }: Daemon) => ({ master: `${host}:${port}` })

const mastersUp = (masters: readonly Master[]) =>
  gauge(
    'mfs_master_up',
    'Whether this master answers.',
    masters.map(({ daemon, info }) => ({ labels: labelsOf(daemon), value: info ? 1 : 0 })),
  )

const mastersLead = (masters: readonly Master[]) =>
  gauge(
    'mfs_master_leads',
    'Whether this master leads.',
    masters.map(({ daemon, state }) => ({ labels: labelsOf(daemon), value: state === 'leads' ? 1 : 0 })),
  )

const mastersInSync = (masters: readonly Master[]) =>
  gauge(
    'mfs_master_in_sync',
    'Whether this master has all that was acknowledged; of those that are one of several.',
    masters.flatMap(({ daemon, info }) =>
      info && info.state !== MasterPlace.ALONE ? [{ labels: labelsOf(daemon), value: info.sync }] : [],
    ),
  )

const aboutMasters = (masters: readonly Master[]) => [mastersUp(masters), mastersLead(masters), mastersInSync(masters)]

async function metricsOf(cluster: Cluster): Promise<Metric[]> {
  return [
    up(1),
    ...aboutMasters(cluster.masters),
    ...masterMetrics(cluster.info),
    ...totalMetrics(await totalsOf(cluster)),
    ...spaceMetrics(cluster.info),
    ...chunkMetrics(await cluster.matrices()),
    ...checkMetrics(await cluster.fileCheck()),
    ...serverMetrics(await cluster.servers()),
    ...diskMetrics(await cluster.folders()),
    ...mountMetrics(await cluster.sessions()),
    gauge('mfs_metaloggers', 'Metaloggers that are connected.', one((await cluster.metaloggers()).length)),
    ...quotaMetrics(await cluster.quotas()),
  ]
}
