import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realDisk } from '../env/real-disk.ts'
import { surveyChangelogs } from './changelog-survey.ts'
import type { CheckpointFile } from './checkpoint-files.ts'
import { chooseCheckpoint, gapsOf, reachOf, restore, type Until, writeState } from './restore.ts'

const NOW = 1_700_000_000
/** Change `id` happens in second `id`; it makes the file with that inode number. */
const line = (id: number) => (id === 1 ? `1: 1|SETMETAID(7)\n` : `${id}: ${id}|CREATE(1,f${id},1,420,0,0,0,0):${id}\n`)
const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i)).join('')

const silent = { surveying() {}, loading() {}, applying() {} }

interface Folder {
  path(name: string): string
  run(checkpoints: string[], changelogs: string[], until?: Until, bestPossible?: boolean): ReturnType<typeof restore>
}

async function withFolder(files: Record<string, string>, use: (folder: Folder) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-restore-'))
  const path = (name: string) => join(folder, name)
  const run: Folder['run'] = (checkpoints, changelogs, until, bestPossible = false) =>
    restore(
      realDisk,
      { checkpoints: checkpoints.map(path), changelogs: changelogs.map(path), until, bestPossible },
      NOW,
      silent,
    )
  try {
    for (const [name, contents] of Object.entries(files)) writeFileSync(path(name), contents, 'latin1')
    await use({ path, run })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const fresh = { new: 'MFSM NEW' }

/** Writes the state of version `version` as a checkpoint. */
async function checkpoint({ path, run }: Folder, name: string, version: number): Promise<void> {
  writeFileSync(path('made-of'), lines(1, version - 1))
  await writeState(realDisk, path(name), (await run(['new'], ['made-of'])).state)
}

test('changelogs may come in any order and overlap', () =>
  withFolder({ ...fresh, a: lines(5, 9), b: lines(1, 6), c: lines(3, 4) }, async ({ run }) => {
    const { state, applied, survey } = await run(['new'], ['a', 'b', 'c'])
    assert.equal(state.version, 10)
    assert.equal(applied, 9)
    assert.equal(survey.repeated, 4)
    assert.deepEqual(survey.runs, [{ from: 1, to: 9 }])
  }))

test('the state after any change can be had, from whichever checkpoint lies before it', () =>
  withFolder({ ...fresh, log: lines(1, 20) }, async folder => {
    await checkpoint(folder, 'at10', 10)
    for (let change = 1; change <= 20; change++) {
      const { state, checkpoint } = await folder.run(['at10', 'new'], ['log'], { change })
      assert.equal(state.version, change + 1)
      assert.match(checkpoint.path, change + 1 < 10 ? /new$/ : /at10$/)
      assert.equal(state.nodes.exists(change), change > 1 || change === 1)
      assert.equal(state.nodes.exists(change + 1), false)
    }
  }))

const more = (id: number) => line(id).replace('\n', ';M\n')

test('a moment within a request gives the state before the request', () =>
  withFolder({ ...fresh, log: lines(1, 3) + more(4) + more(5) + lines(6, 7) }, async ({ run }) => {
    for (const [change, version] of [
      [3, 4],
      [4, 4],
      [5, 4],
      [6, 7],
    ] as const) {
      const { state, notes } = await run(['new'], ['log'], { change })
      assert.equal(state.version, version, `change ${change}`)
      assert.equal(notes.length, change + 1 === version ? 0 : 1)
    }
    assert.equal((await run(['new'], ['log'], { time: 5 })).state.version, 4)
  }))

test('changelogs that end within a request give the state before it, and say so', () =>
  withFolder({ ...fresh, log: lines(1, 3) + more(4) }, async ({ run }) => {
    const { state, notes } = await run(['new'], ['log'])
    assert.equal(state.version, 4)
    assert.match(notes.join(), /^change 4: the request goes on/)
  }))

test('the state of any second can be had', () =>
  withFolder({ ...fresh, log: `${lines(1, 4)}5: 9|IDLE()\n6: 9|IDLE()\n7: 12|IDLE()\n` }, async ({ run }) => {
    for (const [time, version] of [
      [1, 2],
      [3, 4],
      [4, 5],
      [8, 5],
      [9, 7],
      [11, 7],
      [12, 8],
      [99, 8],
    ] as const) {
      assert.equal((await run(['new'], ['log'], { time })).state.version, version, `second ${time}`)
    }
    await assert.rejects(run(['new'], ['log'], { time: 0 }), /no changelog reaches back to 1970-01-01T00:00:00Z/)
  }))

test('an older checkpoint is taken when the newest is damaged and changelogs make up for it', () =>
  withFolder({ ...fresh, log: lines(1, 12) }, async folder => {
    await checkpoint(folder, 'at10', 10)
    const bytes = readFileSync(folder.path('at10'))
    bytes.fill(0xee, 2600, 2700)
    writeFileSync(folder.path('at10'), bytes)
    const { state, checkpoint: used, notes } = await folder.run(['at10', 'new'], ['log'])
    assert.equal(state.version, 13)
    assert.match(used.path, /new$/)
    assert.match(notes.join(), /at10: section [A-Z]{4}, byte \d+: .*; not used/)
  }))

test('a gap is named, and the best possible state ends before it', () =>
  withFolder({ ...fresh, a: lines(1, 4), b: lines(8, 9) }, async ({ run }) => {
    await assert.rejects(run(['new'], ['a', 'b']), /changes are missing after .*new \(version 1\): 5 to 7\./)
    const { state, notes } = await run(['new'], ['a', 'b'], undefined, true)
    assert.equal(state.version, 5)
    assert.match(notes.join(), /changes 5 to 7 are missing/)
  }))

test('a checkpoint beyond a gap makes the gap harmless', () =>
  withFolder({ ...fresh, a: lines(1, 4), b: lines(8, 12) }, async folder => {
    await checkpoint(folder, 'at10', 10)
    assert.equal((await folder.run(['at10', 'new'], ['a', 'b'])).state.version, 13)
    await assert.rejects(folder.run(['at10', 'new'], ['a', 'b'], { change: 6 }), /missing .*: 5 to 6/)
    assert.equal((await folder.run(['at10', 'new'], ['a', 'b'], { change: 4 })).state.version, 5)
  }))

test('a moment after all changes that are known is refused, a number says which are missing', () =>
  withFolder({ ...fresh, log: lines(1, 4) }, async ({ run }) => {
    await assert.rejects(run(['new'], ['log'], { change: 9 }), /changes are missing .*: 5 to 9\./)
    assert.equal((await run(['new'], ['log'], { change: 9 }, true)).state.version, 5)
  }))

test('a moment before the oldest checkpoint is refused', () =>
  withFolder({ ...fresh, log: lines(1, 12) }, async folder => {
    await checkpoint(folder, 'at10', 10)
    await assert.rejects(folder.run(['at10'], ['log'], { change: 5 }), /at10, holds changes up to 9: that is too late/)
  }))

test('files that tell two different things of one change are not guessed at', () =>
  withFolder({ ...fresh, a: lines(1, 6), b: '4: 4|IDLE()\n' }, async ({ run }) => {
    await assert.rejects(run(['new'], ['a', 'b']), /two different changes 4: .*a, byte \d+, change 4 and .*b, byte 0/)
    const { state } = await run(['new'], ['a', 'b'], undefined, true)
    assert.equal(state.version, 4)
    assert.equal((await run(['new'], ['a', 'b'], { change: 3 })).state.version, 4, 'before it nothing is unsure')
  }))

test('a change that does not fit stops with its place; the best possible state holds nothing of it', () =>
  withFolder({ ...fresh, log: `${lines(1, 4)}5: 5|UNLINK(1,nothing):3\n6: 6|IDLE()\n` }, async ({ run }) => {
    await assert.rejects(run(['new'], ['log']), /log, byte \d+, change 5: no "nothing" in inode 1/)
    const { state, notes } = await run(['new'], ['log'], undefined, true)
    assert.equal(state.version, 5)
    assert.match(notes.join(), /change 5: .*; nothing from this change on is used/)
  }))

test('a line that is none, or numbers that fall, end the use of a file, not of the others', () =>
  withFolder(
    { ...fresh, a: `${lines(1, 3)}rubbish\n${lines(4, 5)}`, b: lines(4, 8) + lines(2, 2) },
    async ({ run }) => {
      const { state, notes } = await run(['new'], ['a', 'b'])
      assert.equal(state.version, 9)
      assert.match(
        notes.join('\n'),
        /a, byte \d+: this is no changelog line: "rubbish"; the rest of the file is not used/,
      )
      assert.match(notes.join('\n'), /b, byte \d+: change 2 comes after change 8/)
    },
  ))

test('an unfinished last line is not used', () =>
  withFolder({ ...fresh, log: `${lines(1, 3)}4: 4|CREATE(1,f4,1,4` }, async ({ run }) => {
    const { state, notes } = await run(['new'], ['log'])
    assert.equal(state.version, 4)
    assert.match(notes.join(), /log: ends with 20 bytes of an unfinished line/)
  }))

test('checkpoints of two file systems are refused', () =>
  withFolder({ ...fresh, one: '1: 1|SETMETAID(7)\n', two: '1: 1|SETMETAID(8)\n' }, async folder => {
    for (const name of ['one', 'two']) {
      await writeState(realDisk, folder.path(`of-${name}`), (await folder.run(['new'], [name])).state)
    }
    await assert.rejects(folder.run(['of-one', 'of-two'], []), /metadata of different file systems/)
  }))

test('times and ranges of changelogs are surveyed file by file', () =>
  withFolder({ a: lines(3, 6), b: lines(9, 9), c: '' }, async ({ path }) => {
    const survey = await surveyChangelogs(realDisk, ['a', 'b', 'c'].map(path), 4)
    assert.deepEqual(survey.runs, [
      { from: 3, to: 6 },
      { from: 9, to: 9 },
    ])
    assert.deepEqual([survey.firstTime, survey.lastTime, survey.firstAfter], [3, 9, 5])
    assert.deepEqual(survey.files.get(path('a')), { from: 3, to: 6 })
  }))

const at = (version: number) =>
  ({ path: `at${version}`, version, metaId: 7n, isNew: false, seal: undefined }) satisfies CheckpointFile
const runs = [
  { from: 1, to: 9 },
  { from: 15, to: 30 },
]

test('which checkpoint leads all the way', () => {
  assert.equal(reachOf(5, runs), 10)
  assert.equal(reachOf(12, runs), 12)
  assert.equal(chooseCheckpoint([at(20), at(5)], runs, Infinity, false)?.version, 20)
  assert.equal(chooseCheckpoint([at(20), at(5)], runs, 8, false)?.version, 5)
  assert.equal(chooseCheckpoint([at(10), at(5)], runs, Infinity, false), undefined)
  assert.equal(chooseCheckpoint([at(10), at(5)], runs, Infinity, true)?.version, 10)
  assert.equal(chooseCheckpoint([at(50), at(20)], runs, Infinity, false)?.version, 50)
  assert.equal(chooseCheckpoint([at(20)], runs, 10, true), undefined)
  assert.deepEqual(gapsOf(5, runs, Infinity), [{ from: 10, to: 14 }])
  assert.deepEqual(gapsOf(5, runs, 40), [
    { from: 10, to: 14 },
    { from: 31, to: 39 },
  ])
})
