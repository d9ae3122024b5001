// mfsmetarestore as its recipes call it, and mfsmetadiff beside it. The real master judges what it makes.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { vector } from '../golden/metadata.ts'
import { whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { restoredByRealMaster } from './real-restore.ts'

const line = (id: number) => (id === 1 ? `1: 1|SETMETAID(7)\n` : `${id}: ${id}|CREATE(1,f${id},1,420,0,0,0,0):${id}\n`)
const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i)).join('')

interface Folder {
  path: string
  contents(): Record<string, string>
  restore(...args: string[]): { status: number | null; stdout: string; stderr: string }
  diff(...args: string[]): { status: number | null; stdout: string; stderr: string }
}

function withFolder(files: Record<string, string>, use: (folder: Folder) => void): void {
  const path = mkdtempSync(join(tmpdir(), 'elkfs-metarestore-'))
  const run =
    (program: string) =>
    (...args: string[]) =>
      spawnSync(join(import.meta.dirname, '../../bin', program), args, { cwd: path, encoding: 'utf8' })
  const contents = () =>
    Object.fromEntries(readdirSync(path).map(name => [name, readFileSync(join(path, name), 'latin1')]))
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text, 'latin1')
    use({ path, contents, restore: run('mfsmetarestore'), diff: run('mfsmetadiff') })
  } finally {
    rmSync(path, { recursive: true })
  }
}

const files = {
  'metadata.mfs.back': 'MFSM NEW',
  'changelog.1.mfs': lines(1, 4),
  'changelog_ml.0.mfs': lines(3, 6),
  'changelog.0.mfs': lines(6, 8),
}

test('-m OLD -o NEW CHANGELOG... writes NEW, changes nothing else, and reports', () =>
  withFolder(files, ({ contents, restore }) => {
    const logs = ['changelog.0.mfs', 'changelog.1.mfs', 'changelog_ml.0.mfs']
    const { status, stdout, stderr } = restore('-m', 'metadata.mfs.back', '-o', 'metadata.mfs', ...logs)
    assert.equal(status, 0, stderr)
    const { 'metadata.mfs': made, ...rest } = contents()
    assert.deepEqual(rest, files)
    assert.match(made ?? '', /^MFSM 2\.0\0{7}\t/)
    assert.match(stdout, /changelogs: 3 files, changes 1 to 8 \(1970-01-01T00:00:01Z to 1970-01-01T00:00:08Z\)/)
    assert.match(stdout, /lines that are in more than one file: 3\n/)
    assert.match(stdout, /gaps between the changelogs: none\n/)
    assert.match(stdout, /result: version 9, id 0000000000000007, 8 changes applied, 8 inodes\n/)
    assert.match(stdout, /written: .*metadata\.mfs\n$/)
  }))

test('-a -d DIR leaves one metadata.mfs and keeps the one that was there', () =>
  withFolder({ ...files, 'metadata.mfs': 'MFSM NEW' }, ({ path, contents, restore }) => {
    assert.equal(restore('-a', '-d', path).status, 0)
    const { 'metadata.mfs': made, 'metadata.mfs.old000': kept, ...rest } = contents()
    assert.equal(kept, 'MFSM NEW')
    assert.match(made ?? '', /^MFSM 2\.0/)
    assert.deepEqual(rest, files)
    const again = restore('-a', '-d', path)
    assert.match(again.stdout, /holds everything already: nothing was written/)
    assert.equal(contents()['metadata.mfs'], made)
  }))

test('a dry run writes nothing', () =>
  withFolder(files, ({ contents, restore }) => {
    const { status, stdout } = restore('-an', '-d', '.')
    assert.equal(status, 0)
    assert.match(stdout, /result: version 9.*\ndry run: nothing was written\n$/)
    assert.deepEqual(contents(), files)
  }))

/** As the master leaves it when the power goes: the changelog that begins with `first`, from `offset` on. */
function commitTail(first: number, offset: number, text: string): string {
  const record = Buffer.alloc(28 + text.length)
  record.write('ELKT', 0, 'latin1')
  record.writeUInt32BE(text.length, 8)
  record.writeBigUInt64BE(BigInt(first), 12)
  record.writeBigUInt64BE(BigInt(offset), 20)
  record.write(text, 28, 'latin1')
  record.writeUInt32BE(crc32(record.subarray(8)), 4)
  return record.toString('latin1')
}

test('what a power cut took from the newest changelog is taken from changelog.tail, and no file is changed', () => {
  const cut = {
    ...files,
    'changelog.0.mfs': `${lines(6, 6)}7: 7|CREA`,
    'changelog.tail': commitTail(6, lines(6, 6).length, lines(7, 9)),
  }
  withFolder(cut, ({ contents, restore }) => {
    const { status, stdout, stderr } = restore('-an', '-d', '.')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /result: version 10, /)
    assert.deepEqual(contents(), cut)
    assert.equal(restore('-a', '-d', '.').status, 0)
    const { 'metadata.mfs': made, ...rest } = contents()
    assert.ok(made)
    assert.deepEqual(rest, cut)
  })
})

