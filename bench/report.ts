// Figures as a table and as JSON.
import { type Column, type CpuSeconds, columnNames } from './sides.ts'
import type { Step } from './steps.ts'

/** One step on one column, once. */
export interface Sample {
  seconds: number
  /** Of the step's unit. */
  rate: number
  cpu: CpuSeconds
}

export interface Line {
  step: Step
  samples: Map<Column, Sample[]>
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

const ratesOf = (line: Line, column: Column) => (line.samples.get(column) ?? []).map(({ rate }) => rate)

/** Ours divided by the real one; NaN when one of the two was not measured. */
export function ratio(line: Line, column: Column): number {
  return median(ratesOf(line, column)) / median(ratesOf(line, 'real'))
}

function number(value: number): string {
  if (Number.isNaN(value)) return '-'
  return Math.round(value).toLocaleString('en')
}

/** Median and, of more than two, the least and the most. */
function rateText(rates: readonly number[]): string {
  const spread = rates.length > 2 ? ` (${number(Math.min(...rates))}-${number(Math.max(...rates))})` : ''
  return number(median(rates)) + spread
}

const ratioText = (value: number) => (Number.isNaN(value) ? '-' : value.toFixed(2))

/** Rows of cells as Markdown, which reads well in a terminal too; all columns but the first to the right. */
export function markdown(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)))
  const padded = (row: string[]) =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [padded(rows[0] ?? []), rule, ...rows.slice(1).map(padded)].join('\n')
}

export function rateTable(lines: readonly Line[], wanted: readonly Column[]): string {
  const compared = wanted.includes('real') ? wanted.filter(column => column !== 'real') : []
  const head = ['', 'unit', ...wanted.map(column => columnNames[column])]
  const rows = lines.map(line => [
    line.step.name,
    line.step.unit,
    ...wanted.map(column => rateText(ratesOf(line, column))),
    ...compared.map(column => ratioText(ratio(line, column))),
  ])
  return markdown([[...head, ...compared.map(column => `${column} / real`)], ...rows])
}

const cpuParts = ['master', 'chunkservers', 'mount'] as const

/** CPU seconds per GiB for data, microseconds per operation for the rest. */
export function cpuTable(lines: readonly Line[], wanted: readonly Column[]): string {
  const head = ['', 'unit', ...wanted.flatMap(column => cpuParts.map(part => `${column}: ${part}`))]
  const rows = lines.map(({ step, samples }) => {
    const isData = step.unit === 'MiB/s'
    const factor = isData ? 1024 / step.amount : 1e6 / step.amount
    const cell = (column: Column, part: (typeof cpuParts)[number]) =>
      median((samples.get(column) ?? []).map(({ cpu }) => cpu[part])) * factor
    const text = (value: number) => (isData ? ratioText(value) : number(value))
    const cells = wanted.flatMap(column => cpuParts.map(part => text(cell(column, part))))
    return [step.name, isData ? 's/GiB' : 'us/op', ...cells]
  })
  return markdown([head, ...rows])
}

export function toJson(lines: readonly Line[]): unknown {
  return lines.map(({ step, samples }) => ({
    ...step,
    columns: Object.fromEntries(
      [...samples].map(([column, all]) => [column, { median: median(all.map(({ rate }) => rate)), samples: all }]),
    ),
  }))
}
