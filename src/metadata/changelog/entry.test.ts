import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Entry, parseLine, printLine } from './entry.ts'

const roundTrip = (entry: Entry) => assert.deepEqual(parseLine(printLine(7, entry)), { version: 7, entry, trailer: {} })

test('brackets in names and values are only letters', () => {
  const made = { type: 1, mode: 420, cumask: 0, uid: 0, gid: 0, rdev: 0, inode: 2 }
  for (const name of ['[', '[a', '[a]', ']', '[1,2]', 'a[b]']) {
    roundTrip({ op: 'CREATE', ts: 5, parent: 1, name, ...made })
    roundTrip({ op: 'SETXATTR', ts: 5, inode: 1, name, value: name, mode: 0 })
  }
})

test('a snapshot under a name with a bracket keeps its groups', () => {
  const counts = { checksum: 1, removed: 0, same: 0, existing: 0, hardlinks: 0, created: 1 }
  for (const gids of [[], [0], [1000, 27]]) {
    const who = { sessionFlags: 0, uid: 0, gids, cumask: 18 }
    roundTrip({ op: 'SNAPSHOT', ts: 5, source: 2, parent: 1, name: '[copy', mode: 1, ...who, ...counts })
  }
})

test('a limit beyond 2^53 goes through a line', () => {
  const quota = {
    inode: 1,
    exceeded: false,
    flags: 2,
    softSince: 0,
    softInodes: 0,
    hardInodes: 0,
    gracePeriodSeconds: 0,
  }
  const limits = {
    softLength: 20 * 2 ** 50,
    hardLength: 2 ** 63,
    softSize: 1,
    hardSize: 2,
    softRealsize: 3,
    hardRealsize: 4,
  }
  roundTrip({ op: 'QUOTA', ts: 5, ...quota, ...limits })
  const line = '7: 5|QUOTA(1,0,2,0,0,0,18446744073709551615,0,0,0,0,0,0)'
  const { entry } = parseLine(line)
  assert.match(printLine(7, entry), /\(1,0,2,0,0,0,18446744073709549568,/, 'below 2^64, for who reads it')
})
