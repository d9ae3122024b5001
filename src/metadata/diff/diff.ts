// What differs between two states, thing by thing.
import type { State } from '../state.ts'
import { type Facts, type Kind, kinds } from './facts.ts'

export interface Difference {
  /** `-`: only in the first state. `+`: only in the second. `~`: in both, and not the same. */
  sign: '-' | '+' | '~'
  /** Kind of thing: `inode`, `chunk`, … */
  title: string
  /** Number and, for what has one, path. */
  name: string
  /** All facts of what is in one state only; the differing ones, `before -> after`, of what is in both. */
  facts: Facts
}

/** Every difference, kind by kind. `tell` hears of every thing looked at. */
export function* differences(first: State, second: State, tell: () => void = () => {}): Generator<Difference> {
  for (const kind of kinds) yield* differencesOf(kind, first, second, tell)
}

function* differencesOf<K>(kind: Kind<K>, first: State, second: State, tell: () => void): Generator<Difference> {
  const { title } = kind
  for (const key of kind.keys(first)) {
    tell()
    const before = kind.facts(first, key)
    if (!kind.has(second, key)) {
      yield { sign: '-', title, name: kind.name(first, key), facts: before }
      continue
    }
    const facts = changed(before, kind.facts(second, key))
    if (facts) yield { sign: '~', title, name: kind.name(second, key), facts }
  }
  for (const key of kind.keys(second)) {
    if (kind.has(first, key)) continue
    yield { sign: '+', title, name: kind.name(second, key), facts: kind.facts(second, key) }
  }
}

function changed(before: Facts, after: Facts): Facts | undefined {
  let facts: Facts | undefined
  const note = (name: string) => {
    if (before[name] === after[name]) return
    facts ??= {}
    facts[name] = `${before[name] ?? 'none'} -> ${after[name] ?? 'none'}`
  }
  for (const name in before) note(name)
  for (const name in after) if (!(name in before)) note(name)
  return facts
}
