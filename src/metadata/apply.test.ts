// Rules of replay that were found by giving random histories to the real master (test/interop/random-history.test.ts).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyNumbered } from './apply.ts'
import { parseLine } from './changelog/entry.ts'
import { newState, type State } from './state.ts'

const TS = 1_700_000_000

/** The state after changes 1, 2, …, a second each. */
function after(...bodies: string[]): State {
  const state = newState(TS)
  bodies.forEach((body, i) => {
    const { version, entry } = parseLine(`${i + 1}: ${TS + i}|${body}`)
    applyNumbered(state, version, entry)
  })
  return state
}

/** Inode 2 is a directory with set-gid and a default ACL that names a user; inode 3 is a file of somebody else. */
const FOLDER = ['CREATE(1,d,2,1533,0,500,501,0):2', 'SETACL(2,1533,0,2,7,5,4,6,1,0,%00%00%03%E8%00%05)']
const FILE = ['CREATE(1,s,1,2533,0,1000,1002,0):3', 'AMTIME(3,1000,2000,3000)']

test('a symbolic link inherits the default ACL of its folder', () => {
  const { nodes, acls } = after(...FOLDER, 'SYMLINK(2,l,to,0,7):3')
  assert.equal(nodes.mode.get(3), 0o754)
  assert.deepEqual(acls.get(3, 1)?.users, [{ id: 1000, perm: 5 }])
})

test('a copy by somebody else has all times of its source, and the group of a folder with set-gid', () => {
  const { nodes } = after(...FOLDER, ...FILE, 'SNAPSHOT(3,2,c,0,0,1001,[27],18):4,0,0,0,0,1')
  const times = [nodes.atime, nodes.mtime, nodes.ctime].map(column => column.get(4))
  assert.deepEqual(times, [1000, 2000, 3000])
  assert.deepEqual([nodes.uid.get(4), nodes.gid.get(4), nodes.mode.get(4)], [1001, 501, 0o745])
})

test('a copy keeps the ACL that it inherited when its source has none', () => {
  const { acls } = after(...FOLDER, ...FILE, 'SNAPSHOT(3,2,c,0,0,0,[0],18):4,0,0,0,0,1')
  assert.deepEqual(acls.get(4, 1), { user: 7, group: 5, other: 4, mask: 4, users: [{ id: 1000, perm: 5 }], groups: [] })
})

test('a file that is copied onto one with the same contents gives it its attributes', () => {
  const { nodes } = after(...FOLDER, ...FILE, 'CREATE(2,c,1,384,0,7,8,0):4', 'SNAPSHOT(3,2,c,1,0,0,[0],18):0,0,1,0,0,0')
  assert.deepEqual([nodes.uid.get(4), nodes.gid.get(4), nodes.mode.get(4)], [1000, 1002, 0o4745])
  assert.equal(nodes.ctime.get(4), 3000)
})

test('a class that is exchanged for itself counts as changed', () => {
  const { nodes } = after(...FOLDER, ...FILE, 'SETSCLASS(3,0,2,2,3):1,0,0')
  assert.equal(nodes.ctime.get(3), TS + 4)
})

test('a trash time that does not fit into 16 bits of hours begins at 0 again', () => {
  const { nodes } = after(...FOLDER, ...FILE, 'SETTRASHTIME(3,0,300000000,0):1,0,0')
  assert.equal(nodes.trashHours.get(3), 17_798)
})

test('all ranges of an owner show the process that locked first', () => {
  const session = 'SESADD(#1,1,8,0022,0,0,0,0,1,9,0,4294967295,0x00000000,1,/m):1'
  const { posixLocks } = after(
    ...['CREATE(1,f,1,420,0,0,0,0):2', session, 'ACQUIRE(1,2)'],
    ...['POSIXLOCK(2,1,5,R,0,10,100)', 'POSIXLOCK(2,1,5,W,20,30,200)', 'POSIXLOCK(2,1,5,R,5,15,300)'],
  )
  assert.deepEqual(posixLocks.rangesOf(2)[0]?.ranges, [
    { start: 0n, end: 15n, type: 1, pid: 100 },
    { start: 20n, end: 30n, type: 2, pid: 100 },
  ])
})

test('the end of a maintenance is what the line says, also for one that is over; session flags have seven bits', () => {
  const { knownServers, sessions } = after(
    'CSDBOP(0,167772162,9422,1)',
    'CSDBOP(5,167772162,9422,99)',
    'SESADD(#1,1,255,0022,0,0,0,0,1,9,0,4294967295,0x00000000,1,/m):1',
  )
  assert.equal(knownServers.at(167772162, 9422)?.maintenanceUntil, 99)
  assert.equal(sessions.get(1)?.flags, 127)
})
