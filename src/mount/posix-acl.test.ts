import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Acl } from '../client/cluster.ts'
import { decodeAcl, encodeAcl, NOT_GIVEN } from './posix-acl.ts'

const acl: Acl = {
  user: 6,
  group: 5,
  other: 4,
  mask: 7,
  users: [
    { id: 7, permissions: 1 },
    { id: 1000, permissions: 3 },
  ],
  groups: [{ id: 0, permissions: 0 }],
}

test('an ACL comes back as it went', () => {
  assert.deepEqual(decodeAcl(encodeAcl(acl)), acl)
})

test('the layout is the one of Linux', () => {
  const value = encodeAcl({ ...acl, users: [], groups: [] })
  const expected = '02000000 01000600ffffffff 04000500ffffffff 10000700ffffffff 20000400ffffffff'
  assert.equal(value.toString('hex'), expected.replaceAll(' ', ''))
})

test('three entries are enough, named ones need a mask', () => {
  const entries = (hex: string) => decodeAcl(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  const minimal = entries('02000000 01000600ffffffff 04000500ffffffff 20000400ffffffff')
  assert.deepEqual(minimal, { user: 6, group: 5, other: 4, mask: NOT_GIVEN, users: [], groups: [] })
  assert.deepEqual(minimal && decodeAcl(encodeAcl(minimal)), minimal, 'and it has no mask when it is read')
  assert.equal(entries('02000000 01000600ffffffff 0200050007000000 04000500ffffffff 20000400ffffffff'), undefined)
  assert.equal(entries('02000000 01000600ffffffff 01000600ffffffff'), undefined, 'doubled')
  assert.equal(entries('03000000 01000600ffffffff'), undefined, 'version')
  assert.equal(entries('02000000 010006'), undefined, 'size')
  assert.equal(entries(''), undefined)
})
