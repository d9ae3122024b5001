// Metadata files of older masters load as what they hold: the same small file system as the newest form of it, without
// what their section versions had no room for (spec metadata 2). test/interop has the real master judge the same files.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalLines } from '../../src/metadata/checkpoint/canonical.ts'
import { CheckpointError } from '../../src/metadata/checkpoint/format.ts'
import { readCheckpoint } from '../../src/metadata/checkpoint/read.ts'
import type { State } from '../../src/metadata/state.ts'
import * as handMade from './hand-made-metadata.ts'
import { pullOf } from './metadata.ts'

const NOW = 1_700_000_000
const load = (bytes: Buffer, sessions?: Buffer): Promise<State> =>
  readCheckpoint(pullOf(bytes, 97), NOW, async () => sessions)
const newest = canonicalLines(await load(handMade.file20()))

/** Lines of one kind, with a value replaced in each: what an older form says of the same thing. */
function rewritten(kind: string, rewrite: (line: string) => string | undefined): string[] {
  return newest.flatMap(line => (line.startsWith(`${kind} `) ? (rewrite(line) ?? []) : line))
}

/** Sets fields of a session's JSON, and what stands before it. */
function session(line: string, fields: Record<string, unknown>, checksum?: bigint): string {
  const [, id, sum, text] = /^SESS (\d+) (\d+) (".*")$/.exec(line) as unknown as [string, string, string, string]
  const rights = JSON.parse(JSON.parse(text))
  return `SESS ${id} ${checksum ?? sum} ${JSON.stringify(JSON.stringify({ ...rights, ...fields }))}`
}

const jsonFields = (line: string, fields: Record<string, unknown>) =>
  line.replace(/\{.*\}$/, text => JSON.stringify({ ...JSON.parse(text), ...fields }))

const classId = (line: string) => Number(line.split(' ')[1])
const unnamed = (line: string) => (classId(line) > 9 ? { name: `sclass_${classId(line) - 9}`, adminOnly: false } : {})
/** Classes 1 to 9 were not stored then: they are the predefined ones. */
const predefined = { mode: 1, archiveDelayDays: 0 }

interface SclaFields {
  create: number[][]
  keep: number[][]
}
const sclass = (line: string) => JSON.parse(line.slice(line.indexOf('{'))) as SclaFields

function olderClass(line: string, lacking: (fields: SclaFields) => Record<string, unknown>): string {
  if (classId(line) <= 9) return jsonFields(line, predefined)
  return jsonFields(line, { ...unnamed(line), ...lacking(sclass(line)) })
}

const onlyCreate = ({ create }: SclaFields) => ({ ...predefined, create, keep: create, archive: create })

/** `NODE 3 type 1 sclass eattr winattr mode …`: winattr is the seventh word, trash time the thirteenth. */
function node(line: string, change: (words: string[]) => void): string {
  const words = line.split(' ')
  change(words)
  return words.join(' ')
}
const withoutWinattr = rewritten('NODE', line =>
  node(line, words => {
    words[6] = '0'
  }),
)

/** What the newest form's lines are in a section's older version. */
const expected: Record<string, (version: number) => string[]> = {
  SESS: version =>
    rewritten('SESS', line =>
      session(
        line,
        {
          ...(version < 0x15 ? { disables: 0 } : {}),
          ...(version < 0x14 ? { umask: 0 } : {}),
          ...(version < 0x11 ? { disconnectedAt: 0 } : {}),
        },
        version < 0x13 ? 0n : undefined,
      ),
    ),
  SCLA: version =>
    rewritten('SCLA', line =>
      olderClass(line, fields => {
        if (version === 0x15) return {}
        if (version === 0x14) return { archiveDelayDays: 0, archive: fields.keep }
        if (version >= 0x11) return onlyCreate(fields)
        return onlyCreate({ ...fields, create: fields.create.map(([first = 0]) => [first, 0, 0, 0]) })
      }),
    ),
  NODE: () => withoutWinattr,
  // Numbered anew; the numbers of the sample are just those, but trash and sustained files have none.
  EDGE: () => rewritten('EDGE', line => (line.startsWith('EDGE 0 ') ? line.replace(/(EDGE 0 \d+) \d+/, '$1 0') : line)),
  QUOT: () => rewritten('QUOT', line => jsonFields(line, { gracePeriodSeconds: 604800 })),
  PACL: () =>
    rewritten('PACL', line => (line.startsWith('PACL 3 1 ') ? jsonFields(line, { user: 6, other: 4, mask: 7 }) : line)),
  CSDB: version =>
    rewritten('CSDB', line =>
      jsonFields(line, {
        ...(version < 0x13 ? { maintenanceUntil: 0 } : {}),
        ...(version < 0x12 ? { maintenance: 0 } : {}),
        ...(version < 0x11 ? { id: 0 } : {}),
      }),
    ),
  CHNK: () => rewritten('CHNK', line => line.replace(' archived', '')),
}

/** Edges numbered by hand and anew differ by two, because only the named ones are counted. */
const withoutEdgeIds = (lines: string[]) =>
  lines.map(line => line.replace(/^(EDGE [1-9]\d* \d+) \d+/, '$1').replace(/nextEdge \d+/, 'nextEdge'))

