import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SessionFlag } from '../../metadata/decision.ts'
import { newState } from '../../metadata/state.ts'
import { Eattr, NodeType } from '../../metadata/types.ts'
import { attributes as codec } from '../../protocol/attributes.ts'
import { Writer } from '../../protocol/codec.ts'
import { EXTENDED_VERSION, versionNumber } from '../../protocol/constants.ts'
import { type Asker, attributesOf } from './attributes.ts'
import { RecordWriter } from './record-writer.ts'

const VERSIONS = [EXTENDED_VERSION, versionNumber(3, 0, 117), versionNumber(3, 0, 80), versionNumber(1, 7, 31)]
const DIRECTORY = 2
const INODE = 3
const word = fc.nat(0xffffffff)
const anyTime = fc.integer({ min: -(2 ** 32), max: 3 * 2 ** 32 - 1 })
const times = fc.oneof({ weight: 9, arbitrary: word }, { weight: 1, arbitrary: anyTime })

const node = fc.record({
  type: fc.constantFrom(NodeType.FILE, NodeType.FILE, NodeType.FILE, NodeType.SOCKET, NodeType.FIFO, NodeType.TRASH),
  eattr: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constantFrom(...Object.values(Eattr))),
  parentEattr: fc.constantFrom(0, Eattr.NOENTRYCACHE),
  winattr: fc.nat(255),
  mode: fc.nat(0o7777),
  uid: word,
  gid: word,
  times: fc.tuple(times, times, times),
  nanoseconds: fc.constantFrom(0, 1, 999_999_999),
  length: fc.maxSafeNat(),
  links: word,
  chunkSlots: fc.nat(1),
  hasXattr: fc.boolean(),
})

const asker = fc.record({
  sessionFlags: fc.constantFrom(0, SessionFlag.MAPALL, SessionFlag.READONLY),
  uid: fc.nat(2),
  originalUid: fc.nat(2),
  gid: fc.nat(2),
  originalGid: fc.nat(2),
})

test('a record is the same by the short way from the table and by the long one', () => {
  let plain = 0
  fc.assert(
    fc.property(node, asker, fc.constantFrom(...VERSIONS), (given, { gid, ...who }, version) => {
      const state = newState(1)
      const { nodes } = state
      nodes.add(DIRECTORY, NodeType.DIRECTORY)
      nodes.eattr.set(DIRECTORY, given.parentEattr)
      nodes.add(INODE, given.type)
      nodes.stamp.nanoseconds = given.nanoseconds
      for (const [i, field] of [nodes.atime, nodes.mtime, nodes.ctime].entries()) {
        nodes.stamp.seconds = given.times[i] as number
        field.set(INODE, given.times[i] as number)
      }
      for (const name of ['eattr', 'winattr', 'mode', 'uid', 'gid', 'length', 'links'] as const) {
        nodes[name].set(INODE, given[name])
      }
      if (given.type === NodeType.FILE) nodes.setChunkSlots(INODE, given.chunkSlots)
      if (given.hasXattr) state.xattrs.set(INODE, 'user.a', 'value')
      const actor = { ...who, gids: [gid], root: 1, disables: 0, umask: 0 } as Asker
      const [short, long] = [new Writer(), new Writer()]
      short.version = long.version = version
      new RecordWriter(state, actor, DIRECTORY, version).write(short, INODE)
      codec.write(long, attributesOf(state, actor, INODE, DIRECTORY))
      assert.deepEqual(short.take(), long.take())
      if (nodes.copyPlainFile(INODE, Buffer.alloc(64), 0)) plain++
    }),
    { numRuns: 2000 },
  )
  assert.ok(plain > 200, `${plain} by the short way`)
})
