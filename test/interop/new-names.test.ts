// What chunkservers build on: on these file systems a new file that was synced has its name after a power cut, also when
// nobody has synced the folder. On others they sync the folder.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realDisk } from '../../src/env/real-disk.ts'
import { whyNot } from './cluster.ts'
import { LoopDisk } from './loop-disk.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const FILES = 40
const HEAD = Buffer.alloc(8192, 'h')
const DATA = Buffer.alloc(31_000, 'd')
const CRC = Buffer.from('crc!')

/** As a chunkserver makes a chunk's file and writes to it. */
async function makeFile(path: string, sync: boolean): Promise<void> {
  const file = await realDisk.create(path, [{ position: 0, parts: [HEAD] }])
  await file.change([{ size: 8192 + 65_536 }, { position: 8192, parts: [DATA] }, { position: 1024, parts: [CRC] }])
  if (sync) await file.sync()
  await file.close()
}

function isWhole(path: string): boolean {
  const bytes = readFileSync(path)
  return bytes.length === 8192 + 65_536 && bytes.includes(DATA) && bytes.subarray(1024, 1028).equals(CRC)
}

const fileSystems = {
  ext4: ['mkfs.ext4', '-q', '-F'],
  'ext4 without a journal': ['mkfs.ext4', '-q', '-F', '-O', '^has_journal'],
  xfs: ['mkfs.xfs', '-q', '-f'],
}

for (const [name, mkfs] of Object.entries(fileSystems)) {
  test(`${name}: the sync of a new file keeps its name, too`, { skip }, async () => {
    installPackages({ 'mkfs.ext4': 'e2fsprogs', 'mkfs.xfs': 'xfsprogs' })
    const folder = mkdtempSync(join(tmpdir(), 'elkfs-names-'))
    const disk = new LoopDisk(join(folder, 'disk'), mkfs)
    try {
      const place = join(disk.folder, '00')
      await realDisk.makeFolder(place)
      await realDisk.syncFolder(place)
      await realDisk.syncFolder(disk.folder)
      assert.equal(await realDisk.syncsNewNames(place), true)
      for (let i = 0; i < FILES; i++) await makeFile(join(place, `synced${i}`), true)
      for (let i = 0; i < FILES; i++) await makeFile(join(place, `other${i}`), false)
      disk.cutOff()
      disk.on()
      const names = readdirSync(place)
      const whole = names.filter(name => name.startsWith('synced') && isWhole(join(place, name)))
      assert.equal(whole.length, FILES)
      // Otherwise the cut would have cut nothing.
      assert.ok(names.length < 2 * FILES, 'files that were not synced are lost')
    } finally {
      disk.remove()
      rmSync(folder, { recursive: true })
    }
  })
}

test('of other file systems nothing is taken for granted', async () => {
  assert.equal(await realDisk.syncsNewNames('/dev/shm'), false)
})
