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
