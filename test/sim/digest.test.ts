import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apply, applyNumbered } from '../../src/metadata/apply.ts'
import { parseLine, printLine } from '../../src/metadata/changelog/entry.ts'
import { canonicalLines } from '../../src/metadata/checkpoint/canonical.ts'
import { readCheckpoint } from '../../src/metadata/checkpoint/read.ts'
import { writeCheckpoint } from '../../src/metadata/checkpoint/write.ts'
import { Digest, Fact } from '../../src/metadata/digest.ts'
import { newState, type State } from '../../src/metadata/state.ts'
import { RandomHistory } from './random-history.ts'

const NOW = 1_700_000_000
const CHANGES = 3000

async function saved(state: State): Promise<State> {
  const pieces = [...writeCheckpoint(state)]
  return readCheckpoint(async () => pieces.shift(), NOW)
}

/** Two states that should be the same: what differs, and the seed to see it again. */
function assertSame(actual: State, expected: State, what: string): void {
  if (actual.digest() === expected.digest()) return
  assert.deepEqual(canonicalLines(actual), canonicalLines(expected), what)
  assert.fail(`${what}: equal facts and different digests`)
}

for (const seed of [1, 2, 3, Math.floor(Math.random() * 2 ** 31)]) {
  test(`digests of the live, recomputed, stored and replayed state are equal (seed ${seed})`, async () => {
    const [live, replayed] = [newState(NOW), newState(NOW)]
    const lines: string[] = []
    let fromCheckpoint = newState(NOW)
    const history = new RandomHistory(live, seed)
    const seen = new Set<string>()
    for (let i = 0; i < CHANGES / 100; i++) {
      history.run(100, entry => {
        seen.add(entry.op)
        lines.push(printLine(live.version, entry))
      })
      assert.equal(live.digest(), live.digestFromScratch(), `seed ${seed}, recomputed at version ${live.version}`)
      for (const line of lines.splice(0)) {
        const { version, entry } = parseLine(line)
        applyNumbered(replayed, version, entry)
        applyNumbered(fromCheckpoint, version, entry)
      }
      assertSame(replayed, live, `seed ${seed}, replayed to ${live.version}`)
      assertSame(fromCheckpoint, live, `seed ${seed}, replayed from a checkpoint to ${live.version}`)
      fromCheckpoint = await saved(live)
      assertSame(fromCheckpoint, live, `seed ${seed}, stored and loaded at ${live.version}`)
    }
    assert.ok(seen.size >= 38, `${seen.size} operations: ${[...seen].sort()}`)
  })
}

test('states that differ in one fact have different digests', () => {
  const digests = new Set<bigint>()
  const base = { op: 'CREATE', ts: NOW, parent: 1, type: 1, cumask: 0, uid: 0, gid: 0, rdev: 0, inode: 2 } as const
  const variants = [
    { ...base, name: 'a', mode: 0o644 },
    { ...base, name: 'b', mode: 0o644 },
    { ...base, name: 'a', mode: 0o645 },
    { ...base, name: 'a', mode: 0o644, uid: 1 },
    { ...base, name: 'a', mode: 0o644, gid: 1 },
    { ...base, name: 'a', mode: 0o644, ts: NOW + 1 },
    { ...base, name: 'a', mode: 0o644, type: 4 },
  ]
  for (const entry of variants) {
    const state = newState(NOW)
    apply(state, entry)
    digests.add(state.digest())
  }
  assert.equal(digests.size, variants.length)
})

test('facts have no order and cancel out', () => {
  const [a, b] = [new Digest(), new Digest()]
  a.add(Fact.EDGE, 1, 2, 3, 'name')
  a.change(Fact.NODE_LENGTH, 7, 0, 2 ** 40)
  b.change(Fact.NODE_LENGTH, 7, 0, 5)
  b.add(Fact.XATTR, 1, 2)
  b.add(Fact.EDGE, 1, 2, 3, 'name')
  b.remove(Fact.XATTR, 1, 2)
  b.change(Fact.NODE_LENGTH, 7, 5, 2 ** 40)
  assert.equal(a.value, b.value)
  b.change(Fact.NODE_LENGTH, 7, 2 ** 40, 2 ** 40 + 2 ** 32)
  assert.notEqual(a.value, b.value)
})

test('hashes of a million neighbouring facts do not collide', () => {
  const seen = new Set<string>()
  for (let inode = 1; inode <= 125_000; inode++) {
    for (const kind of [Fact.NODE_ATIME, Fact.NODE_MTIME] as const) {
      for (const value of [NOW, NOW + 1, 1, 2]) {
        const digest = new Digest()
        digest.change(kind, inode, 0, value)
        seen.add(digest.value.toString(36))
      }
    }
  }
  assert.equal(seen.size, 1_000_000)
})
