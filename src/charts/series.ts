// What a chart shows. A daemon declares its series in the order of their numbers on the wire (spec tools-and-admin A.5.8).

/** How the values of several minutes become one: counts are added, levels keep the highest. */
export type Join = 'sum' | 'max'

/** How numbers stand beside the picture: `value * multiplier / divisor`, with a prefix of SI and a sign. */
export interface Scale {
  multiplier: number
  divisor: number
  /** The unit that the scaled value is in, as a power of 1000. */
  power: number
  sign: '' | '%'
}

export interface Series {
  name: string
  /** Four capitals: its other number on the wire. */
  code: string
  join: Join
  scale: Scale
}

/** Two amounts on top of each other; only a picture. An amount may be the difference of two series. */
export interface StackedChart {
  name: string
  code: string
  /** The upper one first. */
  layers: readonly { of: string; less?: string }[]
}

export interface ChartSet {
  series: readonly Series[]
  stacked: readonly StackedChart[]
}

/** Microseconds of work in a minute, shown as a share of one processor. */
export const processorTime: Scale = { multiplier: 100, divisor: 60, power: -2, sign: '%' }
/** Shown as bits a second. */
export const networkBytes: Scale = { multiplier: 8000, divisor: 60, power: -1, sign: '' }
/** Shown as so many a second. */
export const packets: Scale = { multiplier: 1000, divisor: 60, power: -1, sign: '' }
export const plain: Scale = { multiplier: 1, divisor: 1, power: 0, sign: '' }

/** Numbers of stacked charts begin here. */
const FIRST_STACKED = 100
/** Numbers from here on are four letters. */
const FIRST_CODE = 0x1000000
const CASE_BITS = 0x20202020

/** One chart at one scale of time. */
export interface ChartChoice {
  chart: Series | StackedChart
  range: number
}

/** @returns undefined when there is no such chart; whether there is such a range the caller knows */
export function chartOf(set: ChartSet, id: number): ChartChoice | undefined {
  if (id >= FIRST_CODE) return chartByCode(set, id)
  const [type, range] = [Math.floor(id / 10), id % 10]
  const chart = type < FIRST_STACKED ? set.series[type] : set.stacked[type - FIRST_STACKED]
  return chart && { chart, range }
}

/** Letters in lower case give the range: bit 0 is that of the last letter. */
function chartByCode({ series, stacked }: ChartSet, id: number): ChartChoice | undefined {
  const letters = Buffer.alloc(4)
  letters.writeUInt32BE((id & ~CASE_BITS) >>> 0)
  const code = letters.toString('latin1')
  const chart = [...series, ...stacked].find(each => each.code === code)
  const range = [0, 1, 2, 3].reduce((sum, bit) => sum + (((id >>> (8 * bit + 5)) & 1) << bit), 0)
  return chart && { chart, range }
}

export const isStacked = (chart: Series | StackedChart): chart is StackedChart => 'layers' in chart
