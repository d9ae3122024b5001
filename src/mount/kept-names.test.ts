import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenAnswerFlag } from './fuse/abi.ts'
import { KeptNames } from './kept-names.ts'

const { CACHE_DIR, KEEP_CACHE } = OpenAnswerFlag
const names = (text: string) => Buffer.from(text)
const MIB = 1 << 20

test('the kernel goes on with what it keeps as long as the names are the same', () => {
  const kept = new KeptNames()
  assert.equal(kept.open(1, names('a')), CACHE_DIR)
  assert.equal(kept.open(1, names('a')), CACHE_DIR | KEEP_CACHE, 'also while it is open')
  kept.close(1)
  kept.close(1)
  assert.equal(kept.open(1, names('b')), CACHE_DIR, 'other names are kept from now on')
  kept.close(1)
  assert.equal(kept.open(1, names('a')), CACHE_DIR)
  assert.equal(kept.open(2, names('a')), CACHE_DIR, 'each folder has its own')
})

test('a reader of a former listing may still add to it: a newer one is not kept beside it', () => {
  const kept = new KeptNames()
  kept.open(1, names('a'))
  assert.equal(kept.open(1, names('b')), 0)
  assert.equal(kept.open(1, names('a')), CACHE_DIR | KEEP_CACHE, 'what is kept is still the former one')
  kept.close(1)
  assert.equal(kept.open(1, names('b')), 0)
  kept.close(1)
  assert.equal(kept.open(1, names('b')), CACHE_DIR)
})

test('a mixture of listings is kept by nobody', () => {
  for (const other of [names('b'), undefined]) {
    const kept = new KeptNames()
    kept.open(1, names('a'))
    kept.reread(1, names('a'))
    assert.equal(kept.open(1, names('a')), CACHE_DIR | KEEP_CACHE, 'the same is no mixture')
    kept.reread(1, other)
    for (const text of ['a', 'b']) assert.equal(kept.open(1, names(text)), 0)
    kept.close(1)
    assert.equal(kept.open(1, names('a')), 0, 'one of those who may add is left')
    kept.close(1)
    assert.equal(kept.open(1, names('b')), CACHE_DIR)
  }
})

test('its memory is bounded: very large folders are not kept, the ones that were read last are', () => {
  const kept = new KeptNames()
  assert.equal(kept.open(1, Buffer.alloc(4 * MIB + 1)), 0)
  kept.open(100, Buffer.alloc(4 * MIB, 'open'))
  for (let inode = 2; inode <= 8; inode++) {
    assert.equal(kept.open(inode, Buffer.alloc(4 * MIB, inode)), CACHE_DIR)
    kept.close(inode)
  }
  assert.equal(kept.open(2, Buffer.alloc(4 * MIB, 2)), CACHE_DIR | KEEP_CACHE)
  kept.close(2)
  kept.open(9, Buffer.alloc(4 * MIB, 9))
  kept.close(9)
  assert.equal(kept.open(3, Buffer.alloc(4 * MIB, 3)), CACHE_DIR, 'the oldest was forgotten')
  kept.close(3)
  assert.equal(kept.open(2, Buffer.alloc(4 * MIB, 2)), CACHE_DIR | KEEP_CACHE)
  assert.equal(kept.open(100, Buffer.alloc(4 * MIB, 'open')), CACHE_DIR | KEEP_CACHE, 'one that is open stays')
  for (let inode = 10; inode < 16; inode++) kept.open(inode, Buffer.alloc(4 * MIB, inode))
  assert.equal(kept.open(16, names('x')), 0, 'where all are open there is no room')
})
