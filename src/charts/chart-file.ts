// The file that charts outlive a restart in: stats.mfs, csstats.mfs (spec tools-and-admin A.5.8).
//
//   0x00010000:32 points:32 series:32 minute:32     minute: local time of the newest point of the first range
//   N*[name, filled up to 100 bytes; for each range points*[value:64], oldest first]
import { History, POINTS, STEP_SECONDS } from './history.ts'
import type { Series } from './series.ts'

const MARK = 0x10000
const HEAD_BYTES = 16
const NAME_BYTES = 100
const VALUE_BYTES = 8
const MINUTE = STEP_SECONDS[0]
/** A value that is not known. */
export const UNKNOWN = 0xffffffffffffffffn

/** A value as files and messages hold it. */
export const stored = (value: number): bigint => (Number.isNaN(value) ? UNKNOWN : BigInt(Math.round(value)))
const loaded = (value: bigint): number => (value === UNKNOWN ? Number.NaN : Number(value))

/** The file in pieces: its head, then one for each series. */
export function chartFile(series: readonly Series[], history: History): Buffer[] {
  const head = Buffer.alloc(HEAD_BYTES)
  for (const [i, number] of [MARK, POINTS, series.length, history.newest(0)].entries())
    head.writeUInt32BE(number, 4 * i)
  return [head, ...series.map(({ name }, i) => seriesPiece(name, i, history))]
}

/** Where a value lies behind the name of its series. */
const valueAt = (range: number, points: number, age: number) => ((range + 1) * points - 1 - age) * VALUE_BYTES

function seriesPiece(name: string, series: number, history: History): Buffer {
  const piece = Buffer.alloc(NAME_BYTES + STEP_SECONDS.length * POINTS * VALUE_BYTES)
  piece.write(name, 'latin1')
  const values = piece.subarray(NAME_BYTES).fill(0xff)
  for (const range of STEP_SECONDS.keys()) {
    for (let age = 0; age < POINTS; age++) {
      const value = history.at(series, range, age)
      if (!Number.isNaN(value)) values.writeBigUInt64BE(stored(value), valueAt(range, POINTS, age))
    }
  }
  return piece
}

/** @throws Error when it is no such file, or not all of it; series that nobody knows are passed over */
export function readChartFile(series: readonly Series[], file: Buffer): History {
  if (file.length < HEAD_BYTES || file.readUInt32BE(0) !== MARK) throw new Error('it is no file of charts')
  const [points, count, minute] = [file.readUInt32BE(4), file.readUInt32BE(8), file.readUInt32BE(12)]
  const seriesBytes = NAME_BYTES + STEP_SECONDS.length * points * VALUE_BYTES
  if (file.length !== HEAD_BYTES + count * seriesBytes) throw new Error(`it has ${file.length} bytes`)
  const history = new History(series, minute * MINUTE)
  for (let start = HEAD_BYTES; start < file.length; start += seriesBytes) {
    const name = file.toString('latin1', start, start + NAME_BYTES).replace(/\0.*$/s, '')
    const index = series.findIndex(each => each.name === name)
    if (index >= 0) readSeries(history, index, file.subarray(start + NAME_BYTES, start + seriesBytes), points)
  }
  return history
}

/** With another number of points, the newest ones count. */
function readSeries(history: History, series: number, values: Buffer, points: number): void {
  for (const range of STEP_SECONDS.keys()) {
    for (let age = 0; age < Math.min(points, POINTS); age++) {
      history.restore(series, range, age, loaded(values.readBigUInt64BE(valueAt(range, points, age))))
    }
  }
}
