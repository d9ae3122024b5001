// MB: metaloggers that are connected.
import type { Cluster } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { cell, textColumn } from '../table.ts'
import { versionText } from '../texts.ts'

interface Logger {
  readonly ip: number
  readonly host: string
  readonly version: number
}

const orders: Orders<Logger> = { 1: ({ host }) => host, 2: ({ version }) => version }

async function inOrder(cluster: Cluster, choice: Choice): Promise<string[][]> {
  const loggers = await cluster.metaloggers()
  const hostOf = await cluster.hosts(
    loggers.map(({ ip }) => ip),
    choice.hasNames,
  )
  const named = loggers.map(logger => ({ ...logger, host: hostOf(logger.ip) }))
  const usual = ({ ip, version }: Logger) => [ip, version]
  const tie = ({ host, version }: Logger) => [host, version]
  return sorted(named, { orders, usual, tie }, choice).map(({ host, version }) => [host, versionText(version)])
}

export const metaloggers: Section = {
  async rows(cluster, choice) {
    return (await inOrder(cluster, choice)).map(row => ['metadata backup loggers:', ...row])
  },
  async tables(cluster, choice) {
    const rows = (await inOrder(cluster, choice)).map(row => row.map(text => cell(text)))
    return [{ title: 'Metadata Backup Loggers', columns: [textColumn('ip/host', 1), textColumn('version', 2)], rows }]
  },
}
