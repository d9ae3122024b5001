import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry, RawEntries } from '../file-system.ts'
import * as abi from './abi.ts'
import {
  type Page,
  viewOf,
  writeDirectoryEntry,
  writeEntry,
  writeRawEntry,
  writeTimedAttributes,
} from './entry-writer.ts'
import type { Struct } from './struct.ts'

function packed<V>(layout: Struct<V>, values: Partial<V>): Buffer {
  const bytes = Buffer.alloc(layout.bytes)
  layout.write(bytes, 0, values)
  return bytes
}

const attributes = {
  inode: 2 ** 33 + 5,
  mode: 0o100644,
  nlink: 3,
  uid: 1,
  gid: 2 ** 32 - 2,
  rdev: 4,
  size: 2 ** 40 + 5,
  blocks: 6,
  atime: 10,
  mtime: -11,
  ctime: 2 ** 33,
  atimeNs: 7,
  mtimeNs: 8,
  ctimeNs: 999_999_999,
}

function declaredAttributes() {
  const { inode, atimeNs, mtimeNs, ctimeNs, ...rest } = attributes
  return {
    ...{ ...rest, ino: inode, blksize: 65536, flags: 0 },
    ...{ atimensec: atimeNs, mtimensec: mtimeNs, ctimensec: ctimeNs },
  }
}

const entry: Entry = { attributes, entrySeconds: 1.5, attributeSeconds: 2 }
const declaredEntry = {
  nodeid: attributes.inode,
  generation: 1,
  entry_valid: 1,
  entry_valid_nsec: 500_000_000,
  attr_valid: 2,
  attr_valid_nsec: 0,
  attr: declaredAttributes(),
}

test('the fast writers of attributes and entries write what is declared', () => {
  const bytes = Buffer.alloc(abi.attrOut.bytes, 0xff)
  writeTimedAttributes(viewOf(bytes), 0, attributes, 0.25)
  const declared = { attr_valid: 0, attr_valid_nsec: 250_000_000, dummy: 0, attr: declaredAttributes() }
  assert.deepEqual(bytes, packed(abi.attrOut, declared))
  const link = Buffer.alloc(abi.entryOut.bytes, 0xff)
  writeEntry(viewOf(link), 0, entry)
  assert.deepEqual(link, packed(abi.entryOut, declaredEntry))
})

function page(limit: number): Page {
  const bytes = Buffer.alloc(600, 1)
  return { bytes, view: viewOf(bytes), limit }
}

function raw(name: string, of: Entry): RawEntries {
  return {
    nameBytes: () => name.length,
    copyName: (_: number, target: Uint8Array, at: number) => void (target as Buffer).write(name, at, 'latin1'),
    inode: () => of.attributes.inode,
    typeBits: () => of.attributes.mode & 0o170000,
    entry: () => of,
  }
}

for (const plus of [false, true]) {
  const kind = plus ? 'READDIRPLUS' : 'READDIR'
  test(`${kind}: an entry is the same bytes with and without an object for it`, () => {
    for (const name of ['.', '..', 'a', '...', '\xff'.repeat(7), '\xff'.repeat(8), '\xff'.repeat(255)]) {
      const [one, other] = [page(600), page(600)]
      const end = writeDirectoryEntry(one, 16, { name, entry }, 42, plus)
      assert.equal(writeRawEntry(other, 16, raw(name, entry), 41, plus), end)
      assert.ok(one.bytes.equals(other.bytes))
      const at = plus ? 16 + abi.entryOut.bytes : 16
      assert.equal(end, at + Math.ceil((abi.dirent.bytes + name.length) / 8) * 8)
      const head = { ino: attributes.inode, off: 42, namelen: name.length, type: 0o10 }
      assert.deepEqual(one.bytes.subarray(at, at + abi.dirent.bytes), packed(abi.dirent, head))
      assert.equal(one.bytes.toString('latin1', at + abi.dirent.bytes, at + abi.dirent.bytes + name.length), name)
      const short = { ...other, limit: end - 1 }
      assert.equal(writeRawEntry(short, 16, raw(name, entry), 41, plus), 0, 'one that does not fit is left out')
      assert.equal(writeDirectoryEntry(short, 16, { name, entry }, 42, plus), 0)
    }
  })
}

test('the kernel gets a reference to what is listed, but not to the folder, its parent, or what is not known', () => {
  const link = (name: string, of: Entry) => {
    const { bytes } = page(600)
    writeRawEntry({ bytes, view: viewOf(bytes), limit: 600 }, 16, raw(name, of), 0, true)
    return bytes.subarray(16, 16 + abi.entryOut.bytes)
  }
  const none = Buffer.alloc(abi.entryOut.bytes)
  assert.deepEqual(link('...', entry), packed(abi.entryOut, declaredEntry))
  assert.deepEqual(link('.', entry), none)
  assert.deepEqual(link('..', entry), none)
  assert.deepEqual(link('a', { ...entry, entrySeconds: -1 }), none)
})
