// Times beyond what the original keeps (whole seconds in 32 bits, 1970 to 2106). A second word holds what is missing:
// nanoseconds in its low 30 bits, and in its high two bits which 2^32 seconds are meant: 0 from 1970, 1 and 2 those
// after it, 3 those before. So the first word is what the original would keep, and a second word of 0 says that nothing
// is missing.
//
//   1833-11-24 … 1970-01-01 … 2378-04-22

const ERA_SECONDS = 2 ** 32
const NANOSECOND_BITS = 30
const NANOSECOND_MASK = 2 ** NANOSECOND_BITS - 1
const ERA_BEFORE_1970 = 3

/** The first and the last second that can be kept, from 1970. */
export const SECONDS_MIN = -ERA_SECONDS
export const SECONDS_MAX = 3 * ERA_SECONDS - 1
/** What the original can keep. */
export const PLAIN_SECONDS_MAX = ERA_SECONDS - 1

/** The first word. @param seconds SECONDS_MIN..SECONDS_MAX */
export function lowSeconds(seconds: number): number {
  return seconds >>> 0
}

/** The second word. */
export function moreOf(seconds: number, nanoseconds: number): number {
  const era = Math.floor(seconds / ERA_SECONDS) & 3
  return ((era << NANOSECOND_BITS) | nanoseconds) >>> 0
}

/** Whole seconds from 1970, may be negative. */
export function secondsOf(low: number, more: number): number {
  const era = more >>> NANOSECOND_BITS
  return era === 0 ? low : low + (era === ERA_BEFORE_1970 ? -1 : era) * ERA_SECONDS
}

/** 0..999,999,999 in what we write; up to 2^30-1 in what a peer may send. */
export function nanosecondsOf(more: number): number {
  return more & NANOSECOND_MASK
}

/** The nearest time that can be kept. */
export function clampSeconds(seconds: number): number {
  return Math.min(SECONDS_MAX, Math.max(SECONDS_MIN, seconds))
}

/** The nearest time that the original can show. */
export function plainSeconds(seconds: number): number {
  return Math.min(PLAIN_SECONDS_MAX, Math.max(0, seconds))
}
