/** `10.1.2.3` as a big-endian number; undefined when it is none. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.replace(/^::ffff:/, '').split('.')
  if (parts.length !== 4 || !parts.every(part => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined
  return parts.reduce((value, part) => value * 256 + Number(part), 0)
}

/** A big-endian number as `10.1.2.3`. */
export function formatIpv4(ip: number): string {
  return [24, 16, 8, 0].map(shift => (ip >>> shift) & 255).join('.')
}

/**
 * First and last address of `*`, `10.1.2.3`, `10.1.0.0/16`, `10.1.0.0/255.255.0.0` or `10.1.0.1-10.1.0.9`; undefined for
 * anything else.
 */
export function parseNetwork(text: string): [number, number] | undefined {
  if (text === '*') return [0, 0xffffffff]
  const [first = '', second] = text.split(/[/-]/)
  const from = parseIpv4(first)
  if (from === undefined || second === undefined) return from === undefined ? undefined : [from, from]
  if (text.includes('-')) {
    const to = parseIpv4(second)
    return to === undefined ? undefined : [from, to]
  }
  const mask = parseMask(second)
  return mask === undefined ? undefined : [(from & mask) >>> 0, (from | ~mask) >>> 0]
}

/** A number of leading bits, or an address. */
function parseMask(text: string): number | undefined {
  if (!/^\d{1,2}$/.test(text)) return parseIpv4(text)
  const bits = Number(text)
  if (bits > 32) return undefined
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
}
