// Numbers and times as they are given on command lines (spec tools-and-admin B.2).

const PERIODS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86400, w: 604800 }
const NUMBER = String.raw`(\d+(?:\.\d+)?|\.\d+)`
const PERIOD = new RegExp(`^${NUMBER} ?([smhdw]?)$`)
const QUANTITY = new RegExp(`^${NUMBER}(k|[KMGTPE]i|[MGTPE])?(B?)$`)

/** Seconds of `90`, `1.5h`, `2 d`; undefined when it is none, or more than 32 bits hold. */
export function periodSeconds(text: string): number | undefined {
  const [, number, unit = ''] = PERIOD.exec(text) ?? []
  const seconds = Math.round(Number(number) * (PERIODS[unit] ?? Number.NaN))
  return seconds <= 0xffffffff ? seconds : undefined
}

/**
 * `10`, `2.5M`, `20Mi`: a number of things, or with `hasBytes`, where a B may follow, of bytes.
 * @returns undefined when it is none
 */
export function quantity(text: string, hasBytes: boolean): bigint | undefined {
  const [, number = '', unit = '', bytes = ''] = QUANTITY.exec(text) ?? []
  if (number === '' || (bytes !== '' && !hasBytes)) return undefined
  const base = unit.endsWith('i') ? 1024n : 1000n
  const factor = base ** BigInt(unit === '' ? 0 : ' KMGTPE'.indexOf(unit.charAt(0).toUpperCase()))
  const [whole = '', fraction = ''] = number.split('.')
  const scale = 10n ** BigInt(fraction.length)
  return (BigInt(whole + fraction || '0') * factor + scale / 2n) / scale
}
