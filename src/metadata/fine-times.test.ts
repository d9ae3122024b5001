// Nanoseconds and far times on their way through entries, lines and checkpoints.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lowSeconds, moreOf } from '../protocol/fine-times.ts'
import { apply } from './apply.ts'
import { type Entry, parseLine, printLine } from './changelog/entry.ts'
import { ChangelogError } from './changelog/fields.ts'
import { canonicalLines } from './checkpoint/canonical.ts'
import { CheckpointError, EOF_MARKER } from './checkpoint/format.ts'
import { readCheckpoint } from './checkpoint/read.ts'
import { writeCheckpoint } from './checkpoint/write.ts'
import { decideSetattr, reportedTimes } from './namespace/decide-attributes.ts'
import { newState, type State } from './state.ts'

const root = { uid: 0, gids: [0], sessionFlags: 0, root: 1, disables: 0, umask: 0 }
const create = { op: 'CREATE', parent: 1, type: 1, mode: 0o644, cumask: 0, uid: 0, gid: 0, rdev: 0 } as const

/** Replays what is applied, line by line, on a second state. */
function pair() {
  const [live, replayed] = [newState(100), newState(100)]
  const lines: string[] = []
  const commit = (entry: Entry) => {
    lines.push(printLine(live.version, entry))
    apply(live, entry)
    const parsed = parseLine(lines.at(-1) as string)
    apply(replayed, parsed.entry)
    assert.deepEqual(canonicalLines(replayed), canonicalLines(live), lines.at(-1) ?? '')
  }
  return { live, lines, commit }
}

const timesOf = ({ nodes }: State, inode: number) =>
  [nodes.atime, nodes.mtime, nodes.ctime].map(times => [times.get(inode), times.nanoseconds(inode)])

function setTimes(state: State, ts: number, atime: [number, number] | 'now', mtime: [number, number] | 'now'): Entry {
  const time = (given: [number, number] | 'now') => (given === 'now' ? given : lowSeconds(given[0]))
  const more = (given: [number, number] | 'now') => (given === 'now' ? undefined : moreOf(...given))
  const request = { inode: 2, opened: false, mode: undefined, uid: undefined, gid: undefined, winattr: undefined }
  const times = { atime: time(atime), mtime: time(mtime), atimeMore: more(atime), mtimeMore: more(mtime) }
  const decision = decideSetattr(state, root, { ...request, ...times, sugidClearMode: 0 }, ts)
  assert.equal(decision.status, 0)
  return (decision as { entries: Entry[] }).entries[0] as Entry
}

test('the moment of a change has the nanoseconds of its line, and a replay gives the same', () => {
  const { live, lines, commit } = pair()
  commit({ ...create, ts: 200, ns: 123, name: 'a', inode: 2 })
  assert.deepEqual(timesOf(live, 2), [
    [200, 123],
    [200, 123],
    [200, 123],
  ])
  commit({ ...setTimes(live, 300, [-86_401, 5], [2 ** 32, 999_999_999]), ns: 7 })
  assert.deepEqual(timesOf(live, 2), [
    [-86_401, 5],
    [2 ** 32, 999_999_999],
    [300, 7],
  ])
  commit({ ...setTimes(live, 301, 'now', [301, 0]), ns: 8 })
  assert.deepEqual(timesOf(live, 2), [
    [301, 8],
    [301, 0],
    [301, 8],
  ])
  assert.deepEqual(lines, [
    '1: 200|CREATE(1,a,1,420,0,0,0,0):2;T123',
    '2: 300|ATTR(2,420,0,0,4294880895,0,0,0);T7,3221225477,2073741823',
    '3: 301|ATTR(2,420,0,0,301,301,0,0);T8,,0',
  ])
})

