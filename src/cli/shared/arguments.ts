// Command lines in the manner of getopt.
import { readFileSync } from 'node:fs'

/** The arguments as bytes (latin1): paths in the file system need not be UTF-8. */
export function rawArguments(): string[] {
  const count = process.argv.length - 2
  try {
    const all = readFileSync('/proc/self/cmdline', 'latin1').split('\0').slice(0, -1)
    return count === 0 ? [] : all.slice(-count)
  } catch {
    return process.argv.slice(2).map(argument => Buffer.from(argument).toString('latin1'))
  }
}

/** A path given as bytes, as Node takes it. */
export const pathOf = (argument: string) => Buffer.from(argument, 'latin1').toString()

/** The arguments make no sense: the program shows its usage and this. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface Arguments {
  /** By letter or long name; switches have ''. The last one counts. */
  options: Map<string, string>
  /** How often each letter was given. */
  counts: Map<string, number>
  /** Letters and long names with their values, in the order given. */
  given: [name: string, value: string][]
  operands: string[]
}

/**
 * Splits arguments: letters may stand together, a value may follow at once or as the next argument, operands may stand
 * anywhere, `--` ends the options. `--help` is always known.
 *
 * @param switches letters without value
 * @param valued letters with a value
 * @param long long options, with true for those that have a value
 * @throws UsageError
 */
export function parseArguments(
  args: readonly string[],
  switches: string,
  valued: string,
  long: Readonly<Record<string, boolean>> = {},
): Arguments {
  const parsed: Arguments = { options: new Map(), counts: new Map(), given: [], operands: [] }
  const rest = [...args]
  const put = (name: string, value: string) => {
    parsed.options.set(name, value)
    parsed.given.push([name, value])
    parsed.counts.set(name, (parsed.counts.get(name) ?? 0) + 1)
  }
  const value = (name: string, attached: string | undefined): string => {
    const given = attached ?? rest.shift()
    if (given === undefined) throw new UsageError(`option ${name} needs a value`)
    return given
  }
  const takeLong = (argument: string) => {
    const [, name = '', attached] = /^--([^=]*)(?:=(.*))?$/s.exec(argument) ?? []
    const known = { help: false, ...long }
    if (!Object.hasOwn(known, name)) throw new UsageError(`unknown option --${name}`)
    put(name, known[name as keyof typeof known] ? value(`--${name}`, attached) : '')
  }
  const takeLetters = (letters: string) => {
    for (let i = 0; i < letters.length; i++) {
      const letter = letters[i] as string
      if (switches.includes(letter)) put(letter, '')
      else if (valued.includes(letter)) return put(letter, value(`-${letter}`, letters.slice(i + 1) || undefined))
      else throw new UsageError(`unknown option -${letter}`)
    }
  }
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--') {
      parsed.operands.push(...rest)
      break
    }
    if (argument.startsWith('--')) takeLong(argument)
    else if (argument.startsWith('-') && argument.length > 1) takeLetters(argument.slice(1))
    else parsed.operands.push(argument)
  }
  return parsed
}
