import type { Until } from '../../journal/restore.ts'
import { UsageError } from '../shared/arguments.ts'

/** A change number, `@SECONDS`, or a date and time as in ISO 8601. @throws UsageError */
export function parseUntil(text: string): Until {
  if (/^\d{1,15}$/.test(text)) return { change: Number(text) }
  if (/^@\d{1,10}$/.test(text)) return { time: Number(text.slice(1)) }
  // A date alone would mean its first second in UTC, which nobody expects.
  const dated = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?$/.exec(text)
  const milliseconds = dated ? Date.parse(`${dated[1]}T${dated[2]}${dated[3] ?? ''}`) : Number.NaN
  if (Number.isNaN(milliseconds)) {
    throw new UsageError(`"${text}" is no moment: a change number, @SECONDS, or for example 2026-01-31T12:00:00`)
  }
  return { time: Math.floor(milliseconds / 1000) }
}
