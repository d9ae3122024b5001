import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newState } from '../state.ts'
import { NodeType } from '../types.ts'

test('the facts of a node read at once are those of its fields', () => {
  const { nodes } = newState(1)
  const inode = 70_000
  nodes.add(inode, NodeType.FILE)
  nodes.stamp.seconds = -5
  nodes.stamp.nanoseconds = 999_999_999
  nodes.setTimes(inode, -5)
  nodes.mtime.set(inode, 0xffffffff)
  nodes.ctime.set(inode, 0x1_0000_0003)
  for (const [field, value] of [
    [nodes.eattr, 0xa5],
    [nodes.winattr, 0xfe],
    [nodes.sclassId, 0xff],
    [nodes.mode, 0o7654],
    [nodes.trashHours, 0xffff],
    [nodes.uid, 0xfffffffe],
    [nodes.gid, 0x80000000],
    [nodes.length, 2 ** 53 - 1],
    [nodes.links, 3],
    [nodes.ratio, 9],
  ] as const) {
    field.set(inode, value)
  }
  assert.deepEqual(nodes.facts(inode), {
    type: nodes.type(inode),
    eattr: nodes.eattr.get(inode),
    winattr: nodes.winattr.get(inode),
    mode: nodes.mode.get(inode),
    uid: nodes.uid.get(inode),
    gid: nodes.gid.get(inode),
    atime: nodes.atime.low(inode),
    mtime: nodes.mtime.low(inode),
    ctime: nodes.ctime.low(inode),
    atimeMore: nodes.atime.more(inode),
    mtimeMore: nodes.mtime.more(inode),
    ctimeMore: nodes.ctime.more(inode),
    length: nodes.length.get(inode),
    links: nodes.links.get(inode),
  })
  assert.equal(nodes.facts(inode + 1).type, 0)
  assert.equal(nodes.facts(900_000).type, 0, 'of a number in no page')
})
