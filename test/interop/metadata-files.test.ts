// Metadata files of ours and of every older form, read by the real master and by the real tools, and by ours.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { realDisk } from '../../src/env/real-disk.ts'
import { inspectCheckpoint, storeCheckpoint } from '../../src/journal/checkpoint-files.ts'
import { canonicalLines } from '../../src/metadata/checkpoint/canonical.ts'
import { readCheckpoint } from '../../src/metadata/checkpoint/read.ts'
import { dumpMetadata } from '../../src/metadata/dump/dump.ts'
import * as handMade from '../golden/hand-made-metadata.ts'
import { pullOf, steps, vector } from '../golden/metadata.ts'
import { whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { restoredByRealMaster } from './real-restore.ts'

const skip = whyNot() ?? false
let folder = ''
before(() => {
  if (!skip) installPackages()
  folder = mkdtempSync(join(tmpdir(), 'elkfs-metadata-'))
})
after(() => rmSync(folder, { recursive: true }))

interface Output {
  stdout: string
  stderr: string
  status: number | null
}

function runReal(program: string, ...args: string[]): Output {
  const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'latin1', maxBuffer: 1 << 28 })
  return { stdout, stderr, status }
}

function runOurs(program: string, ...args: string[]): Output {
  return runReal(join(import.meta.dirname, '../../bin', program), ...args)
}

async function ourDump(bytes: Buffer, dots: boolean): Promise<string> {
  let text = ''
  await dumpMetadata(pullOf(bytes), { dots }, async piece => {
    text += piece
  })
  return text
}

const NOW = 1_700_000_000
const load = (bytes: Buffer, sessions?: Buffer) => readCheckpoint(pullOf(bytes), NOW, async () => sessions)

/** Every older form of the hand-made file. */
const olderForms: Record<string, Buffer> = {
  newest: handMade.file20(),
  LABS: handMade.file20({ names: { SCLA: 'LABS' }, versions: { SCLA: 0x13 } }),
  '21 counters': handMade.file20({ replaced: { SESS: handMade.sessBody(0x15, 21) } }),
  '1.5': handMade.file15(),
  '1.7': handMade.file17(),
  '1.9': handMade.file17('1.9'),
}
for (const [name, versions] of Object.entries(handMade.readableVersions)) {
  for (const version of versions.slice(0, -1)) {
    olderForms[`${name} 0x${version.toString(16)}`] = handMade.file20({ versions: { [name]: version } })
  }
}

