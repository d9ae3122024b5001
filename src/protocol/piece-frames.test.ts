import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as cltocs from './cltocs.ts'
import { PieceFrameReader } from './piece-frames.ts'

test('packets and data come out whole however the stream is cut', () => {
  const data = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255))
  const write = { chunkId: 5, writeId: 1, blockIndex: 2, offset: 7, crc: 9 }
  const stream = Buffer.concat([
    cltocs.nop.encode({}),
    cltocs.writeData.encodeHead(write, data.length),
    data,
    cltocs.writeFinish.encode({ chunkId: 5, version: 1 }),
    cltocs.writeData.encode({ ...write, data: Buffer.alloc(0) }),
    cltocs.nop.encode({}),
  ])
  const heads = new Map([[cltocs.writeData.code, cltocs.writeData.headBytes]])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), sizes => {
      const seen: string[] = []
      const reader = new PieceFrameReader(1000, heads, {
        packet: (type, payload) => seen.push(`${type} ${payload.length}`),
        data(packet) {
          const { size, ...fields } = cltocs.writeData.decodeHead(packet)
          assert.deepEqual(fields, write)
          assert.ok(data.subarray(0, size).equals(Buffer.concat(packet.parts)))
          seen.push(`data ${size}`)
        },
      })
      for (let position = 0, i = 0; position < stream.length; i++) {
        const size = sizes[i % sizes.length] as number
        reader.push(stream.subarray(position, position + size))
        position += size
      }
      assert.deepEqual(seen, ['0 0', 'data 300', '213 12', 'data 0', '0 0'])
    }),
    { numRuns: 60 },
  )
})
