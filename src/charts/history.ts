// The past of a daemon in numbers: every series at four scales of time, 4096 points each (spec tools-and-admin A.5.8).
// 128 KiB a series. Time is local, as people read charts.
import type { Series } from './series.ts'

/** Seconds of a point, by range: a minute, six minutes, half an hour, a day. */
export const STEP_SECONDS = [60, 360, 1800, 86_400] as const
export const POINTS = 4096

export class History {
  readonly #series: readonly Series[]
  /** By series and range, at the point's time modulo POINTS; NaN where nothing is known. */
  readonly #points: readonly (readonly Float64Array[])[]
  /** Time of the newest point of each range, in its steps. */
  readonly #newest: number[]

  /** @param localSeconds now: the newest points, of which nothing is known yet */
  constructor(series: readonly Series[], localSeconds: number) {
    this.#series = series
    this.#points = series.map(() => STEP_SECONDS.map(() => new Float64Array(POINTS).fill(Number.NaN)))
    this.#newest = STEP_SECONDS.map(step => Math.floor(localSeconds / step))
  }

  /** Adds what happened in one minute. Values from before the oldest point are left out. @param values by series */
  add(localSeconds: number, values: readonly number[]): void {
    this.advanceTo(localSeconds)
    for (const [range, step] of STEP_SECONDS.entries()) {
      const time = Math.floor(localSeconds / step)
      if (time <= this.newest(range) - POINTS) continue
      for (const [i, { join }] of this.#series.entries()) {
        const points = this.#of(i, range)
        const [before, value] = [points[time % POINTS] as number, values[i] ?? Number.NaN]
        const joined = join === 'sum' ? before + value : Math.max(before, value)
        points[time % POINTS] = Number.isNaN(before) ? value : joined
      }
    }
  }

  /** Of the time that has passed up to now nothing is known. */
  advanceTo(localSeconds: number): void {
    for (const [range, step] of STEP_SECONDS.entries()) this.#advance(range, Math.floor(localSeconds / step))
  }

  #advance(range: number, time: number): void {
    const newest = this.newest(range)
    for (let passed = Math.max(newest, time - POINTS) + 1; passed <= time; passed++) {
      for (const ranges of this.#points) (ranges[range] as Float64Array)[passed % POINTS] = Number.NaN
    }
    this.#newest[range] = Math.max(newest, time)
  }

  #of(series: number, range: number): Float64Array {
    return this.#points[series]?.[range] as Float64Array
  }

  /** Time of the newest point, in steps of the range. */
  newest(range: number): number {
    return this.#newest[range] as number
  }

  /** The value `age` points before the newest one, NaN when it is not known. @param age 0..4095 */
  at(series: number, range: number, age: number): number {
    return this.#of(series, range)[(this.newest(range) - age) % POINTS] as number
  }

  /** Puts a value where `age` says: for the reader of files. */
  restore(series: number, range: number, age: number, value: number): void {
    this.#of(series, range)[(this.newest(range) - age) % POINTS] = value
  }
}
