// How tools show numbers (spec tools-and-admin B.2).
import { shortNumber } from '../../util/short-number.ts'

/** `k`, `m` and `g` are plain numbers divided. */
export interface NumberStyle {
  /** 0: plain; else 1024 or 1000 */
  readonly base: 0 | 1024 | 1000
  /** The exact number stands beside the short one. */
  readonly exactToo: boolean
  /** Plain numbers are divided by 1024 so many times. */
  readonly shifted: 0 | 1 | 2 | 3
}

const PLAIN: NumberStyle = { base: 0, exactToo: false, shifted: 0 }
const BINARY: NumberStyle = { ...PLAIN, base: 1024 }
const DECIMAL: NumberStyle = { ...PLAIN, base: 1000 }
/** By values of MFSHRFORMAT. */
const STYLES = new Map([
  ...['1', 'h'].map(name => [name, BINARY] as const),
  ...['2', 'H'].map(name => [name, DECIMAL] as const),
  ...['3', 'h+'].map(name => [name, { ...BINARY, exactToo: true }] as const),
  ...['4', 'H+'].map(name => [name, { ...DECIMAL, exactToo: true }] as const),
])

/** @param given letters among n, h, H, k, m and g in their order @param environment value of MFSHRFORMAT */
export function numberStyle(given: readonly string[], environment: string | undefined): NumberStyle {
  let style = STYLES.get(environment ?? '') ?? PLAIN
  let shifted: NumberStyle['shifted'] = 0
  for (const letter of given) {
    if (letter === 'n') style = PLAIN
    if (letter === 'h' || letter === 'H') style = letter === 'h' ? BINARY : DECIMAL
    if (letter === 'k' || letter === 'm' || letter === 'g') shifted = letter === 'k' ? 1 : letter === 'm' ? 2 : 3
  }
  return { ...style, shifted }
}

const PLAIN_WIDTHS = { counter: [10, 7, 4, 1], value: [20, 17, 14, 11] } as const
/** A number of things (32 bits, without unit), a number of things of 64 bits, or of bytes. */
export type NumberKind = 'counter' | 'count' | 'bytes'

function shown(value: bigint, kind: NumberKind, style: NumberStyle, exactWidth: number): string {
  if (style.base === 0) return String(value >> BigInt(10 * style.shifted))
  const text = shortNumber(value, style.base)
    .join('')
    .padStart(style.base === 1024 ? 5 : 4)
  const padded = kind === 'bytes' ? `${text}B` : ` ${text}`
  return style.exactToo ? `${padded} (${String(value).padStart(exactWidth)})` : padded
}

/** A number in its column. */
export function column(value: bigint | number, kind: NumberKind, style: NumberStyle): string {
  const widths = PLAIN_WIDTHS[kind === 'counter' ? 'counter' : 'value']
  const text = shown(BigInt(value), kind, style, widths[0])
  return style.base === 0 ? text.padStart(widths[style.shifted]) : text
}

/** A number that others follow behind a tab: exact ones without padding. */
export function cell(value: bigint | number, kind: NumberKind, style: NumberStyle): string {
  return shown(BigInt(value), kind, style, 0)
}

/** What stands in a column where there is no number. */
export function noColumn(kind: NumberKind, style: NumberStyle): string {
  return '-'.padStart(column(0, kind, style).length)
}
