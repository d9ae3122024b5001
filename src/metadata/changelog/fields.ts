// How single values are written in changelog lines (spec metadata 3.1, 3.3).
import { SUM_MAX } from '../../util/sums.ts'

/** A line that no master would have written: what is wrong with it. */
export class ChangelogError extends Error {
  override readonly name = 'ChangelogError'
}

export interface Field<T> {
  print(value: T): string
  /** @throws ChangelogError */
  parse(text: string): T
}

/** An unsigned number below 2^53. */
export const num: Field<number> = {
  print: value => String(value),
  parse(text) {
    if (!/^\d{1,20}$/.test(text)) throw new ChangelogError(`"${text}" is not a number`)
    const value = Number(text)
    if (value > Number.MAX_SAFE_INTEGER) throw new ChangelogError(`number ${text} is too big`)
    return value
  },
}

/** A limit of a sum of lengths, of 64 bits: beyond 2^53 as near to it as a number comes. */
export const sum: Field<number> = {
  print: value => String(BigInt(value)),
  parse(text) {
    if (!/^\d{1,20}$/.test(text)) throw new ChangelogError(`"${text}" is not a number`)
    return Math.min(Number(text), SUM_MAX)
  },
}

/** An unsigned number of 64 bits. */
export const big: Field<bigint> = {
  print: value => String(value),
  parse(text) {
    if (!/^\d{1,20}$/.test(text)) throw new ChangelogError(`"${text}" is not a number`)
    return BigInt.asUintN(64, BigInt(text))
  },
}

export const flag: Field<boolean> = {
  print: value => (value ? '1' : '0'),
  parse: text => num.parse(text) !== 0,
}

/** Anything but the printable ASCII bytes without `,` `%` `(` `)`. */
const UNSAFE = /[^ -$&'*+\--~]/
const UNSAFE_ALL = /[^ -$&'*+\--~]/g

/** Bytes as latin1; what is not plain is `%` and two capital hex digits. */
export const text: Field<string> = {
  print: value => (UNSAFE.test(value) ? value.replace(UNSAFE_ALL, escapeByte) : value),
  parse(escaped) {
    if (!escaped.includes('%')) return escaped
    return escaped.replace(/%(.{0,2})/gs, (_, digits: string) => {
      if (!/^[0-9A-F]{2}$/.test(digits)) throw new ChangelogError(`bad escape "%${digits}"`)
      return String.fromCharCode(Number.parseInt(digits, 16))
    })
  },
}

const escapeByte = (byte: string) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** `#` and a 64-bit number. */
export const checksum: Field<bigint> = {
  print: value => `#${value}`,
  parse: text => big.parse(text.replace(/^#/, '')),
}

/** Octal with a leading zero: `0022`. */
export const octal: Field<number> = {
  print: value => `0${value.toString(8).padStart(3, '0')}`,
  parse(text) {
    if (!/^[0-7]{1,6}$/.test(text)) throw new ChangelogError(`"${text}" is not an octal number`)
    return Number.parseInt(text, 8)
  },
}

/** `0x` and eight capital hex digits. */
export const hex32: Field<number> = {
  print: value => `0x${value.toString(16).toUpperCase().padStart(8, '0')}`,
  parse(text) {
    if (!/^0x[0-9A-Fa-f]{1,8}$/.test(text)) throw new ChangelogError(`"${text}" is not a hexadecimal number`)
    return Number.parseInt(text.slice(2), 16)
  },
}

/** One of a few letters. Older spellings may be read, the first one of each meaning is written. */
export function letter<T extends string>(spellings: Record<T, string>): Field<T> {
  const meanings = Object.entries(spellings) as [T, string][]
  return {
    print: value => (spellings[value] as string)[0] as string,
    parse(text) {
      for (const [meaning, letters] of meanings) if (text.length === 1 && letters.includes(text)) return meaning
      throw new ChangelogError(`unknown letter "${text}"`)
    },
  }
}

/** A number after a letter: `W2`. */
export function counted(prefix: string): Field<number> {
  return {
    print: value => `${prefix}${value}`,
    parse(text) {
      if (!text.startsWith(prefix)) throw new ChangelogError(`"${text}" does not begin with ${prefix}`)
      return num.parse(text.slice(prefix.length))
    },
  }
}

/** Group ids in square brackets, the only parameter with commas in it: `[1000,27]`. */
export const groups: Field<number[]> = {
  print: values => `[${values.join(',')}]`,
  parse(text) {
    const match = /^\[([\d,]*)\]$/.exec(text)
    if (!match) throw new ChangelogError(`"${text}" is no list of groups`)
    return match[1] === '' ? [] : (match[1] as string).split(',').map(num.parse)
  },
}

/** All parameters from here on: numbers, or `-` for none. */
export const numbersToEnd: Field<number[]> = {
  print: values => (values.length === 0 ? '-' : values.join(',')),
  parse: text => (text === '-' || text === '' ? [] : text.split(',').map(num.parse)),
}
