// The kinds of values that options have.
import { formatIpv4, parseIpv4, parseNetwork } from '../util/ipv4.ts'
import type { Kind, Parsed } from './option.ts'
import { parseSize, printSize } from './units.ts'

export const text: Kind<string> = {
  form: 'text',
  parse: written => ({ value: written }),
  print: value => value,
}

/** Text that may be left away or left empty. */
export const optionalText: Kind<string | undefined> = {
  form: 'text',
  parse: written => ({ value: written || undefined }),
  print: value => value ?? '',
}

export const path: Kind<string> = {
  form: 'path',
  parse: written => (written === '' ? { wrong: 'write a path, best one that begins with /' } : { value: written }),
  print: value => value,
}

/** A name or address to connect to. */
export const host: Kind<string> = {
  form: 'host name or IPv4 address',
  parse: written =>
    /^[A-Za-z0-9._-]+$/.test(written) ? { value: written } : { wrong: 'write a host name or an IPv4 address' },
  print: value => value,
}

/** Several names or addresses of the same service, with commas or blanks between them. */
export const hosts: Kind<string> = {
  form: 'host names or IPv4 addresses',
  parse: written =>
    /^[A-Za-z0-9._,; -]*[A-Za-z0-9._-]$/.test(written)
      ? { value: written }
      : { wrong: 'write host names or IPv4 addresses, with commas between them' },
  print: value => value,
}

/** A local address; `*` is any. */
export const listenHost: Kind<string> = {
  form: '* or a local host name or IPv4 address',
  parse: written => (written === '*' ? { value: written } : host.parse(written)),
  print: value => value,
}

export const ipv4: Kind<string | undefined> = {
  form: 'IPv4 address',
  parse: written =>
    parseIpv4(written) !== undefined ? { value: written } : { wrong: 'write an IPv4 address, for example 10.0.0.0' },
  print: value => value ?? '',
}

/** Numbers as C reads them: decimal, 0x hexadecimal, leading 0 octal. */
function parseInteger(written: string): number | undefined {
  if (!/^[+-]?(?:0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(written)) return undefined
  const digits = written.replace(/^[+-]/, '')
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits)
  return written.startsWith('-') ? -value : value
}

export interface Range {
  min?: number
  max?: number
}

/** Values outside the range are replaced by its nearest end, with a note. */
function clamp(value: number, { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }: Range): Parsed<number> {
  if (value < min) return { value: min, note: `too small, using ${min}` }
  if (value > max) return { value: max, note: `too big, using ${max}` }
  return { value }
}

function rangeText({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` ${min}..${max}`
  return min !== undefined ? ` from ${min}` : max !== undefined ? ` up to ${max}` : ''
}

export function whole(range: Range = { min: 0 }): Kind<number> {
  const form = `whole number${rangeText(range)}`
  return {
    form,
    parse(written) {
      const value = parseInteger(written)
      return value === undefined ? { wrong: `write a ${form}` } : clamp(value, range)
    },
    print: String,
  }
}

/** One of a few numbers, each with a meaning; anything else is taken as `fallback`, as the original does. */
export function choice<const N extends number>(numbers: readonly N[], fallback: N): Kind<N> {
  const form = `one of ${numbers.join(', ')}`
  return {
    form,
    parse(written) {
      const read = parseInteger(written)
      if (read === undefined) return { wrong: `write ${form}` }
      const value = numbers.find(number => number === read)
      return value === undefined ? { value: fallback, note: `not ${form}, using ${fallback}` } : { value }
    },
    print: String,
  }
}

export function real(range: Range = {}): Kind<number> {
  const form = `number${rangeText(range)}`
  return {
    form,
    parse: written =>
      /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(written)
        ? clamp(Number(written), range)
        : { wrong: `write a ${form}, for example 1.5` },
    print: value => (Number.isInteger(value) ? value.toFixed(1) : String(value)),
  }
}

export const flag: Kind<boolean> = {
  form: '0 or 1',
  parse(written) {
    const value = parseInteger(written)
    return value === undefined ? { wrong: 'write 0 (no) or 1 (yes)' } : { value: value !== 0 }
  },
  print: value => (value ? '1' : '0'),
}

export const port: Kind<number> = {
  form: 'port number',
  parse(written) {
    const value = parseInteger(written)
    return value !== undefined && value > 0 && value <= 65535 ? { value } : { wrong: 'write a port number 1..65535' }
  },
  print: String,
}

/** Bytes. */
export const size: Kind<number> = {
  form: 'size such as 256MiB or 1.5G',
  parse(written) {
    const value = parseSize(written)
    return value === undefined
      ? { wrong: 'write a size: digits, then k M G T P E or Ki Mi Gi Ti Pi Ei, for example 256MiB' }
      : { value }
  },
  print: printSize,
}

/** Space that new data may not use. */
export type Reserve =
  | { kind: 'bytes'; bytes: number }
  | { kind: 'share'; percent: number }
  | { kind: 'largestUsed'; times: number }
  | { kind: 'largestCapacity'; times: number }

export const reserve: Kind<Reserve> = {
  form: 'size, N% of all space, NU (times the largest used space) or NC (times the largest capacity)',
  parse(written) {
    const [, digits, unit] = /^(\d+(?:\.\d*)?|\.\d+)([%UC])$/.exec(written) ?? []
    const number = Number(digits)
    if (unit === '%') return { value: { kind: 'share', percent: number } }
    if (unit === 'U') return { value: { kind: 'largestUsed', times: number } }
    if (unit === 'C') return { value: { kind: 'largestCapacity', times: number } }
    const bytes = parseSize(written)
    return bytes === undefined
      ? { wrong: 'write a size (10GiB), a share of all space (5%), or 1U or 1C (spec of RESERVE_SPACE in the help)' }
      : { value: { kind: 'bytes', bytes } }
  },
  print(value) {
    switch (value.kind) {
      case 'bytes':
        return printSize(value.bytes)
      case 'share':
        return `${value.percent}%`
      case 'largestUsed':
        return `${value.times}U`
      case 'largestCapacity':
        return `${value.times}C`
    }
  },
}

/** Simultaneous replications: endangered, undergoal, rebalance near average, other rebalance. */
export type FourLimits = readonly [number, number, number, number]

export const fourLimits: Kind<FourLimits> = {
  form: 'one number, or four separated by commas',
  parse(written) {
    const numbers = written.split(',').map(part => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN))
    const [a, b = a, c = a, d = a] = numbers
    const isRight = (numbers.length === 1 || numbers.length === 4) && !numbers.some(Number.isNaN)
    if (!isRight || a === undefined || b === undefined || c === undefined || d === undefined)
      return { wrong: 'write one number for all, or four separated by commas, for example 2,1,1,4' }
    return { value: [a, b, c, d] }
  },
  print: value => value.join(','),
}