test('what is kept when other things change', () => {
  const { live, commit } = pair()
  commit({ ...create, ts: 200, name: 'a', inode: 2 })
  commit({ ...setTimes(live, 300, [250, 1], [260, 2]), ns: 3 })
  const request = { inode: 2, opened: false, uid: undefined, gid: undefined, winattr: undefined, sugidClearMode: 0 }
  const decision = decideSetattr(live, root, { ...request, mode: 0o600, atime: undefined, mtime: undefined }, 400)
  commit((decision as { entries: Entry[] }).entries[0] as Entry)
  assert.deepEqual(timesOf(live, 2), [
    [250, 1],
    [260, 2],
    [400, 0],
  ])
})

test('a reported time counts when it is later by nanoseconds, and never takes ctime back', () => {
  const { live, commit } = pair()
  commit({ ...create, ts: 200, ns: 500, name: 'a', inode: 2 })
  const report = (mtime: number, ns: number) => ({ inode: 2, atime: 0, mtime, mtimeMore: moreOf(mtime, ns) })
  assert.equal(reportedTimes(live, report(200, 500), 2, 201), undefined)
  assert.equal(reportedTimes(live, { inode: 2, atime: 0, mtime: 200 }, 2, 201), undefined, 'of the original')
  commit(reportedTimes(live, report(200, 501), 2, 201) as Entry)
  assert.deepEqual(timesOf(live, 2).slice(1), [
    [200, 501],
    [200, 501],
  ])
  commit({ op: 'SETXATTR', ts: 300, ns: 9, inode: 2, name: 'user.a', value: '', mode: 0 })
  commit(reportedTimes(live, report(299, 1), 2, 301) as Entry)
  assert.deepEqual(timesOf(live, 2).slice(1), [
    [299, 1],
    [300, 9],
  ])
})

test('a write takes a time in the future back to now', () => {
  const { live, commit } = pair()
  commit({ ...create, ts: 200, name: 'a', inode: 2 })
  commit(setTimes(live, 300, [2 ** 33, 0], [2 ** 33, 0]))
  assert.equal(reportedTimes(live, { inode: 2, atime: 0, mtime: 500 }, 2, 400), undefined, 'not into the future')
  commit(reportedTimes(live, { inode: 2, atime: 0, mtime: 400 }, 2, 400) as Entry)
  assert.deepEqual(timesOf(live, 2)[1], [400, 0])
})

test('bad fine times are refused', () => {
  for (const bad of ['T-1', 'T4294967296', 'T1,2,3,4,5', 'Tx', 'T1,a'])
    assert.throws(() => parseLine(`1: 200|UNLINK(1,a):2;${bad}`), ChangelogError, bad)
})

async function read(bytes: Buffer): Promise<State> {
  const pieces = [bytes]
  return readCheckpoint(async () => pieces.shift(), 500)
}

test('a checkpoint keeps them behind where the original stops reading', async () => {
  const { live, commit } = pair()
  assert.equal(Buffer.concat([...writeCheckpoint(live)]).indexOf('ELKT'), -1, 'nothing to tell')
  commit({ ...create, ts: 200, ns: 123, name: 'a', inode: 2 })
  commit({ ...create, ts: 201, name: 'b', inode: 3 })
  commit({ ...setTimes(live, 300, [-1, 5], [2 ** 33, 6]), ns: 7 })
  const bytes = Buffer.concat([...writeCheckpoint(live)])
  assert.deepEqual(canonicalLines(await read(bytes)), canonicalLines(live))
  const end = bytes.indexOf(EOF_MARKER) + EOF_MARKER.length
  assert.equal(bytes.toString('latin1', bytes.length - EOF_MARKER.length), EOF_MARKER)
  const plain = await read(bytes.subarray(0, end))
  assert.deepEqual(timesOf(plain, 2), [
    [2 ** 32 - 1, 0],
    [0, 0],
    [300, 0],
  ])
  for (let length = end + 1; length < bytes.length; length++)
    await assert.rejects(read(bytes.subarray(0, length)), CheckpointError, `cut at ${length}`)
  const unknown = Buffer.concat([
    bytes.subarray(0, end),
    Buffer.from('ELKX 9.9\0\0\0\0\0\0\0\x03abc'),
    bytes.subarray(end),
  ])
  assert.deepEqual(canonicalLines(await read(unknown)), canonicalLines(live), 'a section of later versions')
})
