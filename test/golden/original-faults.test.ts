// Changelogs that the original writes and cannot replay are replayed as what happened (spec metadata 12).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyNumbered } from '../../src/metadata/apply.ts'
import { parseLine } from '../../src/metadata/changelog/entry.ts'
import { newState, type State } from '../../src/metadata/state.ts'

const NOW = 1_700_000_000
const session = (id: number) => `SESADD(#1,1,0,0000,0,0,0,0,1,9,0,1,0x00000000,1,m):${id}`
const file = 'CREATE(1,f,1,420,0,0,0,0):2'

function replayed(...bodies: string[]): State {
  const state = newState(NOW)
  for (const body of ['SETMETAID(7)', file, session(1), session(2), 'ACQUIRE(1,2)', 'ACQUIRE(2,2)', ...bodies]) {
    const { version, entry } = parseLine(`${state.version}: ${NOW}|${body}`)
    applyNumbered(state, version, entry)
  }
  assert.equal(state.digest(), state.digestFromScratch())
  return state
}

test('the end of a session that a checkpoint left out changes nothing', () => {
  const state = replayed('SESDEL(77)', 'SESDISCONNECTED(78)', 'RELEASE(79,2)')
  assert.equal(state.sessions.size, 2)
})

test('an exclusive flock that became shared without a line lets the shared one of another session be', () => {
  const state = replayed('FLOCK(2,1,5,W)', 'FLOCK(2,2,6,R)')
  assert.deepEqual(
    state.flocks.of(2).map(({ session, exclusive }) => [session, exclusive]),
    [
      [1, false],
      [2, false],
    ],
  )
})

test('a range lock that was granted while its holder closed the file is granted', () => {
  const state = replayed('POSIXLOCK(2,1,5,W,0,100,9)', 'POSIXLOCK(2,2,6,W,0,50,8)', 'RELEASE(1,2)')
  assert.deepEqual(
    state.posixLocks.rangesOf(2).map(({ session }) => session),
    [2],
  )
})

test('a repair to a version counts as one change', () => {
  const state = replayed('WRITE(2,0,1,0):1', 'REPAIR(2,0):7')
  assert.equal(state.chunks.version.get(state.chunks.find(1)), 7)
})

test('a snapshot keeps the groups of its caller', () => {
  const state = replayed('SNAPSHOT(2,1,copy,2,0,1000,[1000,27],18):3,0,0,0,0,1')
  assert.equal(state.nodes.gid.get(3), 1000)
})
