// MU: what the master's tables take.
import type { TableMemory } from '../cluster.ts'
import type { Section } from '../section.ts'
import { type Cell, cell, numberColumn, shareCell, textColumn } from '../table.ts'
import { bytesText } from '../texts.ts'

/** In the order of the answer. */
const TABLES = [
  ...['chunk hash', 'chunks', 'cs lists', 'edge hash', 'edges', 'node hash', 'nodes', 'deleted nodes', 'chunk tabs'],
  ...['symlinks', 'quota'],
]

const columns = [
  ...[textColumn('object name'), numberColumn('memory used'), numberColumn('memory allocated')],
  ...[numberColumn('utilization'), numberColumn('share of all')],
]

function cells(name: string, { used, allocated }: TableMemory, all: number): Cell[] {
  const shares = [shareCell(used, allocated), shareCell(allocated, all)]
  return [cell(name), cell(bytesText(used)), cell(bytesText(allocated)), ...shares]
}

export const memory: Section = {
  async rows(cluster) {
    const tables = await cluster.memory()
    return tables.map(({ used, allocated }, i) => [
      'memory usage detailed info:',
      ...[TABLES[i] as string, String(used), String(allocated)],
    ])
  },
  async tables(cluster) {
    const tables = await cluster.memory()
    const sum = (of: 'used' | 'allocated') => tables.reduce((total, table) => total + table[of], 0)
    const total = { used: sum('used'), allocated: sum('allocated') }
    const rows = tables.map((table, i) => cells(TABLES[i] as string, table, total.allocated))
    rows.push(cells('total', total, total.allocated))
    return [{ title: 'Memory Usage Detailed Info', columns, rows }]
  },
}
