// chart.cgi: a picture that a daemon draws, passed on. Only masters and chunkservers of the cluster are asked: the
// monitor is no way into the network for those who reach it.
import type { Cluster } from '../monitor/cluster.ts'
import { Daemon } from '../monitor/daemon.ts'
import * as charts from '../protocol/charts.ts'
import { formatIpv4 } from '../util/ipv4.ts'
import { Refusal, type Reply, reply } from './reply.ts'
import type { WatchedCluster } from './watched-cluster.ts'

const PNG_MARK = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
/** A new point comes each minute. */
const FOR_A_WHILE = { 'Cache-Control': 'private, max-age=20' }
const SIDE_PIXELS_MAX = 4200
const CHART_ID_MAX = 0xffffffff

/** @throws Refusal */
function numberOf(parameters: URLSearchParams, name: string, max: number): number | undefined {
  const text = parameters.get(name)
  if (text === null || text === '') return undefined
  if (!/^\d{1,10}$/.test(text) || Number(text) > max) throw new Refusal(400, `${name} must be a number up to ${max}`)
  return Number(text)
}

async function isOfCluster(cluster: Cluster, host: string, port: number): Promise<boolean> {
  if (cluster.masters.some(({ daemon }) => daemon.host === host && daemon.port === port)) return true
  return (await cluster.servers()).some(server => formatIpv4(server.ip) === host && server.port === port)
}

/** @throws Refusal, or what asking throws */
export async function chartReply(watched: WatchedCluster, { searchParams }: URL): Promise<Reply> {
  const chartId = numberOf(searchParams, 'id', CHART_ID_MAX) ?? 0
  const [width, height] = ['width', 'height'].map(name => numberOf(searchParams, name, SIDE_PIXELS_MAX))
  const size = width !== undefined && height !== undefined ? { width, height } : undefined
  const [host, port] = [searchParams.get('host') ?? '', numberOf(searchParams, 'port', 0xffff) ?? 0]
  const isKnown = await watched.use(cluster => isOfCluster(cluster, host, port))
  if (!isKnown) throw new Refusal(403, 'charts are those of masters and chunkservers of this cluster')
  const daemon = new Daemon(host, port)
  try {
    const { image } = await daemon.ask(charts.chart.encode({ chartId, size }), charts.chartImage)
    if (!image.subarray(0, PNG_MARK.length).equals(PNG_MARK)) throw new Refusal(502, `${host}:${port} sent no picture`)
    return reply('image/png', image, FOR_A_WHILE)
  } finally {
    daemon.close()
  }
}
