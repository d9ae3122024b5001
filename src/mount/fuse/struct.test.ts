import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as abi from './abi.ts'
import { i64n, struct, u16, u32, u64, u64n } from './struct.ts'

test('members stand at their natural alignment and the whole is a multiple of eight', () => {
  const layout = struct({ a: u16, b: u32, c: u64, d: u16 })
  assert.deepEqual(layout.at, { a: 0, b: 4, c: 8, d: 16 })
  assert.equal(layout.bytes, 24)
})

test('the interface has the sizes of <linux/fuse.h>', () => {
  const sizes: [string, { bytes: number }, number][] = [
    ['inHeader', abi.inHeader, 40],
    ['outHeader', abi.outHeader, 16],
    ['attr', abi.attr, 88],
    ['entryOut', abi.entryOut, 128],
    ['attrOut', abi.attrOut, 104],
    ['setattrIn', abi.setattrIn, 88],
    ['createIn', abi.createIn, 16],
    ['openOut', abi.openOut, 16],
    ['releaseIn', abi.releaseIn, 24],
    ['flushIn', abi.flushIn, 24],
    ['readIn', abi.readIn, 40],
    ['writeIn', abi.writeIn, 40],
    ['statfsOut', abi.statfsOut, 80],
    ['lkIn', abi.lkIn, 48],
    ['initIn', abi.initIn, 16],
    ['initOut', abi.initOut, 64],
    ['fallocateIn', abi.fallocateIn, 32],
    ['lseekIn', abi.lseekIn, 24],
    ['copyFileRangeIn', abi.copyFileRangeIn, 56],
    ['dirent', abi.dirent, 24],
    ['notifyInvalInodeOut', abi.notifyInvalInodeOut, 24],
    ['notifyInvalEntryOut', abi.notifyInvalEntryOut, 16],
  ]
  for (const [name, layout, bytes] of sizes) assert.equal(layout.bytes, bytes, name)
})

test('what is written is read again, up to the ends of each range', () => {
  const layout = struct({ u: u64n, s: i64n, all: u64, small: u16 })
  const view = Buffer.alloc(layout.bytes)
  for (const values of [
    { u: 0, s: -1, all: 0xffff_ffff_ffff_ffffn, small: 65535 },
    { u: Number.MAX_SAFE_INTEGER, s: Number.MIN_SAFE_INTEGER, all: 1n, small: 0 },
    { u: 2 ** 32, s: -(2 ** 32), all: 2n ** 63n, small: 1 },
  ]) {
    layout.write(view, 0, values)
    assert.deepEqual(layout.read(view, 0), values)
  }
})

test('members that are not given and padding become zero', () => {
  const layout = struct({ a: u16, b: u64n })
  const view = Buffer.alloc(layout.bytes, 0xff)
  layout.write(view, 0, { a: 1 })
  assert.deepEqual([...view], [1, ...Array(15).fill(0)])
})
