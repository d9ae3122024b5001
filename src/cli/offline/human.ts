const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** A number of bytes in the unit that leaves three digits or less, rounded half up, 6 wide: `1.0KiB`, ` 72KiB`, `   99B`. */
export function humanBytes(bytes: bigint): string {
  if (bytes < 1000n) return `${String(bytes).padStart(5)}B`
  for (let power = 1; ; power++) {
    const unit = 1n << BigInt(10 * power)
    const name = UNITS[power] as string
    const tenths = (20n * bytes + unit) / (2n * unit)
    if (tenths < 100n) return `${tenths / 10n}.${tenths % 10n}${name}`
    const rounded = (2n * bytes + unit) / (2n * unit)
    if (rounded < 1000n || power === UNITS.length - 1) return `${String(rounded).padStart(3)}${name}`
  }
}