test('where another master has gone on since the power cut, changelog.tail is told of and does not count', () => {
  const other = lines(7, 9).replace('f8', 'g8')
  const gone = {
    ...files,
    'changelog.0.mfs': `${lines(6, 6)}${other}`,
    'changelog.tail': commitTail(6, lines(6, 6).length, lines(7, 9)),
  }
  withFolder(gone, ({ contents, restore }) => {
    const { status, stdout, stderr } = restore('-an', '-d', '.')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /result: version 10, /)
    assert.match(stderr, /another master has gone on/)
    assert.deepEqual(contents(), gone)
  })
})

test('--until goes back, by change and by time, into a file of its own', () =>
  withFolder(files, ({ contents, restore, diff }) => {
    assert.equal(restore('--until', '5', '-d', '.', '-o', 'five').status, 0)
    assert.equal(restore('--until=@5', '-d', '.', '-o', 'second5').status, 0)
    assert.equal(restore('--until', '1970-01-01T00:00:06Z', '-d', '.', '-o', 'six').status, 0)
    // The root of a new file system is as old as its first load.
    assert.equal(diff('-x', 'atime', 'five', 'second5').status, 0)
    const difference = diff('five', 'six')
    assert.equal(difference.status, 1)
    assert.match(difference.stdout, /^\+ inode 6 \(\/f6\): type file; mode 0644; .*names "f6" in 1;/m)
    assert.match(difference.stdout, /^~ file system as a whole: version 6 -> 7;/m)
    const before = contents()
    const inPlace = restore('--until', '5', '-d', '.')
    assert.equal(inPlace.status, 1)
    assert.match(inPlace.stderr, /needs a place of its own/)
    assert.deepEqual(contents(), before)
  }))

test('what is missing is said, and -b saves what there is', () =>
  withFolder({ ...files, 'changelog_ml.0.mfs': '' }, ({ contents, restore }) => {
    const { status, stderr } = restore('-a', '-d', '.')
    assert.equal(status, 1)
    assert.match(stderr, /changes are missing after .*metadata\.mfs\.back \(version 1\): 5\.\n/)
    assert.equal(contents()['metadata.mfs'], undefined)
    const best = restore('-ab', '-d', '.')
    assert.equal(best.status, 0)
    assert.match(best.stdout, /gaps between the changelogs: 5 to 5\nresult: version 5/)
    assert.match(best.stderr, /changes 5 are missing/)
  }))

test('no file that was read or that is newer is written over', () =>
  withFolder(files, ({ contents, restore }) => {
    restore('-a', '-d', '.')
    const before = contents()
    for (const [output, why] of [
      ['metadata.mfs.back', /one of the files that were read/],
      ['metadata.mfs', /is newer \(version 9\)/],
      ['changelog.0.mfs', /is no metadata file/],
    ] as const) {
      const { status, stderr } = restore('-m', 'metadata.mfs.back', '-o', output, 'changelog.1.mfs')
      assert.equal(status, 1)
      assert.match(stderr, why)
      assert.deepEqual(contents(), before)
    }
  }))

test('-m FILE alone prints it; wrong usage and --help explain themselves', () =>
  withFolder(files, ({ restore, diff }) => {
    assert.match(restore('-m', 'metadata.mfs.back').stdout, /# header: MFSM NEW .*\nempty file\n/)
    assert.match(restore('--help').stdout, /usage: mfsmetarestore/)
    assert.equal(restore('--help').status, 0)
    for (const args of [[], ['-q'], ['-m', 'x', '-a'], ['-a', 'log'], ['--until', 'yesterday', '-o', 'x']]) {
      const { status, stderr } = restore(...args)
      assert.equal(status, 1)
      assert.match(stderr, /^mfsmetarestore: .*\nusage:/)
    }
    assert.equal(diff('metadata.mfs.back', 'missing').status, 2)
    assert.equal(diff('metadata.mfs.back').status, 2)
    assert.equal(diff('-q', 'metadata.mfs.back', 'metadata.mfs.back').stdout, '')
  }))

for (const step of ['02-classes-quota-snapshots-trash', '04-time-driven-and-chunk-ops'] as const) {
  test(`${step}: mfsmetarestore makes of it what the real master makes`, { skip: whyNot() ?? false }, () => {
    installPackages()
    const changelog = vector(step, 'changelog.mfs')
    const before = vector(step, 'before.metadata.mfs')
    // Cut in the middle of the lines, with some of them in both parts.
    const lines = changelog.toString('latin1').split('\n').slice(0, -1)
    const half = lines.length >> 1
    const part = (from: number, to: number) => `${lines.slice(from, to).join('\n')}\n`
    const parts = { 'changelog.1.mfs': part(0, half + 5), 'changelog.0.mfs': part(half, lines.length) }
    const real = restoredByRealMaster({ 'metadata.mfs.back': before, ...parts })
    withFolder({ ...parts }, ({ path, restore, diff }) => {
      writeFileSync(join(path, 'before'), before)
      writeFileSync(join(path, 'real'), real)
      const { status, stderr } = restore('-m', 'before', '-o', 'ours', 'changelog.0.mfs', 'changelog.1.mfs')
      assert.equal(status, 0, stderr)
      assert.equal(diff('ours', 'real').stdout, 'no differences\n')
      const again = restoredByRealMaster({ 'metadata.mfs.back': readFileSync(join(path, 'ours')) })
      writeFileSync(join(path, 'again'), again)
      assert.equal(diff('ours', 'again').stdout, 'no differences\n')
    })
  })
}
