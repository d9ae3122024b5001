// The charts of one daemon: a set of numbers every minute, kept in a file, shown to whoever asks.
import type { Env, Timer } from '../env/env.ts'
import { chartFile, readChartFile, stored } from './chart-file.ts'
import { History, POINTS, STEP_SECONDS } from './history.ts'
import { DEFAULT_SIZE, draw, emptyPicture } from './picture.ts'
import { type ChartChoice, type ChartSet, chartOf, isStacked, plain, type Series } from './series.ts'
import { timeMark } from './time-marks.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** A change of the time zone is no more. */
const DAY_SECONDS = 86_400
/** When in an hour the file is stored. */
const STORED_AT_MS = 30_000

export class Charts {
  readonly #env: Env
  readonly #set: ChartSet
  readonly #path: string
  readonly #totals: number[]
  readonly #timers: Timer[] = []
  #history: History
  /** There are numbers that the file does not have. */
  #isNew = false
  #storing: Promise<void> = Promise.resolve()

  /** @param path of the file, in a folder that is there */
  constructor(env: Env, set: ChartSet, path: string) {
    this.#env = env
    this.#set = set
    this.#path = path
    this.#totals = set.series.map(() => 0)
    this.#history = new History(set.series, this.#localSeconds())
  }

  /** Seconds since 1970 by the clocks on the walls here. */
  #localSeconds(): number {
    return Math.floor(this.#env.clock.nowMs() / 1000) + this.#env.clock.utcOffsetSeconds()
  }

  /** Takes up what was stored, then asks for numbers at every full minute. @param sample numbers of the last minute */
  async start(sample: () => number[]): Promise<void> {
    await this.#load()
    this.#every(MINUTE_MS, 0, () => this.add(sample()))
    this.#every(HOUR_MS, STORED_AT_MS, () => void this.store())
  }

  /** Whenever the clock is so far past a full period. */
  #every(periodMs: number, pastMs: number, action: () => void): void {
    const { clock } = this.#env
    const slot = this.#timers.length
    const schedule = () => {
      const untilMs = periodMs - ((clock.nowMs() - pastMs) % periodMs)
      this.#timers[slot] = clock.after(untilMs, () => {
        schedule()
        action()
      })
    }
    schedule()
  }

  /** Numbers of the minute that is over. @param values in the order of the series */
  add(values: readonly number[]): void {
    this.#isNew = true
    this.#history.add(this.#localSeconds() - MINUTE_MS / 1000, values)
    for (const [i, value] of values.entries()) this.#totals[i] = (this.#totals[i] ?? 0) + value
  }

  async #load(): Promise<void> {
    const { disk, log } = this.#env
    try {
      this.#history = readChartFile(this.#set.series, await disk.readFile(this.#path))
      const aheadSeconds = this.#history.newest(0) * STEP_SECONDS[0] - this.#localSeconds()
      // One of the two clocks was wrong. If it is the present one, the past must not go for it.
      if (aheadSeconds > DAY_SECONDS) {
        log.warning(
          `${this.#path}: its numbers end ${Math.round(aheadSeconds / DAY_SECONDS)} days in the future: set the clock, or remove the file`,
        )
      }
      this.#history.advanceTo(this.#localSeconds())
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') log.notice('no charts data file - initializing empty charts')
      else log.warning(`${this.#path}: ${message}: the charts begin anew`)
    }
  }

  /** Writes the file, one after the other; a failure is logged: it is only about charts. */
  store(): Promise<void> {
    this.#storing = this.#storing
      .then(() => this.#store())
      .catch(error => {
        this.#env.log.warning(`${this.#path}: the charts are not stored: ${(error as Error).message}`)
      })
    return this.#storing
  }

  async #store(): Promise<void> {
    if (!this.#isNew) return
    this.#isNew = false
    const { disk } = this.#env
    const temporary = `${this.#path}.tmp`
    const file = await disk.open(temporary, 'w+')
    try {
      await file.writev(chartFile(this.#set.series, this.#history), 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.rename(temporary, this.#path)
  }

  /** Stores what there is, and takes no more numbers. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    await this.store()
  }

  /** Sums since the start, in the order of the series. */
  get totals(): readonly number[] {
    return this.#totals
  }

  /** @returns undefined for what is no series, or no range */
  data(id: number, entries = POINTS): { time: number; values: bigint[] } | undefined {
    const choice = this.#choice(id)
    if (!choice || isStacked(choice.chart)) return undefined
    const { range } = choice
    const series = this.#index(choice.chart.name)
    const values = Array.from({ length: Math.min(entries, POINTS) }, (_, age) =>
      stored(this.#history.at(series, range, age)),
    )
    return { time: this.#history.newest(range) * (STEP_SECONDS[range] as number), values }
  }

  /** A PNG image; one of a single pixel where there is no such chart. @param size in pixels */
  image(id: number, size = DEFAULT_SIZE): Buffer {
    const choice = this.#choice(id)
    if (!choice) return emptyPicture()
    const { chart, range } = choice
    const newest = this.#history.newest(range)
    const layers = this.#layers(choice)
    return draw({
      size,
      scale: isStacked(chart) ? (this.#series(chart.layers[0]?.of)?.scale ?? plain) : chart.scale,
      point: age => layers.map(layer => layer(age)),
      timeMark: age => timeMark(range, newest - age),
    })
  }

  #choice(id: number): ChartChoice | undefined {
    const choice = chartOf(this.#set, id)
    return choice && choice.range < STEP_SECONDS.length ? choice : undefined
  }

  #layers({ chart, range }: ChartChoice): ((age: number) => number)[] {
    if (!isStacked(chart)) return [age => this.#shown(chart.name, range, age)]
    return chart.layers.map(({ of, less }) => age => {
      const value = this.#shown(of, range, age)
      return less === undefined ? value : Math.max(0, value - this.#shown(less, range, age))
    })
  }

  /** As if the range had points of a minute: counts are divided by the minutes of a point. */
  #shown(name: string, range: number, age: number): number {
    const value = age < POINTS ? this.#history.at(this.#index(name), range, age) : Number.NaN
    const minutes = (STEP_SECONDS[range] as number) / STEP_SECONDS[0]
    return this.#series(name)?.join === 'sum' ? value / minutes : value
  }

  #index(name: string): number {
    return this.#set.series.findIndex(each => each.name === name)
  }

  #series(name = ''): Series | undefined {
    return this.#set.series[this.#index(name)]
  }
}