for (const [name, versions] of Object.entries(handMade.readableVersions)) {
  for (const version of versions.slice(0, -1)) {
    test(`section ${name} of version 0x${version.toString(16)} loads`, async () => {
      const lines = canonicalLines(await load(handMade.file20({ versions: { [name]: version } })))
      const wanted = (expected[name] as (version: number) => string[])(version)
      if (name === 'EDGE') assert.deepEqual(withoutEdgeIds(lines), withoutEdgeIds(wanted))
      else assert.deepEqual([...lines].sort(), [...wanted].sort())
    })
  }
}

test('LABS is the older name of SCLA', async () => {
  assert.deepEqual(canonicalLines(await load(handMade.file20({ names: { SCLA: 'LABS' } }))), newest)
})

test('a file that counts more operations of a session than we do loads with those that we know', async () => {
  const state = await load(handMade.file20({ replaced: { SESS: handMade.sessBody(0x15, 21) } }))
  assert.deepEqual(
    [...(state.sessions.get(2)?.currentCounters ?? [])],
    Array.from({ length: 16 }, (_, i) => 200 + i),
  )
  assert.deepEqual(
    [...(state.sessions.get(2)?.lastCounters ?? [])],
    Array.from({ length: 16 }, (_, i) => 250 + i),
  )
  assert.equal(state.sessions.get(3)?.info, '/mnt/m\xe9ta')
})

/** Everything but what files before 2.0 keep elsewhere or not at all. */
const treeOf = (lines: string[]) => withoutEdgeIds(lines.filter(line => /^(NODE|EDGE|FREE)/.test(line)))
const oldTree = treeOf(
  withoutWinattr.map(line => (line.startsWith('EDGE 0 ') ? line.replace(/(EDGE 0 \d+) \d+/, '$1 0') : line)),
)

for (const [what, bytes] of Object.entries({ '1.5': handMade.file15(), '1.7': handMade.file17() })) {
  test(`a file of version ${what} loads: the tree, the chunks, and no sessions`, async () => {
    const state = await load(bytes)
    assert.deepEqual(treeOf(canonicalLines(state)), oldTree)
    assert.equal(state.version, handMade.VERSION)
    assert.equal(state.metaId, 0n)
    assert.equal(state.chunks.nextChunkId, 6)
    assert.equal(state.nodes.maxInode, handMade.MAX_INODE)
    assert.equal(state.sessions.nextSessionId, handMade.NEXT_SESSION)
    assert.deepEqual([...state.openFiles.entries()], [], 'nobody is there who could have a file open')
  })
}

for (const form of [0, 1, 2, 3, 4] as const) {
  test(`sessions.mfs of form ${form} is imported with a file before 2.0`, async () => {
    const state = await load(handMade.file17(), handMade.sessionsFile(form))
    const imported = state.sessions.get(2)
    assert.ok(imported)
    assert.equal(imported.info, '/mnt/a b')
    assert.equal(imported.peerIp, 0x0a0a0a03)
    assert.equal(imported.disconnectedAt, 0)
    assert.deepEqual([imported.minGoal, imported.maxGoal], [1, 9])
    assert.deepEqual([imported.minTrashSeconds, imported.maxTrashSeconds], form === 4 ? [60, 3600] : [0, 0xffffffff])
    assert.deepEqual([imported.mapallUid, imported.mapallGid], form === 0 ? [0, 0] : [999, 998])
    assert.equal(imported.currentCounters[15], 215)
    assert.equal(imported.lastCounters[0], 7)
    assert.equal(state.sessions.get(3)?.rootInode, 0)
    assert.deepEqual([...state.openFiles.entries()].sort(), [
      [2, 10],
      [2, 3],
    ])
  })
}

test('edges whose numbers are out of order are numbered anew, as the original does at its start', async () => {
  const numbered = (ids: bigint[]) => {
    const records = handMade.edges.map(([parent, child, name], i) =>
      handMade.join(
        ...[handMade.u32(parent), handMade.u32(child), handMade.u64(ids[i] as bigint)],
        ...[handMade.u16(name.length), handMade.text(name)],
      ),
    )
    return handMade.join(handMade.u64(0x7ffffffffffffff0n), ...records, handMade.zeros(18))
  }
  const falling = handMade.edges.map((_, i) => 0x7ffffffffffffffen - BigInt(i))
  const state = await load(handMade.file20({ replaced: { EDGE: numbered(falling) } }))
  const edges = canonicalLines(state).filter(line => line.startsWith('EDGE 1 '))
  assert.deepEqual(
    edges.map(line => line.split(' ')[3]),
    ['9223372036854775803', '9223372036854775804', '9223372036854775805'],
  )
  assert.equal(edges.length, 3)
})

test('older files cut anywhere are refused', async () => {
  for (const bytes of [
    handMade.file15(),
    handMade.file17(),
    handMade.file20({ versions: { NODE: 0x12, SCLA: 0x14 } }),
  ]) {
    for (let length = 9; length < bytes.length; length += 13) {
      await assert.rejects(load(bytes.subarray(0, length)), CheckpointError, `cut at ${length}`)
    }
  }
  const sessions = handMade.sessionsFile(4)
  for (let length = 11; length < sessions.length; length += 7) {
    await assert.rejects(load(handMade.file17(), sessions.subarray(0, length)), CheckpointError, `cut at ${length}`)
  }
})
