// Chunk files of real chunkservers hold for ours what they held for them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { decodeHeader, layoutOf, parseChunkFileName } from '../../src/chunkserver/disks/chunk-file.ts'
import { ChunkStore } from '../../src/chunkserver/disks/chunk-store.ts'
import { parseFolderList } from '../../src/chunkserver/disks/folder-list.ts'
import { noCounts } from '../../src/chunkserver/statistics.ts'
import { realEnv } from '../../src/env/real.ts'
import { MFSBLOCKSIZE } from '../../src/protocol/constants.ts'

const folder = join(import.meta.dirname, 'chunks')

interface Vector {
  file: string
  name: string
  chunkid: number
  version: number
  blocks: number
  crc: string[]
  logical_length: number
  logical_sha256: string
}

const vectors = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Vector[]
const silent = { debug() {}, info() {}, notice() {}, warning() {}, error() {} }
const options = {
  leaveBytes: 0,
  subfolderChunks: 10000,
  errorsTolerated: 2,
  errorPeriodSeconds: 600,
  sparsify: true,
  sync: false,
  keepDuplicatesHours: 1,
  hangSeconds: 30,
}

test('names, headers and sizes of real files are understood', () => {
  for (const { file, chunkid, version, blocks } of vectors) {
    const bytes = gunzipSync(readFileSync(join(folder, file)))
    assert.deepEqual(parseChunkFileName(file.replace('.gz', '')), { chunkId: chunkid, version })
    assert.deepEqual(decodeHeader(bytes), { chunkId: chunkid, version })
    assert.equal(layoutOf(bytes.length)?.blockCount, blocks)
  }
})

test('the contents of real files are read and checked', async () => {
  const disk = mkdtempSync(join(tmpdir(), 'elkfs-golden-'))
  const wrong = () => assert.fail('an error was reported')
  const reports = { damaged: wrong, lost() {}, unsure() {}, appeared() {}, ioError: wrong, spaceChanged() {} }
  const store = new ChunkStore(realEnv(silent), options, reports, noCounts())
  try {
    vectors.forEach(({ file }, i) => {
      // Half of them where very old versions kept them.
      const place = join(disk, i % 2 === 0 ? '7F' : 'A')
      mkdirSync(place, { recursive: true })
      writeFileSync(join(place, file.replace('.gz', '')), gunzipSync(readFileSync(join(folder, file))))
    })
    const [line] = parseFolderList(disk)
    assert.ok(line)
    await (await store.addFolder(line, undefined)).scanned
    for (const { chunkid, version, blocks, crc, logical_length, logical_sha256, name } of vectors) {
      const open = await store.open(chunkid, version)
      assert.equal(open.blockCount, blocks, name)
      const bytes = Buffer.alloc(blocks * MFSBLOCKSIZE)
      await store.read(open, version, 0, bytes)
      crc.forEach((value, i) => {
        assert.equal(open.crcOf(i), Number.parseInt(value, 16), name)
      })
      const sum = createHash('sha256').update(bytes.subarray(0, logical_length)).digest('hex')
      assert.equal(sum, logical_sha256, name)
      store.done(open)
    }
  } finally {
    await store.stop()
    rmSync(disk, { recursive: true })
  }
})
