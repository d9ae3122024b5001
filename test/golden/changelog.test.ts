import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseLine, printLine } from '../../src/metadata/changelog/entry.ts'
import { ChangelogError } from '../../src/metadata/changelog/fields.ts'
import { steps, vector } from './metadata.ts'

const linesOf = (step: string, file = 'changelog.mfs') =>
  vector(step, file)
    .toString('latin1')
    .split('\n')
    .filter(line => line !== '')

for (const step of steps) {
  test(`${step}: every line parses, and prints back`, () => {
    for (const line of linesOf(step)) {
      const { version, entry } = parseLine(line)
      const printed = printLine(version, entry)
      // Hand-made lines hold old forms, which print in the present one.
      if (step === '06-handmade-lines') assert.deepEqual(parseLine(printed), { version, entry, trailer: {} })
      else assert.equal(printed, line)
    }
  })
}

test('names of any bytes survive printing and parsing', () => {
  const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(c => String.fromCharCode(c)), maxLength: 255 })
  fc.assert(
    fc.property(bytes, fc.nat(), (name, inode) => {
      const entry = { op: 'UNLINK', ts: 1, parent: 1, name, inode } as const
      assert.deepEqual(parseLine(printLine(7, entry)), { version: 7, entry, trailer: {} })
    }),
  )
})

test('a damaged line is refused or read as another one, never anything else', () => {
  const lines = steps.flatMap(step => linesOf(step))
  const pick = fc.record({
    line: fc.constantFrom(...lines),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.integer({ min: 0, max: 255 }),
    cut: fc.boolean(),
  })
  fc.assert(
    fc.property(pick, ({ line, at, byte, cut }) => {
      const position = Math.floor(at * line.length)
      const damaged = line.slice(0, position) + (cut ? '' : String.fromCharCode(byte) + line.slice(position + 1))
      try {
        parseLine(damaged)
      } catch (error) {
        assert.ok(error instanceof ChangelogError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
