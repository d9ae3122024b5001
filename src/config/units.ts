// How sizes and durations are written in configuration files and on command lines (spec daemons-and-config 12).

const UNIT_SECONDS = { w: 604800, d: 86400, h: 3600, m: 60, s: 1 }
const SECONDS_MAX = 0xffffffff

/**
 * Seconds from `90`, `2h30m`, `11d13h46m40s`: one bare number, or units W D H M S in this order, each at most once.
 * Undefined when it is not written so or does not fit 32 bits.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (/^\d+$/.test(trimmed)) return within32Bits(Number(trimmed))
  const parts = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/i.exec(trimmed)
  if (!parts || trimmed === '') return undefined
  const seconds = Object.values(UNIT_SECONDS).reduce((sum, unit, i) => sum + unit * Number(parts[i + 1] ?? 0), 0)
  return within32Bits(seconds)
}

function within32Bits(seconds: number): number | undefined {
  return seconds <= SECONDS_MAX ? seconds : undefined
}

const SIZE = /^(\d+(?:\.\d*)?|\.\d+)\s*(?:(k|M|G|T|P|E)|(Ki|Mi|Gi|Ti|Pi|Ei))?B?$/
const POWERS = ['k', 'M', 'G', 'T', 'P', 'E']

/** Bytes from `123`, `1.5GiB`, `250k`, `4TB`. Undefined when it is not written so. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text.trim())
  if (!match) return undefined
  const [, digits, decimal, binary] = match
  const factor = decimal
    ? 1000 ** (POWERS.indexOf(decimal) + 1)
    : binary
      ? 1024 ** (POWERS.findIndex(power => power.toUpperCase() === binary.charAt(0)) + 1)
      : 1
  return Math.floor(Number(digits) * factor)
}

/** `256MiB`, `1GiB`, `1500000`: the shortest exact way to write it. */
export function printSize(bytes: number): string {
  for (const power of [6, 5, 4, 3, 2, 1]) {
    const unit = 1024 ** power
    if (bytes > 0 && bytes % unit === 0) return `${bytes / unit}${POWERS[power - 1]?.toUpperCase()}iB`
  }
  return String(bytes)
}
