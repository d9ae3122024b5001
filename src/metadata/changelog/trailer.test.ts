import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseLine, printLine } from './entry.ts'
import { ChangelogError } from './fields.ts'
import { printTrailer, saysMore, type Trailer } from './trailer.ts'

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const bytes = fc.uint8Array({ maxLength: 100 }).map(given => Buffer.from(given).toString('base64'))
const answer = fc.record(
  { sessionId: u32, msgid: u32, type: u32, digest: fc.maxSafeNat(), body: bytes },
  { noNullPrototype: true },
)
const answerId = fc.record({ sessionId: u32, msgid: u32 }, { noNullPrototype: true })
const job = fc.record(
  {
    sessionId: u32,
    msgid: u32,
    type: u32,
    digest: fc.maxSafeNat(),
    version: u32,
    note: fc.constantFrom('', '7', '1.2'),
    body: bytes,
  },
  { noNullPrototype: true },
)
const trailers = fc.record(
  {
    answer,
    received: fc.array(answerId, { minLength: 1, maxLength: 5 }),
    job,
    leaseOwner: u32,
    reserved: fc.record({ inode: u32, end: fc.maxSafeNat() }, { noNullPrototype: true }),
    raisedFrom: fc.nat(0xffffffff),
    raisedOn: fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 1, maxLength: 5 }),
    more: fc.constant<true>(true),
  },
  { requiredKeys: [], noNullPrototype: true },
)
const names = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(c => String.fromCharCode(c)), maxLength: 50 })

test('trailers and lines come back as they were, whatever the names hold', () => {
  fc.assert(
    fc.property(trailers, names, (trailer: Trailer, name) => {
      const entry = { op: 'UNLINK', ts: 1, parent: 1, name, inode: 7 } as const
      const line = printLine(7, entry) + printTrailer(trailer)
      assert.deepEqual(parseLine(line), { version: 7, entry, trailer })
      assert.equal(saysMore(line), trailer.more ?? false)
    }),
  )
})

test('a damaged trailer is refused, and one of a later version is passed over', () => {
  const line = printLine(7, { op: 'LINK', ts: 1, inode: 5, parent: 1, name: 'a;b' })
  for (const damaged of [
    ';A1,2,3',
    ';C1,2,3',
    ';C',
    ';A1,2,3,4,!',
    ';J1,2,3',
    ';R1',
    ';Rx,1',
    ';J1,2,3,4,5,x,',
    ';L',
    ';Lx',
    ';V',
    ';V1,',
    ';V1,,2',
  ]) {
    assert.throws(() => parseLine(line + damaged), ChangelogError, damaged)
  }
  assert.deepEqual(parseLine(`${line};Zsomething`).trailer, {})
})
