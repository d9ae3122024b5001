import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  list,
  message,
  messageOf,
  name,
  ProtocolError,
  since,
  statusOr,
  sum64,
  u8,
  u16,
  u32,
  u64,
  u64n,
} from './codec.ts'
import { FrameReader } from './frame.ts'

const lookup = message(406, 'CLTOMA_FUSE_LOOKUP', { msgid: u32, parent: u32, name, gids: list(u32, u32) })
const answer = messageOf(407, 'MATOCL_FUSE_LOOKUP', statusOr({ inode: u32, length: u64n }))

test('a message encodes to the declared layout', () => {
  const frame = lookup.encode({ msgid: 1, parent: 2, name: 'é\xff', gids: [5] })
  assert.equal(frame.toString('hex'), '0000019600000013000000010000000202e9ff0000000100000005')
  assert.equal(lookup.layout, 'msgid:32 parent:32 name:NAME gids:32 N*[32]')
})

test('decoding gives back what was encoded, and every truncation is refused', () => {
  const arbitrary = fc.record(
    {
      msgid: fc.nat(),
      parent: fc.nat(),
      name: fc.string({
        unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
        maxLength: 255,
      }),
      gids: fc.array(fc.nat()),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(arbitrary, body => {
      const payload = lookup.encode(body).subarray(8)
      assert.deepEqual(lookup.decode(payload), body)
      for (let length = 0; length < payload.length; length++) {
        assert.throws(() => lookup.decode(payload.subarray(0, length)), ProtocolError)
      }
      assert.throws(() => lookup.decode(Buffer.concat([payload, Buffer.alloc(1)])), ProtocolError)
    }),
    { numRuns: 50 },
  )
})

test('a count that cannot be true is refused before anything is allocated', () => {
  const payload = Buffer.from('0000000100000002016100ffffff', 'hex')
  assert.throws(() => lookup.decode(payload), /items announced/)
})

test('an answer of five bytes is a status, a longer one the data', () => {
  assert.deepEqual(answer.decode(Buffer.from('0000000703', 'hex')), { msgid: 7, status: 3 })
  const data = answer.encode({ msgid: 7, inode: 9, length: 2 ** 40 })
  assert.deepEqual(answer.decode(data.subarray(8)), { msgid: 7, inode: 9, length: 2 ** 40 })
})

test('a field of newer versions is absent between older peers', () => {
  const versioned = message(1, 'VERSIONED', { a: u8, b: since(0x30000, u64) })
  assert.equal(versioned.encode({ a: 1 }, 0x20000).length, 9)
  assert.deepEqual(versioned.decode(Buffer.from([1]), 0x20000), { a: 1, b: undefined })
  assert.equal(versioned.encode({ a: 1, b: 1n }, 0x30000).length, 17)
})

test('packets come out whole however the stream is cut', () => {
  const frames = Buffer.concat([
    lookup.encode({ msgid: 1, parent: 2, name: 'a', gids: [] }),
    answer.encode({ msgid: 1, status: 0 }),
    lookup.encode({ msgid: 2, parent: 2, name: 'x'.repeat(255), gids: [1, 2, 3] }),
  ])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), sizes => {
      const packets: string[] = []
      const reader = new FrameReader(1000, (type, payload) => packets.push(`${type} ${payload.toString('hex')}`))
      for (let position = 0, i = 0; position < frames.length; i++) {
        const size = sizes[i % sizes.length] as number
        reader.push(Buffer.from(frames.subarray(position, position + size)))
        position += size
      }
      assert.equal(packets.length, 3)
      assert.ok(packets[2]?.startsWith('406 00000002'))
    }),
  )
})

test('a packet that announces too much is refused at its header', () => {
  const reader = new FrameReader(1000, () => assert.fail('no packet is complete'))
  assert.throws(() => reader.push(Buffer.from('00000001000003e9', 'hex')), ProtocolError)
})

test('fields may be called anything, and their order is that of the declaration', () => {
  const odd = message(1, 'ODD', { value: u8, out: u8, input: u8, codecs: u8, class: u8, write: u8, a: u8 })
  const body = { value: 1, out: 2, input: 3, codecs: 4, class: 5, write: 6, a: 7 }
  const frame = odd.encode({ a: 7, write: 6, class: 5, codecs: 4, input: 3, out: 2, value: 1 })
  assert.deepEqual(odd.decode(frame.subarray(8)), body)
  assert.equal(frame.toString('hex', 8), '01020304050607')
})

test('a number that does not fit its field is refused, not cut', () => {
  const numbers = message(1, 'NUMBERS', { short: u16, long: u32 })
  for (const body of [
    { short: 65536, long: 0 },
    { short: -1, long: 0 },
    { short: 0, long: 2 ** 32 },
    { short: 0, long: -1 },
    { short: 0, long: 1.5 },
  ]) {
    assert.throws(() => numbers.encode(body), RangeError)
  }
  assert.equal(numbers.encode({ short: 65535, long: 0xffffffff }).toString('hex', 8), 'ffffffffffff')
})

test('frames stay whole where one slab of memory ends and the next begins', () => {
  const sized = message(2, 'SIZED', { first: u32, short: u16, name, long: u64n, big: u64, last: u8 })
  for (let i = 0; i < 20_000; i++) {
    const body = {
      first: i,
      short: i & 0xffff,
      name: 'n'.repeat(i % 256),
      long: i * 2 ** 20,
      big: BigInt(i),
      last: i & 255,
    }
    assert.deepEqual(sized.decode(sized.encode(body).subarray(8)), body)
  }
})

test('a sum beyond 2^53 is as near as a number comes, and never beyond 64 bits', () => {
  const sums = message(3, 'SUMS', { sum: sum64 })
  const through = (sum: number) => sums.decode(sums.encode({ sum }).subarray(8)).sum
  for (const exact of [0, 2 ** 53 - 1, 2 ** 53, 3 * 2 ** 53, 2 ** 64 - 2 ** 11]) assert.equal(through(exact), exact)
  assert.equal(through(2 ** 64), 2 ** 64 - 2 ** 11)
  assert.equal(sums.decode(Buffer.alloc(8, 0xff)).sum, 2 ** 64 - 2 ** 11)
})
