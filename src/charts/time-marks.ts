// What stands on the axis of time, by range: hours, quarters of days, days, months.
import { STEP_SECONDS } from './history.ts'
import type { TimeMark } from './picture.ts'

const HOUR = 3600
const DAY = 86_400
/** Seconds from one line to the next, for the ranges that are shorter than months. */
const GUIDE_SECONDS = [HOUR, 6 * HOUR, DAY] as const

const two = (number: number) => String(number).padStart(2, '0')

/** @param time of a point, local, in steps of its range */
export function timeMark(range: number, time: number): TimeMark {
  const step = STEP_SECONDS[range] as number
  const every = GUIDE_SECONDS[range]
  const seconds = time * step
  const date = new Date(seconds * 1000)
  if (every === undefined) {
    const day = date.getUTCDate()
    return { isGuide: day === 1, label: day === 15 ? two(date.getUTCMonth() + 1) : '' }
  }
  const isGuide = seconds % every === 0
  if (every < DAY) return { isGuide, label: isGuide ? `${two(date.getUTCHours())}:00` : '' }
  return { isGuide, label: seconds % DAY === DAY / 2 ? two(date.getUTCDate()) : '' }
}
