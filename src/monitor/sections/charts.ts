// MC and CC: numbers of the charts of the master and of chunkservers, newest first.
import { type ChartOwner, chartIds, pointText, STEP_SECONDS } from '../chart-columns.ts'
import type { Cluster, Series } from '../cluster.ts'
import { Unanswered } from '../daemon.ts'
import type { ChartColumn, Choice, Section } from '../section.ts'
import { cell, numberColumn, type Table, textColumn } from '../table.ts'

const POINTS = 25
const CHUNKSERVER_PORT = 9422

type Ask = (cluster: Cluster, column: ChartColumn, id: number, points: number) => Promise<Series | undefined>

const askMaster: Ask = (cluster, _, id, points) => cluster.masterSeries(id, points)

/** One that does not answer spoils only its own columns. */
const askChunkserver: Ask = async (cluster, { host = '', port = CHUNKSERVER_PORT }, id, points) => {
  try {
    return await cluster.serverSeries(host, port, id, points)
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    const problem = `charts of chunkserver ${error.message}`
    if (!cluster.problems.includes(problem)) cluster.problems.push(problem)
    return undefined
  }
}

/** Times of charts are those of the walls there. */
const momentText = (seconds: number) => new Date(1000 * seconds).toISOString().slice(0, 16).replace('T', ' ')

interface Part {
  readonly owner: ChartOwner
  readonly title: string
  readonly ask: Ask
}

async function chartRows({ owner, ask }: Part, cluster: Cluster, choice: Choice): Promise<string[][]> {
  const { columns = [], mode = 0, points = POINTS } = choice
  const range = mode in STEP_SECONDS ? mode : 0
  if (points === 0) return []
  const found = await Promise.all(
    columns.map(column => Promise.all(chartIds(owner, column, range).map(id => ask(cluster, column, id, points)))),
  )
  const answered = found.flat().filter(series => series !== undefined)
  const newest = Math.max(...answered.map(({ time }) => time))
  const length = Math.min(points, Math.max(0, ...answered.map(({ values }) => values.length)))
  return Array.from({ length }, (_, age) => [
    momentText(newest - age * (STEP_SECONDS[range] as number)),
    ...columns.map((column, i) => pointText(owner, column, found[i] ?? [], age, range)),
  ])
}

const headOf = ({ host, name }: ChartColumn) => (host === undefined ? name : `${host}: ${name}`)

const chartSection = (part: Part): Section => ({
  async rows(cluster, choice) {
    return (await chartRows(part, cluster, choice)).map(row => [`${part.title}:`, ...row])
  },
  async tables(cluster, choice): Promise<Table[]> {
    const rows = (await chartRows(part, cluster, choice)).map(row => row.map(text => cell(text)))
    const heads = (choice.columns ?? []).map(column => numberColumn(headOf(column)))
    return [{ title: part.title, columns: [textColumn('time'), ...heads], rows }]
  },
})

export const masterCharts = chartSection({ owner: 'master', title: 'Master chart data', ask: askMaster })
export const chunkserverCharts = chartSection({
  owner: 'chunkserver',
  title: 'Chunkserver chart data',
  ask: askChunkserver,
})
