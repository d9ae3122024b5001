// Reading a NAME.cfg file (spec daemons-and-config 2): one `OPTION = value` per line, `#` first makes a comment.
// Where the original is silent - unknown options, text in place of numbers - this reader speaks up.
import type { ConfigFile, Option, Options, Values } from './option.ts'

export interface ParsedConfig<O extends Options> {
  values: Values<O>
  /** What the file sets, with the text that stands there. */
  written: ReadonlyMap<string, string>
  /** The start goes on: `FILE:LINE: OPTION …`. */
  warnings: string[]
  /** Values that nothing can be made of; the value before (or the default) stands in `values`. */
  errors: string[]
}

const LINE_CHARACTERS_MAX = 998
// NAME: printable characters without `=`; the value ends at the first control character.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters end a value
const DEFINITION = /^[ \t]*([!-<>-~]+)[ \t]*=[ \t]*([^\x00-\x1f]*)/

/**
 * @param file name for messages
 * @param before values in force, kept where the file's are unreadable; the defaults when missing
 * @param settings options given on the command line, which count more than the file
 */
export function parseConfig<O extends Options>(
  declaration: ConfigFile<O>,
  file: string,
  contents: string,
  before?: Values<O>,
  settings: ReadonlyMap<string, string> = new Map(),
): ParsedConfig<O> {
  const reading = new Reading(declaration.options, file, before)
  for (const [i, line] of contents.split('\n').entries()) reading.line(line.slice(0, LINE_CHARACTERS_MAX), i + 1)
  for (const [name, value] of settings) reading.take(name, value, 'command line')
  const { values, written, warnings, errors } = reading
  const read = values as Values<O>
  const reconciled = declaration.reconcile?.(read, name => written.has(String(name)))
  for (const note of reconciled?.notes ?? []) warnings.push(`${file}: ${note}`)
  return { values: { ...read, ...reconciled?.values }, written, warnings, errors }
}

/** The values when there is no file. */
export function defaultConfig<O extends Options>(declaration: ConfigFile<O>): Values<O> {
  return parseConfig(declaration, '', '').values
}

/** A line as messages may show it. */
function shownLine(line: string): string {
  return /AUTH_CODE/i.test(line) ? 'AUTH_CODE (hidden)' : line.trim()
}

class Reading {
  readonly values: Record<string, unknown> = {}
  readonly written = new Map<string, string>()
  readonly warnings: string[] = []
  readonly errors: string[] = []
  readonly #options: Options
  readonly #file: string
  readonly #before: Readonly<Record<string, unknown>> | undefined
  readonly #currentNames = new Map<string, string>()

  constructor(options: Options, file: string, before: Readonly<Record<string, unknown>> | undefined) {
    this.#options = options
    this.#file = file
    this.#before = before
    for (const [name, option] of Object.entries(options)) {
      this.values[name] = option.default
      for (const oldName of Object.keys(option.oldNames ?? {})) this.#currentNames.set(oldName, name)
    }
  }

  line(line: string, number: number): void {
    if (line.startsWith('#') || line.trim() === '') return
    const place = `${this.#file}:${number}`
    const [, written = '', value = ''] = DEFINITION.exec(line) ?? []
    if (written === '') {
      this.warnings.push(`${place}: bad definition, ignored: write OPTION = value instead of: ${shownLine(line)}`)
      return
    }
    this.take(written, value, place)
  }

  /** @param place where it was written, for messages */
  take(written: string, value: string, place: string): void {
    const current = this.#currentNames.get(written)
    const name = current ?? written
    const option = Object.hasOwn(this.#options, name) ? this.#options[name] : undefined
    if (!option) {
      this.warnings.push(`${place}: unknown option ${written}, ignored`)
      return
    }
    if (current) this.warnings.push(`${place}: ${written} is the old name of ${name}`)
    this.#takeValue(name, option, option.oldNames?.[written]?.(value.trimEnd()) ?? value.trimEnd(), place)
  }

  #takeValue(name: string, option: Option<unknown>, value: string, place: string): void {
    const shown = `${place}: ${name} = ${name === 'AUTH_CODE' ? '(hidden)' : value}`
    if (option.ignored) this.warnings.push(`${place}: ${name} has no effect: ${option.ignored}`)
    const parsed = option.kind.parse(value)
    if ('wrong' in parsed) {
      this.errors.push(`${shown}: cannot be read; ${parsed.wrong} (default: ${option.kind.print(option.default)})`)
      if (this.#before) this.values[name] = this.#before[name]
      return
    }
    if (parsed.note) this.warnings.push(`${shown}: ${parsed.note}`)
    this.values[name] = parsed.value
    this.written.set(name, value)
  }
}
