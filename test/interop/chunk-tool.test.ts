// Our mfschunktool finds and mends in chunk files what the original's does.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { whyNot } from './cluster.ts'
import { contentsOf } from './contents.ts'
import { installPackages } from './packages.ts'

const OURS = join(import.meta.dirname, '../../bin/mfschunktool')
const BLOCK = 65536
const ZEROS = 0xd7978eeb

interface Made {
  blocks?: number
  headerBytes?: number
  signature?: string
  /** What the header says, where it is not what the name does. */
  id?: number
  version?: number
  /** CRC of blocks that are not there. */
  empty?: number
  /** Positions in the data of bytes that were damaged. */
  damaged?: number[]
  cutAt?: number
}

function chunkFile(id: number, made: Made): Buffer {
  const { blocks = 3, headerBytes = 4096, signature = 'MFSC 1.0', empty = ZEROS, damaged = [], cutAt } = made
  const header = Buffer.alloc(headerBytes)
  header.write(signature)
  header.writeBigUInt64BE(BigInt(made.id ?? id), 8)
  header.writeUInt32BE(made.version ?? 1, 16)
  const data = contentsOf(id, blocks * BLOCK)
  const table = Buffer.alloc(4096)
  for (let i = 0; i < 1024; i++)
    table.writeUInt32BE(i < blocks ? crc32(data.subarray(i * BLOCK, (i + 1) * BLOCK)) : empty, i * 4)
  for (const position of damaged) data.writeUInt8((data[position] as number) ^ 1, position)
  return Buffer.concat([header, table, data]).subarray(0, cutAt)
}

const nameOf = (id: number) => `chunk_${id.toString(16).toUpperCase().padStart(16, '0')}_00000001.mfs`

/** By their names; ids count from 1. */
const files: Record<string, Buffer> = {}
const add = (made: Made, name?: string) => {
  const id = Object.keys(files).length + 1
  files[name ?? nameOf(id)] = chunkFile(id, made)
}
for (const made of [
  ...[{}, { headerBytes: 1024 }, { signature: 'MFSC 1.1' }, { empty: 0 }],
  ...[{ id: 99 }, { version: 7 }, { signature: 'MFSC 2.0' }, { cutAt: 4 }, { cutAt: 0 }, { cutAt: 90_000 }],
  ...[{ damaged: [5] }, { damaged: [5, 2 * BLOCK + 9] }, { empty: 5 }, { empty: 5, signature: 'MFSC 1.1' }],
  { id: 98, version: 3, damaged: [7], empty: 5 },
])
  add(made)
add({}, 'strange.mfs')
add({ damaged: [1] }, 'chunk_lower.mfs')
add({ signature: 'none' }, 'nothing')

/** Runs a tool in a folder with files, and a name that is not there. */
function run(program: string, options: string[], files: Readonly<Record<string, Buffer>>) {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-chunks-'))
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes)
    const args = [...options, ...Object.keys(files), 'missing']
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' })
    const after = readdirSync(folder).map(name => [name, crc32(readFileSync(join(folder, name)))])
    return { status, stdout, stderr, after: Object.fromEntries(after) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test("our mfschunktool does what the original's does", { skip: whyNot() ?? false }, () => {
  installPackages({ mfschunktool: 'moosefs-chunkserver' })
  for (const options of ['', '-x', '-f', '-fx', '-e', '-ef', '-r', '-re', '-rf', '-n', '-rn']) {
    const given = options === '' ? [] : [options]
    assert.deepEqual(run(OURS, given, files), run('mfschunktool', given, files), options)
  }
  const full = { [nameOf(1)]: chunkFile(1, { blocks: 1024, signature: 'MFSC 1.1' }) }
  for (const given of ['-fx', '-x']) assert.deepEqual(run(OURS, [given], full), run('mfschunktool', [given], full))
})

function inFolder(action: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-chunks-'))
  try {
    action(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const ours = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(OURS, args, { encoding: 'utf8' })
  return { status, told: stdout + stderr }
}

test('a chunk without blocks is a good one, also to a fast look', () =>
  inFolder(folder => {
    const path = join(folder, nameOf(1))
    writeFileSync(path, chunkFile(1, { blocks: 0 }))
    assert.deepEqual(ours('-fx', path), { status: 0, told: `${path}: OK\n` })
  }))

test('no file gets the name of another one', () =>
  inFolder(folder => {
    const [path, taken] = [join(folder, 'found.mfs'), join(folder, nameOf(1))]
    writeFileSync(path, chunkFile(1, {}))
    writeFileSync(taken, chunkFile(1, { blocks: 2 }))
    const { status, told } = ours('-n', path)
    assert.deepEqual([status, readdirSync(folder).sort()], [16, [nameOf(1), 'found.mfs']])
    assert.match(told, /not renamed: there is a file/)
  }))

test('a header is not made for what has no size of a chunk', () =>
  inFolder(folder => {
    const path = join(folder, nameOf(1))
    const bytes = chunkFile(1, { id: 5, cutAt: 100_000 })
    writeFileSync(path, bytes)
    assert.equal(ours('-r', path).status, 17)
    assert.deepEqual(readFileSync(path), bytes)
  }))

const HOLDER = `
import { openSync } from 'node:fs'
import { lockWholeFile } from '${join(import.meta.dirname, '../../src/env/file-lock.ts')}'
lockWholeFile(openSync(process.argv[1], 'r+'), process.argv[1])
const { status } = (await import('node:child_process')).spawnSync(process.argv[2], process.argv.slice(3), { stdio: 'inherit' })
process.exitCode = status`

test('nothing is changed in a folder that a chunkserver uses', () =>
  inFolder(folder => {
    mkdirSync(join(folder, '01'))
    const [lock, path] = [join(folder, '.lock'), join(folder, '01', nameOf(1))]
    writeFileSync(lock, '')
    writeFileSync(path, chunkFile(1, { damaged: [9] }))
    cpSync(path, join(folder, '01', 'found.mfs'))
    const held = (...args: string[]) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', HOLDER, lock, OURS, ...args], { encoding: 'utf8' })
    const repaired = held('-r', path)
    assert.equal(repaired.status, 18, repaired.stderr)
    assert.match(repaired.stderr, /not changed: a chunkserver uses .*, stop it first/)
    assert.match(held('-n', join(folder, '01', 'found.mfs')).stderr, /there is a file/)
    rmSync(path)
    assert.match(held('-n', join(folder, '01', 'found.mfs')).stderr, /not changed: a chunkserver uses/)
    assert.equal(ours('-nr', join(folder, '01', 'found.mfs')).status, 10)
    assert.deepEqual(ours('-x', path), { status: 0, told: `${path}: OK\n` })
  }))
