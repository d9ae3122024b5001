import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import type { Env } from '../env/env.ts'
import { realClock } from '../env/real.ts'
import { chartFile, readChartFile, UNKNOWN } from './chart-file.ts'
import { Charts } from './charts.ts'
import { History, POINTS, STEP_SECONDS } from './history.ts'
import { draw } from './picture.ts'
import { type ChartSet, chartOf, plain, type Series } from './series.ts'
import { timeMark } from './time-marks.ts'

const series: Series[] = [
  { name: 'made', code: 'MADE', join: 'sum', scale: plain },
  { name: 'held', code: 'HELD', join: 'max', scale: plain },
]
const set: ChartSet = { series, stacked: [{ name: 'both', code: 'BOTH', layers: [{ of: 'made' }, { of: 'held' }] }] }
/** A full day, hour and minute. */
const START = 20_000 * 86_400

const newest = (history: History, index: number, range: number, count: number) =>
  Array.from({ length: count }, (_, age) => history.at(index, range, age))

test('minutes are added to the points of all ranges: counts as sums, levels as the highest', () => {
  const history = new History(series, START)
  for (let minute = 0; minute < 7; minute++) history.add(START + minute * 60, [1 + minute, 10 - minute])
  assert.deepEqual(newest(history, 0, 0, 8), [7, 6, 5, 4, 3, 2, 1, Number.NaN])
  assert.deepEqual(newest(history, 0, 1, 3), [7, 21, Number.NaN])
  assert.deepEqual(newest(history, 1, 1, 3), [4, 10, Number.NaN])
  assert.deepEqual([history.at(0, 3, 0), history.at(1, 3, 0)], [28, 10])
})

test('nothing is known of minutes that were left out, nor of those before the oldest point', () => {
  const history = new History(series, START)
  history.add(START, [1, 1])
  history.add(START + 180, [2, 2])
  history.add(START + 60, [3, 3])
  assert.deepEqual(newest(history, 0, 0, 5), [2, Number.NaN, 3, 1, Number.NaN])
  history.advanceTo(START + 2 * POINTS * 60)
  assert.ok(newest(history, 0, 0, POINTS).every(Number.isNaN))
  history.add(START, [9, 9])
  assert.ok(newest(history, 0, 0, POINTS).every(Number.isNaN), 'it is too long ago')
  assert.equal(history.at(0, 3, 5), 15, 'but not for the range of days')
})

test('a file gives back what was stored, to another order of series and another number of points too', () => {
  const history = new History(series, START)
  for (let minute = 0; minute < 100; minute++) history.add(START + minute * 60, [minute, 2 ** 40])
  const file = Buffer.concat(chartFile(series, history))
  assert.equal(file.length, 16 + 2 * (100 + 4 * POINTS * 8))
  const turned = readChartFile(series.toReversed(), file)
  for (const range of STEP_SECONDS.keys()) {
    assert.deepEqual(newest(turned, 1, range, POINTS), newest(history, 0, range, POINTS))
    assert.deepEqual(newest(turned, 0, range, POINTS), newest(history, 1, range, POINTS))
  }
  assert.deepEqual(newest(readChartFile(series, short(file, 50)), 0, 0, 51), [...newest(history, 0, 0, 50), Number.NaN])
})

/** The same file with fewer points. */
function short(file: Buffer, points: number): Buffer {
  const head = Buffer.from(file.subarray(0, 16))
  head.writeUInt32BE(points, 4)
  const pieces: Buffer[] = [head]
  for (let start = 16; start < file.length; start += 100 + 4 * POINTS * 8) {
    pieces.push(file.subarray(start, start + 100))
    for (const range of STEP_SECONDS.keys()) {
      const end = start + 100 + (range + 1) * POINTS * 8
      pieces.push(file.subarray(end - points * 8, end))
    }
  }
  return Buffer.concat(pieces)
}

test('what is no file of charts, or not all of it, is refused', () => {
  const file = Buffer.concat(chartFile(series, new History(series, START)))
  for (const bad of [Buffer.alloc(0), file.subarray(0, 15), file.subarray(0, -1), Buffer.alloc(file.length)]) {
    assert.throws(() => readChartFile(series, bad))
  }
})

test('a chart has a number, and four letters whose case gives the range', () => {
  const code = (text: string) => Buffer.from(text).readUInt32BE(0)
  assert.deepEqual(chartOf(set, 12), { chart: series[1], range: 2 })
  assert.deepEqual(chartOf(set, 1003), { chart: set.stacked[0], range: 3 })
  for (const [text, range] of [
    ['MADE', 0],
    ['MADe', 1],
    ['MAdE', 2],
    ['MAde', 3],
    ['mADE', 8],
  ] as const) {
    assert.deepEqual(chartOf(set, code(text)), { chart: series[0], range }, text)
  }
  assert.deepEqual(chartOf(set, code('BOTH'))?.chart, set.stacked[0])
  for (const unknown of [20, 1010, code('NONE')]) assert.equal(chartOf(set, unknown), undefined)
})

