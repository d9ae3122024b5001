// How tools show numbers (spec tools-and-admin B.2).

/** `k`, `m` and `g` are plain numbers divided. */
export interface NumberStyle {
  /** 0: plain; else 1024 or 1000 */
  readonly base: 0 | 1024 | 1000
  /** The exact number stands beside the short one. */
  readonly exactToo: boolean
  /** Plain numbers are divided by 1024 so many times. */
  readonly shifted: 0 | 1 | 2 | 3
}

const BY_NAME: Readonly<Record<string, NumberStyle>> = {
  0: { base: 0, exactToo: false, shifted: 0 },
  1: { base: 1024, exactToo: false, shifted: 0 },
  2: { base: 1000, exactToo: false, shifted: 0 },
  3: { base: 1024, exactToo: true, shifted: 0 },
  4: { base: 1000, exactToo: true, shifted: 0 },
}
const NAMES: Readonly<Record<string, string>> = { h: '1', H: '2', 'h+': '3', 'H+': '4' }
const PLAIN = BY_NAME[0] as NumberStyle

/** @param given letters among n, h, H, k, m and g in their order @param environment value of MFSHRFORMAT */
export function numberStyle(given: readonly string[], environment: string | undefined): NumberStyle {
  let style = BY_NAME[NAMES[environment ?? ''] ?? environment ?? ''] ?? PLAIN
  let shifted: NumberStyle['shifted'] = 0
  for (const letter of given) {
    if (letter === 'n') style = PLAIN
    if (letter === 'h' || letter === 'H') style = BY_NAME[letter === 'h' ? 1 : 2] as NumberStyle
    if (letter === 'k' || letter === 'm' || letter === 'g') shifted = letter === 'k' ? 1 : letter === 'm' ? 2 : 3
  }
  return { ...style, shifted }
}

const PLAIN_WIDTHS = { counter: [10, 7, 4, 1], value: [20, 17, 14, 11] } as const
const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** Digits and unit: `1.2Ki` of 1234 with base 1024. Without padding. */
function short(value: bigint, base: 1024 | 1000): string {
  let [hundredths, power] = [value * 100n, 0]
  while (hundredths >= 99950n) {
    hundredths /= BigInt(base)
    power++
  }
  const unit = power === 0 ? '' : base === 1024 ? `${UNITS[power]}i` : power === 1 ? 'k' : (UNITS[power] as string)
  const isSmall = power > 0 && hundredths < 995n
  const digits = isSmall
    ? `${(hundredths + 5n) / 100n}.${((hundredths + 5n) / 10n) % 10n}`
    : String((hundredths + 50n) / 100n)
  return digits + unit
}

/** A number of things (32 bits, without unit), a number of things of 64 bits, or of bytes. */
export type NumberKind = 'counter' | 'count' | 'bytes'

function shown(value: bigint, kind: NumberKind, style: NumberStyle, exactWidth: number): string {
  if (style.base === 0) return String(value >> BigInt(10 * style.shifted))
  const text = short(value, style.base).padStart(style.base === 1024 ? 5 : 4)
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
