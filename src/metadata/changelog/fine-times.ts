// What a line says of times besides whole seconds: a part of its trailer (trailer.ts), behind everything that the
// original reads.
//
//   <line>;T<nanoseconds of the line's own time stamp>[,<atime>,<mtime>[,<ctime>]]
//
// The later numbers stand in lines that name these times: what the time needs besides (protocol/fine-times.ts). One that
// is empty, as is the whole part in lines of the original, says nothing: the time is the moment of the line when it has
// the same second, and a whole second otherwise.
import { ChangelogError } from './fields.ts'

export interface FineTimes {
  /** Of the time stamp, 0..999,999,999. */
  ns?: number
  atimeMore?: number
  mtimeMore?: number
  ctimeMore?: number
}

const keys = ['ns', 'atimeMore', 'mtimeMore', 'ctimeMore'] as const

/** Empty where there is nothing to say. */
export function printFineTimes(times: FineTimes): string {
  let last = keys.length - 1
  while (last >= 0 && times[keys[last] as keyof FineTimes] === undefined) last--
  if (last < 0) return ''
  const values = keys.slice(0, last + 1).map(key => times[key] ?? '')
  return `;T${values.join(',')}`
}

/** @param trailer what stands behind the line (trailer.ts) @throws ChangelogError */
export function parseFineTimes(trailer: string): FineTimes {
  const times: FineTimes = {}
  const text = /;T([^;]*)/.exec(trailer)?.[1]
  if (text === undefined) return times
  const values = text.split(',')
  if (values.length > keys.length) throw new ChangelogError(`too many times: "${text}"`)
  values.forEach((value, i) => {
    if (value === '') return
    const number = Number(value)
    if (!/^\d{1,10}$/.test(value) || number > 0xffffffff) throw new ChangelogError(`bad time "${value}"`)
    times[keys[i] as keyof FineTimes] = number
  })
  return times
}
