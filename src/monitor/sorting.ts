// The order of rows. The original knows most columns by the number at which they are shown, but not all.
import type { Choice } from './section.ts'

/** What is not known (null) comes first, and several parts are compared one after the other. */
export type Key = string | number | bigint | boolean | null | readonly Key[]

/** Keys by number of the column. */
export type Orders<T> = Readonly<Record<number, (item: T) => Key>>

function compare(a: Key, b: Key): number {
  if (Array.isArray(a) && Array.isArray(b)) return compareParts(a, b)
  if (a === null || b === null) return Number(b === null) - Number(a === null)
  return a < b ? -1 : a > b ? 1 : 0
}

function compareParts(a: readonly Key[], b: readonly Key[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const result = compare(a[i] as Key, b[i] as Key)
    if (result !== 0) return result
  }
  return a.length - b.length
}

/**
 * Sorted by the chosen column, or else by the usual key.
 *
 * @param tie decides where that does not
 */
export function sorted<T>(
  items: readonly T[],
  { orders, usual, tie = usual }: { orders: Orders<T>; usual: (item: T) => Key; tie?: (item: T) => Key },
  choice: Choice,
): T[] {
  const key = (choice.order === undefined ? undefined : orders[choice.order]) ?? usual
  const result = items
    .map(item => ({ item, key: [key(item), tie(item)] }))
    .sort((a, b) => compare(a.key, b.key))
    .map(({ item }) => item)
  return choice.isReversed ? result.reverse() : result
}
