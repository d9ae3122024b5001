// Columns of chart data: which series of a daemon each name stands for, and how its numbers are written (spec
// tools-and-admin C.2, A.5.8).
import type { Series } from './cluster.ts'
import type { ChartColumn } from './section.ts'
import { bytesText } from './texts.ts'

/** Seconds of a point, by range. */
export const STEP_SECONDS = [60, 360, 1800, 86_400] as const
/** A point of which nothing is known. */
const UNKNOWN = 0xffffffffffffffffn
const MEBIBYTE = 1024 ** 2

/** How numbers are written; `raw`: as the daemon keeps them, where that is another number. */
interface Style {
  text(value: bigint, stepSeconds: number): string
  raw?(value: bigint, stepSeconds: number): string
}

const processorPercent = (value: bigint, step: number) => Number(value) / (10_000 * step)
const processor: Style = {
  text: (value, step) => `${processorPercent(value, step).toFixed(2)}%`,
  raw: (value, step) => `${processorPercent(value, step).toFixed(8)}%`,
}
const rate: Style = { text: (value, step) => `${(Number(value) / step).toFixed(3)}/s` }
const amount: Style = { text: bytesText }
const throughput: Style = { text: (value, step) => `${(Number(value) / step / MEBIBYTE).toFixed(3)}MB/s` }
const diskTime: Style = { text: (value, step) => `${(Number(value) / step / 1e7).toFixed(2)}%` }
const threads: Style = { text: value => `${value} threads`, raw: value => `${value} threads` }

/** The numbers of the series that are added up, and their style. */
type Kind = readonly [series: readonly number[], style: Style]

const inOrder = (names: readonly string[], style: (name: string) => Style): [string, Kind][] =>
  names.map((name, i) => [name, [[i], style(name)]])

const MASTER_SERIES = [
  ...['ucpu', 'scpu', 'delete', 'replicate', 'statfs', 'getattr', 'setattr', 'lookup', 'mkdir', 'rmdir', 'symlink'],
  ...['readlink', 'mknod', 'unlink', 'rename', 'link', 'readdir', 'open', 'read', 'write', 'memoryrss', 'prcvd'],
  ...['psent', 'brcvd', 'bsent', 'memoryvirt', 'usedspace', 'totalspace', 'create', 'change', 'delete_ok'],
  ...['delete_err', 'replicate_ok', 'replicate_err', 'create_ok', 'create_err', 'change_ok', 'change_err'],
]
const CHUNKSERVER_SERIES = [
  ...['ucpu', 'scpu', 'masterin', 'masterout', 'csrepin', 'csrepout', 'csservin', 'csservout', 'hdrbytesr'],
  ...['hdrbytesw', 'hdrllopr', 'hdrllopw', 'databytesr', 'databytesw', 'datallopr', 'datallopw', 'hlopr', 'hlopw'],
  ...['rtime', 'wtime', 'repl', 'create', 'delete', 'version', 'duplicate', 'truncate', 'duptrunc', 'test', 'load'],
  ...['memoryrss', 'memoryvirt', 'movels', 'movehs'],
]

function styleOf(name: string): Style {
  if (name.endsWith('cpu')) return processor
  if (name.startsWith('memory') || name.endsWith('space')) return amount
  if (name.startsWith('hdrbytes') || name.startsWith('databytes')) return throughput
  if (name === 'rtime' || name === 'wtime') return diskTime
  return name === 'load' ? threads : rate
}

/** @param aliases other names */
function kinds(series: readonly string[], aliases: Readonly<Record<string, string>>): ReadonlyMap<string, Kind> {
  const all = new Map<string, Kind>([...inOrder(series, styleOf), ['cpu', [[0, 1], processor]]])
  for (const [alias, name] of Object.entries(aliases)) all.set(alias, all.get(name) as Kind)
  return all
}

const MEMORY = { memrss: 'memoryrss', rmem: 'memoryrss', mem: 'memoryrss', memvirt: 'memoryvirt', vmem: 'memoryvirt' }
const masterKinds = kinds(MASTER_SERIES, { ...MEMORY, del: 'delete', rep: 'replicate', repl: 'replicate' })
const chunkserverKinds = kinds(CHUNKSERVER_SERIES, MEMORY)

export type ChartOwner = 'master' | 'chunkserver'

const kindOf = (owner: ChartOwner, name: string): Kind | undefined =>
  (owner === 'master' ? masterKinds : chunkserverKinds).get(name)

export const isChart = (owner: ChartOwner, name: string): boolean => kindOf(owner, name) !== undefined

/** Names of the charts that there are. */
export const chartNames = (owner: ChartOwner): string[] => [
  ...(owner === 'master' ? masterKinds : chunkserverKinds).keys(),
]

/** The ids by which a daemon is asked for a column. */
export const chartIds = (owner: ChartOwner, { name }: ChartColumn, range: number): number[] =>
  (kindOf(owner, name)?.[0] ?? []).map(series => 10 * series + range)

/** A point of a column. @param series of all its ids @param age points before the newest one */
export function pointText(
  owner: ChartOwner,
  { name, isRaw }: ChartColumn,
  series: readonly (Series | undefined)[],
  age: number,
  range: number,
): string {
  const values = series.map(each => each?.values[age] ?? UNKNOWN)
  const style = kindOf(owner, name)?.[1]
  if (!style || values.includes(UNKNOWN)) return '-'
  const value = values.reduce((sum, each) => sum + each, 0n)
  if (!isRaw) return style.text(value, STEP_SECONDS[range] as number)
  return style.raw?.(value, STEP_SECONDS[range] as number) ?? String(value)
}
