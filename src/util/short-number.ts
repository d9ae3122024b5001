// Numbers for people: three digits or less, and a letter for the power of 1024 or 1000.
const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** Digits and unit: `1.2` and `Ki` of 1234 with base 1024. Without padding. */
export function shortNumber(value: bigint, base: 1024 | 1000): [digits: string, unit: string] {
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
  return [digits, unit]
}
