// What all tools have in common: options, usage, and one thing after the other.
import { ProtocolError } from '../../protocol/codec.ts'
import { parseArguments, UsageError } from '../shared/arguments.ts'
import { Failure, Refusal } from './failure.ts'
import { type NumberStyle, numberStyle } from './numbers.ts'
import { type Target, Targets } from './targets.ts'

export interface Tool {
  /** What it does, in a line. */
  readonly about: string
  /** What follows its name. */
  readonly syntax: string
  /** Letters without a value, and with one; those of numbers come with `hasNumbers`. */
  readonly switches?: string
  readonly valued?: string
  /** Takes -n, -h, -H, -k, -m and -g. */
  readonly hasNumbers?: boolean
  /** More lines of its usage. */
  readonly help?: readonly string[]
  /** How it ends when something could not be done. */
  readonly failureCode?: number
  /** When the first words choose what is done: the tool that does it, with its arguments. @throws UsageError */
  choose?(args: readonly string[]): { tool: Tool; args: readonly string[] } | undefined
  /** Does its work. @throws UsageError, Failure */
  run(call: Call): Promise<void> | void
}

const NUMBER_SWITCHES = 'nhHkmg'
const NUMBER_HELP = [
  ' -n - whole numbers',
  ' -h - short numbers with binary units (Ki, Mi, ...)',
  ' -H - short numbers with decimal units (k, M, ...)',
  ' -k, -m, -g - whole numbers of units of 1024, 1024^2, 1024^3',
]

/** One run of a tool. */
export class Call {
  readonly targets = new Targets()
  readonly operands: readonly string[]
  /** Options with their values, in the order given. */
  readonly given: readonly (readonly [letter: string, value: string])[]
  readonly numbers: NumberStyle
  readonly #write: (text: string) => void
  /** Something could not be done. */
  hasFailed = false

  constructor(parsed: { operands: readonly string[]; given: Call['given'] }, write: (text: string) => void) {
    this.operands = parsed.operands
    this.given = parsed.given
    this.numbers = numberStyle(
      parsed.given.map(([letter]) => letter),
      process.env.MFSHRFORMAT,
    )
    this.#write = write
  }

  has(letter: string): boolean {
    return this.given.some(([each]) => each === letter)
  }

  /** A line on stdout, bytes (latin1). */
  say(line: string): void {
    this.#write(`${line}\n`)
  }

  /** Operands from `from` on. @throws UsageError when there are none */
  names(from = 0): readonly string[] {
    if (this.operands.length <= from) throw new UsageError('')
    return this.operands.slice(from)
  }

  /** Does something; what goes wrong with it is told, and the rest goes on. @param name what a refusal is about */
  async attempt(name: string, action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      if (error instanceof Refusal) this.say(`${name}: ${error.message}`)
      else if (error instanceof Failure) this.say(error.message)
      else if (error instanceof ProtocolError) this.say(`${name}: the master's answer makes no sense: ${error.message}`)
      // A name that is longer than messages have room for.
      else if (error instanceof RangeError) this.say(`${name}: ${error.message}`)
      else throw error
      this.hasFailed = true
    }
  }

  /** Does the same with each of the objects. @param changes whether it changes them */
  async each(names: readonly string[], changes: boolean, action: (target: Target) => Promise<void>): Promise<void> {
    for (const name of names) await this.attempt(name, () => action(this.targets.find(name, changes)))
  }
}

/** Description, syntax and options of a tool. */
export function usageOf(name: string, tool: Tool): string {
  const lines = [
    tool.about,
    '',
    `usage: ${name} ${tool.syntax}`,
    ...(tool.hasNumbers ? NUMBER_HELP : []),
    ...(tool.help ?? []),
  ]
  return `${lines.join('\n')}\n`
}

/** Runs a tool. @param args as bytes (latin1) @param write for stdout @returns the exit code */
export async function runTool(
  name: string,
  tool: Tool,
  args: readonly string[],
  write: (text: string) => void,
): Promise<number> {
  try {
    const chosen = tool.choose?.(args) ?? { tool, args }
    const switches = (chosen.tool.switches ?? '') + (chosen.tool.hasNumbers ? NUMBER_SWITCHES : '')
    const parsed = parseArguments(chosen.args, switches, chosen.tool.valued ?? '')
    if (parsed.options.has('help')) {
      write(usageOf(name, tool))
      return 0
    }
    const call = new Call(parsed, write)
    try {
      await call.attempt(name, async () => chosen.tool.run(call))
    } finally {
      call.targets.close()
    }
    return call.hasFailed ? (chosen.tool.failureCode ?? 1) : 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message === '' ? '' : `${error.message}\n`}${usageOf(name, tool)}`)
    return 1
  }
}
