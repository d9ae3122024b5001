// Sums that may be beyond 2^53, as 64 bits on the wire and in files.

/** The largest number below 2^64. */
export const SUM_MAX = 2 ** 64 - 2 ** 11

/** As near to the sum of the halves as a number comes. */
export const sumOfHalves = (high: number, low: number): number => Math.min(high * 2 ** 32 + low, SUM_MAX)
