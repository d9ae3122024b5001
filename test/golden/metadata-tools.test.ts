// What mfsmetadump and mfsmetadirinfo of ours print for the vectors is what the real ones printed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { dumpMetadata } from '../../src/metadata/dump/dump.ts'
import * as handMade from './hand-made-metadata.ts'
import { pullOf, steps, vector } from './metadata.ts'

async function dumpOf(bytes: Buffer, pieceBytes: number): Promise<string> {
  let text = ''
  await dumpMetadata(pullOf(bytes, pieceBytes), {}, async piece => {
    text += piece
  })
  return text
}

for (const step of steps) {
  const folder = join(import.meta.dirname, 'metadata', step)
  for (const file of readdirSync(folder).filter(name => /^(before|after|replayed)\.dump\.txt\.gz$/.test(name))) {
    test(`${step}/${file}: our dump is the real one`, async () => {
      const expected = gunzipSync(readFileSync(join(folder, file))).toString('latin1')
      const bytes = vector(step, file.replace('.dump.txt.gz', '.metadata.mfs'))
      assert.equal(await dumpOf(bytes, 65536), expected)
      assert.equal(await dumpOf(bytes, 61), expected, 'however the file is cut into pieces')
    })
  }
}

test('a dump of a damaged file shows what is before the damage, then says where it is', async () => {
  const whole = handMade.file20()
  const at = whole.indexOf('user.a')
  let text = ''
  const write = async (piece: string) => {
    text += piece
  }
  await assert.rejects(dumpMetadata(pullOf(whole.subarray(0, at)), {}, write), /section XATR, byte \d+: cut off/)
  assert.match(text, /# section type: XATR.*\nerror reading metadata \(XATR\)\n$/)
  assert.match(text, /EDGE\|p: {9}2\|c: {9}3\|i:0x7FFFFFFFFFFFFFFC\|n:hard link\n/)
})

function dirinfo(...args: string[]): { stdout: string; stderr: string } {
  const program = join(import.meta.dirname, '../../src/cli/mfsmetadirinfo.ts')
  const { stdout, stderr, status } = spawnSync(process.execPath, [program, ...args], { encoding: 'latin1' })
  assert.equal(status, 0, stderr)
  return { stdout, stderr }
}

test('sums over directories are those of the real mfsmetadirinfo, in every format', () => {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-dirinfo-'))
  try {
    const file = join(folder, 'metadata.mfs')
    writeFileSync(file, vector('07-metadirinfo', 'metadata.mfs'))
    const golden = (name: string) =>
      readFileSync(join(import.meta.dirname, 'metadata/07-metadirinfo', name), 'latin1').replace(/rc=0\n$/, '')
    const plain = dirinfo(file, '/', '/g', '/snap/s2', '/nonexisting')
    assert.equal(plain.stdout, golden('plain.txt'))
    assert.equal(plain.stderr, golden('plain.stderr.txt'))
    assert.equal(dirinfo('-f', 'J', '-a', 'SUM', file, '/g', '/src').stdout, golden('json-with-sum.txt'))
    assert.equal(dirinfo('-fC;', file, '/g', '/nonexisting', '/sub moved').stdout, golden('csv-semicolon.txt'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