/** Labels as a set of bits: A is bit 0. Characters that are no letters are dropped, with a note, as the original does. */
export const labels: Kind<number> = {
  form: 'letters A..Z separated by commas',
  parse(written) {
    const parts = written.split(/[,;]/).map(part => part.trim().toUpperCase())
    const letters = parts.filter(part => /^[A-Z]$/.test(part))
    const value = letters.reduce((mask, letter) => mask | (1 << (letter.charCodeAt(0) - 65)), 0)
    if (letters.length === parts.length || written === '') return { value }
    return { value, note: `write single letters separated by commas; taking ${letters.join(',') || 'none'}` }
  },
  print: value => [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter((_, bit) => value & (1 << bit)).join(','),
}

/** When a line of the changelog counts as safe. */
export type ChangelogSync = { kind: 'commit' } | { kind: 'interval'; ms: number } | { kind: 'none' }

export const changelogSync: Kind<ChangelogSync> = {
  form: 'commit, interval MILLISECONDS or none',
  parse(written) {
    if (/^commit$/i.test(written)) return { value: { kind: 'commit' } }
    if (/^none$/i.test(written)) return { value: { kind: 'none' } }
    const ms = Number(/^interval\s+(\d{1,7})(?:\s*ms)?$/i.exec(written)?.[1])
    return ms > 0 ? { value: { kind: 'interval', ms } } : { wrong: 'write commit, none, or an interval: interval 100' }
  },
  print: value => (value.kind === 'interval' ? `interval ${value.ms}` : value.kind),
}

/** One of a few words. */
export function word<const W extends string>(words: readonly W[]): Kind<W> {
  const form = `one of ${words.join(', ')}`
  return {
    form,
    parse(written) {
      const value = words.find(word => word === written.toLowerCase())
      return value === undefined ? { wrong: `write ${form}` } : { value }
    },
    print: value => value,
  }
}

/** Addresses separated by commas. */
export const urls: Kind<readonly string[]> = {
  form: 'http://HOST:PORT or https://HOST:PORT, separated by commas',
  parse(written) {
    const value = written.split(',').map(part => part.trim())
    const areRight = value.every(url => /^https?:\/\/[A-Za-z0-9._-]+:\d{1,5}$/.test(url))
    return areRight ? { value } : { wrong: 'write http://HOST:PORT for each, separated by commas' }
  },
  print: value => value.join(','),
}

/** First and last addresses, as numbers. */
export type Networks = readonly (readonly [from: number, to: number])[]

/** Addresses of machines, as in mfsexports.cfg. */
export const networks: Kind<Networks> = {
  form: 'networks separated by commas, such as 10.1.0.0/16,10.2.0.7; * for all addresses',
  parse(written) {
    const found = written.split(',').map(part => parseNetwork(part.trim()))
    const value = found.filter(network => network !== undefined)
    return value.length === found.length ? { value } : { wrong: 'write *, 10.1.2.3, 10.1.0.0/16 or 10.1.0.1-10.1.0.9' }
  },
  print: value =>
    value.map(([from, to]) => (from === 0 && to === 0xffffffff ? '*' : `${formatIpv4(from)}-${formatIpv4(to)}`)).join(),
}
