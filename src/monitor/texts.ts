// How a monitor writes numbers, times and names.
import { shortNumber } from '../util/short-number.ts'

/** Names come as bytes (latin1). What is no UTF-8 is shown as U+FFFD. */
export const readable = (latin1: string) => Buffer.from(latin1, 'latin1').toString()

/** Paths of an inode. What has none is not in the tree. */
export const pathTexts = (paths: readonly string[]): string[] => (paths.length === 0 ? ['./META'] : paths.map(readable))

export const yesNo = (value: boolean) => (value ? 'yes' : 'no')

/** Of a version as peers announce it (spec client-master 1.2). */
export function versionText(version: number): string {
  const [major, middle, low] = [version >>> 16, (version >>> 8) & 0xff, version & 0xff]
  if (major < 2) return `${major}.${middle}.${low}${major === 1 && middle >= 7 ? ' PRO' : ''}`
  return `${major}.${middle}.${low >> 1}${low & 1 ? ' PRO' : ''}`
}

/** `1.2 KiB` */
export function bytesText(value: number | bigint): string {
  const [digits, unit] = shortNumber(BigInt(value), 1024)
  return `${digits} ${unit}B`
}

const SPANS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const

/** `1.5h`, and `~` before what was rounded. */
export function spanText(seconds: number): string {
  const [unit, letter] = SPANS.find(([length]) => seconds >= length) ?? [1, 's']
  const rounded = Math.round((10 * seconds) / unit) / 10
  return `${rounded * unit === seconds ? '' : '~'}${rounded}${letter}`
}

const two = (value: number) => String(value).padStart(2, '0')

/** By the clock of this machine: `2026-11-28 09:43:50`. */
export function timeText(seconds: number): string {
  const time = new Date(1000 * seconds)
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-')
  return `${day} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`
}

/** `3 261 722` */
export const groupedText = (value: number) => String(value).replace(/\B(?=(?:\d{3})+$)/g, ' ')

export const hexText = (value: number | bigint, digits: number) =>
  value.toString(16).toUpperCase().padStart(digits, '0')
