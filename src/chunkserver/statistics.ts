// What the charts of a chunkserver show (spec tools-and-admin A.5.8), and how it is counted. Each number is of one minute.
import { type ChartSet, networkBytes, plain, processorTime, type Scale, type Series } from '../charts/series.ts'
import type { Env, Usage } from '../env/env.ts'

/** Shown as bytes a second. */
const diskBytes: Scale = { multiplier: 1000, divisor: 60, power: -1, sign: '' }
/** Nanoseconds in a minute, shown as microseconds a second. */
const diskTime: Scale = { multiplier: 1, divisor: 60_000, power: -2, sign: '' }

const count = <N extends string>(name: N, code: string, scale = plain) => ({ name, code, join: 'sum', scale }) as const
const level = <N extends string>(name: N, code: string) => ({ name, code, join: 'max', scale: plain }) as const

/** In the order of their numbers. */
const series = [
  count('ucpu', 'UCPU', processorTime),
  count('scpu', 'SCPU', processorTime),
  count('masterin', 'MSTI', networkBytes),
  count('masterout', 'MSTO', networkBytes),
  count('csrepin', 'REPI', networkBytes),
  count('csrepout', 'REPO', networkBytes),
  count('csservin', 'SRVI', networkBytes),
  count('csservout', 'SRVO', networkBytes),
  count('hdrbytesr', 'HRBR', diskBytes),
  count('hdrbytesw', 'HRBW', diskBytes),
  count('hdrllopr', 'HROR'),
  count('hdrllopw', 'HROW'),
  count('databytesr', 'DTBR', diskBytes),
  count('databytesw', 'DTBW', diskBytes),
  count('datallopr', 'DTOR'),
  count('datallopw', 'DTOW'),
  count('hlopr', 'HLOR'),
  count('hlopw', 'HLOW'),
  count('rtime', 'TIMR', diskTime),
  count('wtime', 'TIMW', diskTime),
  count('repl', 'REPC'),
  count('create', 'CREC'),
  count('delete', 'DELC'),
  count('version', 'VERC'),
  count('duplicate', 'DUPC'),
  count('truncate', 'TRUC'),
  count('duptrunc', 'DTRC'),
  count('test', 'TSTC'),
  level('load', 'LOAD'),
  level('memoryrss', 'MEMR'),
  level('memoryvirt', 'MEMV'),
  count('movels', 'MOVL'),
  count('movehs', 'MOVH'),
  count('change', 'CHGC'),
] as const satisfies readonly Series[]

type SeriesName = (typeof series)[number]['name']

const pair = (name: string, code: string, upper: SeriesName, lower: SeriesName) => ({
  name,
  code,
  layers: [{ of: upper }, { of: lower }],
})

export const chunkserverCharts: ChartSet = {
  series,
  stacked: [
    pair('cpu', 'TCPU', 'ucpu', 'scpu'),
    pair('bwin', 'BWIN', 'csrepin', 'csservin'),
    pair('bwout', 'BWOU', 'csrepout', 'csservout'),
    pair('hddread', 'HDBR', 'hdrbytesr', 'databytesr'),
    pair('hddwrite', 'HDBW', 'hdrbytesw', 'databytesw'),
    pair('hddopsr', 'HDOR', 'hdrllopr', 'datallopr'),
    pair('hddopsw', 'HDOW', 'hdrllopw', 'datallopw'),
    { name: 'mem', code: 'TMEM', layers: [{ of: 'memoryvirt', less: 'memoryrss' }, { of: 'memoryrss' }] },
    pair('move', 'MOVE', 'movels', 'movehs'),
  ],
}

/** What is added up where it happens, since the beginning of the present minute. */
export type Counts = Record<SeriesName, number>

export const noCounts = (): Counts => Object.fromEntries(series.map(({ name }) => [name, 0])) as Counts

export class ChunkserverStatistics {
  readonly counts = noCounts()
  readonly #env: Env
  #before: Usage

  constructor(env: Env) {
    this.#env = env
    this.#before = env.usage()
  }

  /** The numbers of the minute that is over, in the order of the series; the next one begins. @param load most jobs at a time */
  take(load: number): number[] {
    const usage = this.#env.usage()
    const { counts } = this
    counts.ucpu = usage.userMicroseconds - this.#before.userMicroseconds
    counts.scpu = usage.systemMicroseconds - this.#before.systemMicroseconds
    counts.memoryrss = usage.memoryBytes
    counts.memoryvirt = usage.virtualBytes
    counts.load = load
    counts.change = counts.version + counts.duplicate + counts.truncate + counts.duptrunc
    this.#before = usage
    const values = series.map(({ name }) => counts[name])
    Object.assign(counts, noCounts())
    return values
  }
}
