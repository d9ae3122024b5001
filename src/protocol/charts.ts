// Questions about charts, which masters and chunkservers answer alike (spec tools-and-admin A.5.8).
import { list, message, optional, record, rest, u16, u32, u64 } from './codec.ts'

export const chart = message(504, 'CLTOAN_CHART', {
  chartId: u32,
  size: optional(record({ width: u16, height: u16 })),
})
export const chartData = message(506, 'CLTOAN_CHART_DATA', { chartId: u32, maxEntries: optional(u32) })

/** A PNG image; where there is no such chart, one of a single pixel or nothing. */
export const chartImage = message(505, 'ANTOCL_CHART', { image: rest })
/** Newest value first; nothing when there is no such chart. A value that is not known has all bits set. */
export const chartValues = message(507, 'ANTOCL_CHART_DATA', {
  series: optional(record({ time: u32, values: list(u32, u64) })),
})
