import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { operations, parseLine, printLine } from '../../src/metadata/changelog/entry.ts'
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

/** Every operation that a master of any age logs, in its present spelling, and older spellings (spec metadata 4). */
const OPERATIONS = `
  ACCESS ACQUIRE AMTIME APPEND ARCHCHG ATTR CHUNKADD CHUNKDEL CREATE CSADD CSDBOP CSDEL CUSTOMER EMPTYSUSTAINED
  EMPTYTRASH FLOCK FREEINODES IDLE INCVERSION LENGTH LINK MOVE NEXTCHUNKID POSIXLOCK PURGE QUOTA RELEASE
  RENUMERATEEDGES REPAIR ROLLBACK SCDEL SCDUP SCREN SCSET SESADD SESCHANGED SESDEL SESDISCONNECTED SESSION SETACL
  SETEATTR SETFILECHUNK SETGOAL SETMETAID SETPATH SETSCLASS SETTRASHTIME SETVERSION SETXATTR SNAPSHOT SYMLINK TRUNC
  UNDEL UNLINK UNLOCK WRITE`
  .trim()
  .split(/\s+/)
const OLD_SPELLINGS = ['AQUIRE', 'EMPTYRESERVED']

test('every operation of a master is declared, and nothing else', () => {
  assert.deepEqual(Object.keys(operations).sort(), OPERATIONS)
})

test('every operation and every old spelling is in a changelog that the real master has replayed', () => {
  // replay.test.ts replays them, and compares with what the real master came to.
  const replayed = new Set(steps.flatMap(step => linesOf(step)).map(line => /\|([A-Z]+)\(/.exec(line)?.[1]))
  assert.deepEqual(
    [...OPERATIONS, ...OLD_SPELLINGS].filter(name => !replayed.has(name)),
    [],
  )
})

test('older forms are read as what they mean', () => {
  const forms = {
    'CREATE(1,a,b,420,5,6,770):9': 'CREATE(1,a,5,420,0,5,6,770):9',
    'ATTR(8,384,0,0,1,2)': 'ATTR(8,384,0,0,1,2,0,384)',
    'ATTR(8,384,0,0,1,2,4)': 'ATTR(8,384,0,0,1,2,0,4)',
    'LENGTH(2,5)': 'LENGTH(2,5,1)',
    'WRITE(2,0):7': 'WRITE(2,0,1,1):7',
    'WRITE(2,0,0):7': 'WRITE(2,0,0,1):7',
    'APPEND(2,3)': 'APPEND(2,3,4294967295,0)',
    'FREEINODES():4': 'FREEINODES(86400):4,0,0',
    'FREEINODES(300):4,1': 'FREEINODES(300):4,1,0',
    'EMPTYTRASH():4,1': 'EMPTYTRASH(4294967295):4,1,0',
    'EMPTYRESERVED():4': 'EMPTYSUSTAINED(4294967295):4,0',
    'AQUIRE(1,2)': 'ACQUIRE(1,2)',
    'QUOTA(2,1,255,5,1,2,3,4,5,6,7,8)': 'QUOTA(2,1,255,5,1,2,3,4,5,6,7,8,0)',
    'FLOCK(7,13,1,s)': 'FLOCK(7,13,1,R)',
    'FLOCK(7,13,1,E)': 'FLOCK(7,13,1,W)',
    'FLOCK(7,13,1,u)': 'FLOCK(7,13,1,U)',
    'SESADD(1,0,5,6,7,8,1,9,0,60,99,info):12': 'SESADD(#0,1,0,0000,5,6,7,8,1,9,0,60,0x00000000,99,info):12',
    'SNAPSHOT(69,1,c,0,8,0,7,18)': 'SNAPSHOT(69,1,c,0,8,0,[7],18):0,0,0,0,0,0',
    'SNAPSHOT(69,1,c,0,8,0,2,%E8%03%00%00%1B%00%00%00,18)': 'SNAPSHOT(69,1,c,0,8,0,[1000,27],18):0,0,0,0,0,0',
  }
  for (const [old, present] of Object.entries(forms)) {
    assert.equal(printLine(5, parseLine(`5: 1|${old}`).entry), `5: 1|${present}`)
  }
})
