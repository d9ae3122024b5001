// Replaying the real master's changelogs gives the states that the real master came to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyNumbered } from '../../src/metadata/apply.ts'
import { parseLine } from '../../src/metadata/changelog/entry.ts'
import { canonicalLines } from '../../src/metadata/checkpoint/canonical.ts'
import type { State } from '../../src/metadata/state.ts'
import { load, steps, vector } from './metadata.ts'

async function replayed(step: string, changelog: string): Promise<State> {
  const state = await load(vector(step, 'before.metadata.mfs'))
  for (const line of vector(step, changelog).toString('latin1').split('\n')) {
    if (line === '') continue
    const { version, entry } = parseLine(line)
    try {
      applyNumbered(state, version, entry)
    } catch (error) {
      throw new Error(`${line}: ${error instanceof Error ? error.message : error}`, { cause: error })
    }
  }
  return state
}

/** Lines in only one of the two, so that a failure can be read. */
function difference(actual: string[], expected: string[]): string[] {
  const [has, wants] = [new Set(actual), new Set(expected)]
  return [
    ...actual.filter(line => !wants.has(line)).map(line => `ours:  ${line}`),
    ...expected.filter(line => !has.has(line)).map(line => `real:  ${line}`),
  ]
}

/** Sessions differ by what is not logged: closed ones, dates of disconnection, what unknown ones have open. */
const comparable = (state: State) => canonicalLines(state).filter(line => !/^(SESS|OPEN)/.test(line))

/** The original loses the first digit of every group when it replays a snapshot: 1000 became 0 (spec metadata 12.1). */
function withTrueGroups(lines: string[]): string[] {
  return lines.map(line =>
    /^NODE (17[7-9]|18[0-4]) /.test(line) ? line.replace(' 1000 0 1795340960', ' 1000 1000 1795340960') : line,
  )
}

/** Where the original gives a new root the time of the replay, ours gives it that of its first change. */
function withTrueRoot(lines: string[], step: string): string[] {
  if (step !== '01-basic-ops') return lines
  return lines.map(line => line.replace(/^(NODE 1 type 2 2 0 0 511 0 0) 1795333779 /, '$1 1795331738 '))
}

for (const step of steps) {
  test(`${step}: replay gives the state of the real replay`, async () => {
    const file = step === '05-snapshot-groups' ? 'after.metadata.mfs' : 'replayed.metadata.mfs'
    const expected = withTrueRoot(comparable(await load(vector(step, file))), step)
    const actual = await replayed(step, 'changelog.mfs')
    assert.deepEqual(
      difference(comparable(actual), step === '06-handmade-lines' ? withTrueGroups(expected) : expected),
      [],
    )
  })
}

test('a line that the original cannot replay is replayed as it happened', async () => {
  const live = await load(vector('04-time-driven-and-chunk-ops', 'after.metadata.mfs'))
  const actual = await replayed('04-time-driven-and-chunk-ops', 'changelog.original.mfs')
  assert.equal(actual.version, live.version)
  assert.equal(actual.nodes.mtime.get(39), live.nodes.mtime.get(39))
})
