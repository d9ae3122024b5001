import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { test } from 'node:test'
import { crc32, patchedCrc32 } from './crc32.ts'

test('the CRC of changed bytes follows from that of the part that changed', () => {
  for (let round = 0; round < 300; round++) {
    const bytes = randomBytes(randomInt(1, 70_000))
    const from = randomInt(0, bytes.length + 1)
    const to = randomInt(from, bytes.length + 1)
    const [all, before] = [crc32(bytes), crc32(bytes.subarray(from, to))]
    randomBytes(to - from).copy(bytes, from)
    const after = crc32(bytes.subarray(from, to))
    assert.equal(patchedCrc32(all, before, after, bytes.length - to), crc32(bytes), `${from}-${to} of ${bytes.length}`)
  }
})

test('what was wrong elsewhere stays wrong', () => {
  const bytes = Buffer.alloc(65536, 7)
  const written = crc32(bytes)
  bytes[60_000] = 8
  const before = crc32(bytes.subarray(0, 4096))
  bytes.fill(9, 0, 4096)
  const after = crc32(bytes.subarray(0, 4096))
  assert.notEqual(patchedCrc32(written, before, after, 65536 - 4096), crc32(bytes))
})
