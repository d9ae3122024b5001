// Help texts from the declarations.
import type { ConfigFile, Options } from './option.ts'

/** All options with form, default and meaning. */
export function describeOptions<O extends Options>({ options }: ConfigFile<O>): string {
  return Object.entries(options)
    .map(([name, { kind, default: standard, doc, unit, needsRestart, ignored }]) => {
      const shown = kind.print(standard)
      const facts = [
        `${kind.form}${unit ? `, ${unit}` : ''}`,
        `default: ${shown === '' ? '(none)' : shown}`,
        ...(needsRestart ? ['read at start only'] : []),
        ...(ignored ? [`no effect: ${ignored}`] : []),
      ]
      return `  ${name}\n      ${doc}\n      ${facts.join('; ')}\n`
    })
    .join('')
}