/** Colours by row of the picture. */
function pixels(image: Buffer): { width: number; height: number; rows: Buffer[] } {
  const [width, height] = [image.readUInt32BE(16), image.readUInt32BE(20)]
  const parts: Buffer[] = []
  for (let at = 8; at < image.length; at += 12 + image.readUInt32BE(at)) {
    if (image.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(image.subarray(at + 8, at + 8 + image.readUInt32BE(at)))
  }
  const raw = inflateSync(Buffer.concat(parts))
  const rows = Array.from({ length: height }, (_, y) => raw.subarray(y * (width + 1) + 1, (y + 1) * (width + 1)))
  return { width, height, rows }
}

const SHADES_FROM = 4

test('a column is as high as its value, on the right the newest, hatched where nothing is known', () => {
  const values = [50, 100, 0]
  const image = draw({
    size: { width: 150, height: 120 },
    scale: plain,
    point: age => [values[age] ?? Number.NaN],
    timeMark: () => ({ isGuide: false, label: '' }),
  })
  const { width, height, rows } = pixels(image)
  assert.deepEqual([width, height], [150, 120])
  const column = (age: number) => rows.slice(6, 106).map(row => row[43 + 99 - age] as number)
  const filled = (age: number) => column(age).filter(colour => colour >= SHADES_FROM).length
  // Lines of guides lie over the columns, one each 20 points.
  assert.ok(Math.abs(filled(0) - 50) <= 5 && Math.abs(filled(1) - 100) <= 5, `${filled(0)} ${filled(1)}`)
  assert.equal(filled(2), 0)
  const hatched = column(3).filter(colour => colour === 3).length
  assert.ok(hatched >= 20 && hatched <= 25, String(hatched))
  assert.equal(column(2).includes(3), false)
})

/** Colours of a real server's charts, 200 pixels high, by the row from the top: one series, and two that part at row 126. */
const REAL_COLOURS: [number[], Record<number, string>][] = [
  [[200], { 96: '1b5786', 132: '2386b4', 192: '07e2eb' }],
  [[126, 74], { 12: '1d6392', 60: '2283b1', 120: '16b1ce', 132: '152f5f', 192: '1b5786' }],
]

test("columns have the original's colours", () => {
  for (const [parts, colours] of REAL_COLOURS) {
    const image = draw({
      size: { width: 150, height: 220 },
      scale: plain,
      point: () => parts,
      timeMark: () => ({ isGuide: false, label: '' }),
    })
    const { rows } = pixels(image)
    for (const [row, colour] of Object.entries(colours)) {
      // An odd column, where no line of a guide has a point.
      const at = image.indexOf('PLTE') + 4 + 3 * ((rows[6 + Number(row)] as Buffer)[101] as number)
      for (const [channel, value] of Buffer.from(colour, 'hex').entries()) {
        assert.ok(
          Math.abs((image[at + channel] as number) - value) <= 6,
          `row ${row}: ${image.toString('hex', at, at + 3)}`,
        )
      }
    }
  }
})

test('below a chart stand hours, quarters of days, days and months', () => {
  const at = (iso: string) => Date.parse(iso) / 1000
  const mark = (range: number, iso: string) => timeMark(range, Math.floor(at(iso) / (STEP_SECONDS[range] as number)))
  assert.deepEqual(mark(0, '2026-11-26T13:00Z'), { isGuide: true, label: '13:00' })
  assert.deepEqual(mark(0, '2026-11-26T13:01Z'), { isGuide: false, label: '' })
  assert.deepEqual(mark(1, '2026-11-26T18:00Z'), { isGuide: true, label: '18:00' })
  assert.deepEqual(mark(1, '2026-11-26T17:00Z'), { isGuide: false, label: '' })
  assert.deepEqual(mark(2, '2026-11-26T00:00Z'), { isGuide: true, label: '' })
  assert.deepEqual(mark(2, '2026-11-26T12:00Z'), { isGuide: false, label: '26' })
  assert.deepEqual(mark(3, '2026-11-01T00:00Z'), { isGuide: true, label: '' })
  assert.deepEqual(mark(3, '2026-11-15T00:00Z'), { isGuide: false, label: '11' })
})

/** Charts that begin at START with this file, and what they warned of. */
async function begun(file: Buffer): Promise<{ charts: Charts; warnings: string[] }> {
  const warnings: string[] = []
  const timer = { cancel() {} }
  const env = {
    clock: { ...realClock, nowMs: () => START * 1000, utcOffsetSeconds: () => 0, after: () => timer },
    disk: { readFile: async () => file },
    log: { warning: (text: string) => void warnings.push(text), notice() {} },
  } as unknown as Env
  const charts = new Charts(env, set, 'stats.mfs')
  await charts.start(() => [])
  return { charts, warnings }
}

test('a file from the future is kept, and told of; one that is damaged is told of, and begun anew', async () => {
  const fileOf = (seconds: number) => {
    const history = new History(series, seconds)
    history.add(seconds, [7, 7])
    return Buffer.concat(chartFile(series, history))
  }
  const shown = ({ charts }: { charts: Charts }) => charts.data(0, 1)?.values
  const changedZone = await begun(fileOf(START + 3600))
  assert.deepEqual([shown(changedZone), changedZone.warnings], [[7n], []])
  const ahead = await begun(fileOf(START + 10 * 86_400))
  assert.deepEqual(shown(ahead), [7n])
  assert.match(ahead.warnings.join(), /^stats\.mfs: its numbers end 10 days in the future: set the clock, or remove/)
  const damaged = await begun(fileOf(START).subarray(0, -1))
  assert.deepEqual(shown(damaged), [UNKNOWN])
  assert.match(damaged.warnings.join(), /^stats\.mfs: it has \d+ bytes: the charts begin anew$/)
})