/** Everything but what the original gets wrong or leaves for its start when it reads older forms. */
function comparable(form: string, lines: string[]): string[] {
  let compared = lines
  // It counts every session that NODE lists as having a file open as a change, so that its version is too high.
  if (/^(NODE|1\.)/.test(form)) compared = compared.map(line => line.replace(/^HEAD version \d+/, 'HEAD'))
  // `restore` leaves the numbering of edges to the next start.
  if (/^(EDGE|1\.)/.test(form)) {
    compared = compared.map(line => line.replace(/^(EDGE \d+ \d+) \d+/, '$1').replace(/nextEdge \d+/, ''))
  }
  // Where no time of disconnection is stored the original takes that of loading; ours is connected until the master starts.
  if (/^(SESS 0x10|1\.)/.test(form)) {
    compared = compared.map(line => line.replace(/(disconnectedAt\\":)(0|1[78]\d{8})\b/, '$1NOW'))
  }
  return compared.sort()
}

for (const [form, bytes] of Object.entries(olderForms)) {
  test(`older form ${form}: the real master loads what ours loads`, { skip }, async () => {
    const real = await load(restoredByRealMaster({ 'metadata.mfs.back': bytes }))
    assert.deepEqual(comparable(form, canonicalLines(await load(bytes))), comparable(form, canonicalLines(real)))
  })

  test(`older form ${form}: our dump is that of the real tool`, { skip }, async () => {
    const file = join(folder, 'dumped')
    writeFileSync(file, bytes)
    // The real tool looks for label descriptions only up to 0x14, the real master up to 0x15.
    if (form === 'SCLA 0x15') return assert.equal(runReal('mfsmetadump', file).status, 1)
    for (const dots of [false, true]) {
      const real = runReal('mfsmetadump', ...(dots ? ['-d'] : []), file)
      assert.equal(await ourDump(bytes, dots), real.stdout)
    }
  })
}

for (const form of [0, 1, 2, 3, 4] as const) {
  test(`sessions.mfs of form ${form}: the real master imports what ours imports`, { skip }, async () => {
    const [bytes, sessions] = [handMade.file17(), handMade.sessionsFile(form)]
    const real = await load(restoredByRealMaster({ 'metadata.mfs.back': bytes, 'sessions.mfs': sessions }))
    assert.deepEqual(
      comparable('1.7', canonicalLines(await load(bytes, sessions))),
      comparable('1.7', canonicalLines(real)),
    )
  })
}

test('edges without numbers get those that the real master gives at its start', { skip }, async () => {
  // Only a start numbers them, and a start opens ports: the numbers are seen in the changelog's result instead.
  const bytes = handMade.file20({ versions: { EDGE: 0x10 } })
  const state = await load(bytes)
  const line = `${handMade.VERSION}: ${NOW}|RENUMERATEEDGES():${state.edges.idOfAge(state.nextEdgeAge)}\n`
  const real = await load(restoredByRealMaster({ 'metadata.mfs.back': bytes, 'changelog.0.mfs': line }))
  const edges = (text: string[]) => text.filter(entry => entry.startsWith('EDGE'))
  assert.deepEqual(edges(canonicalLines(state)), edges(canonicalLines(real)))
})

const vectors = steps.flatMap(step => [
  ...(step === '01-basic-ops' ? [] : [[step, 'before.metadata.mfs'] as const]),
  ...(step === '06-handmade-lines' ? ([[step, 'replayed.metadata.mfs']] as const) : []),
  ...(step === '05-snapshot-groups' ? ([[step, 'after.metadata.mfs']] as const) : []),
])

/** Lines of a dump without section lengths, in no order: what a file says, however its records are arranged. */
const facts = (dump: string) =>
  dump
    .split('\n')
    .map(line => line.replace(/length: \d+/, ''))
    .sort()

for (const [step, file] of vectors) {
  test(`${step}/${file} written by us: the real master and tools read what they read in the original`, {
    skip,
  }, async () => {
    const original = vector(step, file)
    const state = await load(original)
    const [theirs, ours] = [join(folder, 'theirs'), join(folder, 'ours')]
    writeFileSync(theirs, original)
    await storeCheckpoint(realDisk, folder, 'ours', state)
    const written = readFileSync(ours)
    assert.ok((await inspectCheckpoint(realDisk, ours)).seal, 'it has a seal that they do not know')
    assert.equal(await ourDump(written, false), runReal('mfsmetadump', ours).stdout)
    const ordered = (text: string) => facts(text).filter(line => !/^(OPENFILE|SESSION)/.test(line))
    assert.deepEqual(ordered(runReal('mfsmetadump', ours).stdout), ordered(runReal('mfsmetadump', theirs).stdout))
    const paths = ['/', '/g', '/snap', '/src']
    const [sumsOfOurs, sumsOfTheirs] = [ours, theirs].map(from => runReal('mfsmetadirinfo', from, ...paths))
    // A chunk that files of different classes share counts with the class of the file that comes first in NODE.
    const shared = (text = '') => (step === '06-handmade-lines' ? text.replace(/(keep|arch|real) size: .*/g, '') : text)
    assert.equal(shared(sumsOfOurs?.stdout), shared(sumsOfTheirs?.stdout))
    assert.deepEqual(
      canonicalLines(await load(restoredByRealMaster({ 'metadata.mfs.back': written }))),
      canonicalLines(state),
    )
  })
}

test('our mfsmetadump as a command answers as the real one', { skip }, () => {
  const file = join(folder, 'vector')
  writeFileSync(file, vector('03-sessions-locks-open-files', 'after.metadata.mfs'))
  const fresh = join(folder, 'new')
  writeFileSync(fresh, 'MFSM NEW')
  const invocations = [
    [file],
    ['-d', file],
    ['-s', 'NODE', file],
    ['-dsEDGE', file],
    [file, '-s', 'HEAD'],
    ['-s', 'QQQQ', file],
    [fresh],
    ['-s', 'NODE', fresh],
  ]
  for (const args of invocations) assert.deepEqual(runOurs('mfsmetadump', ...args), runReal('mfsmetadump', ...args))
  for (const args of [[], ['-h'], ['-s', 'AB', file], [join(folder, 'missing')], ['/etc/passwd']]) {
    assert.equal(runOurs('mfsmetadump', ...args).status, runReal('mfsmetadump', ...args).status, args.join(' '))
  }
})

test('our mfsmetadirinfo answers as the real one, in every format', { skip }, () => {
  const file = join(folder, 'vector')
  copyFileSync(join(import.meta.dirname, '../golden/metadata/README.md'), join(folder, 'no metadata'))
  for (const bytes of [handMade.file20(), vector('06-handmade-lines', 'replayed.metadata.mfs')]) {
    writeFileSync(file, bytes)
    const paths = ['/', '//g/', 'snap', '/nonexisting', '/dir', '/dir/hard link', '/q"\\\n\x07\xff', '/dir']
    for (const options of [[], ['-f', 'J'], ['-fC'], ['-f', 'c;', '-a', 'to\ttal'], ['-a', 'x']]) {
      const args = [...options, file, ...paths]
      assert.deepEqual(runOurs('mfsmetadirinfo', ...args), runReal('mfsmetadirinfo', ...args))
    }
  }
  const output = join(folder, 'sums')
  assert.equal(runOurs('mfsmetadirinfo', '-o', output, '-f', 'J', file, '/').stdout, '')
  assert.equal(readFileSync(output, 'latin1'), runReal('mfsmetadirinfo', '-f', 'J', file, '/').stdout)
  const failing = [[], ['-f', 'X', file, '/'], [join(folder, 'no metadata'), '/'], [join(folder, 'none'), '/']]
  for (const args of failing) {
    assert.equal(runOurs('mfsmetadirinfo', ...args).status, runReal('mfsmetadirinfo', ...args).status, args.join(' '))
  }
})
