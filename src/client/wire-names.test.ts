import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attributes } from '../protocol/attributes.ts'
import { ProtocolError, Writer } from '../protocol/codec.ts'
import { EXTENDED_VERSION, VERSION } from '../protocol/constants.ts'
import { dirent, direntPlus } from '../protocol/matocl.ts'
import { WireNames } from './wire-names.ts'

const file: Attributes = {
  ...{ flags: 8, type: 1, mode: 0o644, uid: 1000, gid: 100, atime: 1, mtime: 2, ctime: 3, nlink: 1 },
  ...{ length: 5_000_000_000, winattr: 0 },
}
const listed = [
  { name: '.', inode: 1, type: 2 },
  { name: 'caf\xe9', inode: 0xfffffff0, type: 7 },
  { name: 'n'.repeat(255), inode: 3, type: 1 },
]

/** The entries as a master sends them to a client of `version`. */
function entries(version: number, withAttributes: boolean): Buffer {
  const out = new Writer()
  out.version = version
  for (const { name, inode, type } of listed) {
    if (withAttributes) direntPlus.write(out, { name, inode, attributes: { ...file, type } })
    else dirent.write(out, { name, inode, type })
  }
  return out.take()
}

for (const [kind, version] of Object.entries({ original: VERSION, ours: EXTENDED_VERSION })) {
  for (const withAttributes of [true, false]) {
    test(`names of a master of kind ${kind}, attributes ${withAttributes}: as objects and one by one`, () => {
      const bytes = entries(version, withAttributes)
      const names = new WireNames(bytes, version, withAttributes, (_, attributes) => ({ ...attributes, length: 7 }))
      assert.equal(names.length, listed.length)
      const found = [...names]
      assert.deepEqual(
        found.map(({ name, inode, type }) => ({ name, inode, type })),
        listed,
      )
      for (const { attributes } of found) assert.equal(attributes?.length, withAttributes ? 7 : undefined)
      for (const [index, { name, inode, type }] of listed.entries()) {
        const target = Buffer.alloc(300)
        names.raw.copyName(index, target, 2)
        assert.equal(target.toString('latin1', 2, 2 + names.raw.nameBytes(index)), name)
        assert.deepEqual([names.raw.inode(index), names.raw.type(index)], [inode, type])
      }
      assert.equal(names.at(listed.length), undefined)
      assert.equal(names.at(-1), undefined)
    })

    test(`names of a master of kind ${kind}, attributes ${withAttributes}: a cut list is refused`, () => {
      const bytes = entries(version, withAttributes)
      const ends = new Set<number>()
      for (let end = 0; end <= bytes.length; end++) {
        try {
          new WireNames(bytes.subarray(0, end), version, withAttributes, (_, attributes) => attributes)
          ends.add(end)
        } catch (error) {
          assert.ok(error instanceof ProtocolError)
        }
      }
      assert.equal(ends.size, listed.length + 1)
    })
  }
}
