import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReceiveSlab } from './receive-slab.ts'

function receive(slab: ReceiveSlab, bytes: number, value: number): Buffer {
  const room = slab.room()
  room.fill(value, 0, bytes)
  return slab.take(bytes)
}

test('what was received stays as it was', () => {
  const slab = new ReceiveSlab()
  const kept: Buffer[] = []
  for (let i = 0; i < 500; i++) kept.push(receive(slab, 1 + ((i * 7919) % 4096), i & 255))
  kept.forEach((bytes, i) => {
    assert.ok(
      bytes.every(byte => byte === (i & 255)),
      `read ${i}`,
    )
  })
})

test('a connection that carries data gets room for it, one that does not takes little', () => {
  const slab = new ReceiveSlab()
  assert.equal(slab.room().length, 16 * 1024)
  for (let i = 0; i < 10; i++) receive(slab, slab.room().length, 0)
  assert.ok(slab.room().length >= 16 * 1024)
  assert.ok(slab.room().buffer.byteLength > 64 * 1024)
  for (let i = 0; i < 400; i++) receive(slab, 1000, 0)
  assert.equal(slab.room().buffer.byteLength, 16 * 1024)
})
