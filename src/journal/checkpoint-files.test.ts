import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realDisk } from '../env/real-disk.ts'
import { apply } from '../metadata/apply.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { newState, type State } from '../metadata/state.ts'
import {
  inspectCheckpoint,
  loadCheckpoint,
  publishCheckpoint,
  settleCheckpoints,
  storeCheckpoint,
} from './checkpoint-files.ts'

const NOW = 1_700_000_000

async function withFolder(files: Record<string, string>, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-checkpoints-'))
  try {
    for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, name), contents, 'latin1')
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A state of some blocks of 64 KiB when it is stored. */
function stateOf(files: number): State {
  const state = newState(NOW)
  const made = { op: 'CREATE', ts: NOW, parent: 1, type: 1, mode: 420, cumask: 0, uid: 0, gid: 0, rdev: 0 } as const
  for (let inode = 2; inode < files + 2; inode++) apply(state, { ...made, name: `file ${inode}`, inode })
  return state
}

async function contentsOf(folder: string): Promise<Record<string, string>> {
  const names = (await realDisk.list(folder)).sort()
  return Object.fromEntries(names.map(name => [name, readFileSync(join(folder, name), 'latin1')]))
}

test('every flipped bit of a sealed checkpoint is found, with its place', () =>
  withFolder({}, async folder => {
    const state = stateOf(3000)
    const path = `${folder}/metadata.mfs`
    await storeCheckpoint(realDisk, folder, 'metadata.mfs', state)
    const { seal } = await inspectCheckpoint(realDisk, path)
    const size = statSync(path).size
    assert.ok(seal && seal.dataBytes < size && seal.dataBytes > 2 * 65536)
    assert.equal((await loadCheckpoint(realDisk, path, NOW)).digest(), state.digest())
    const whole = readFileSync(path)
    for (let bit = 5; bit < size * 8; bit += 8009) {
      const damaged = Buffer.from(whole)
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
      writeFileSync(path, damaged)
      await assert.rejects(loadCheckpoint(realDisk, path, NOW), error => {
        assert.ok(error instanceof CheckpointError, `bit ${bit}: ${error}`)
        const isNear = error.offset <= bit >> 3 && (bit >> 3) - error.offset < 65536
        assert.ok(isNear || error.section === 'TAIL' || error.section === 'SEAL', `bit ${bit}: ${error.message}`)
        return true
      })
    }
  }))

test('a checkpoint cut anywhere is refused', () =>
  withFolder({}, async folder => {
    const path = `${folder}/metadata.mfs`
    await storeCheckpoint(realDisk, folder, 'metadata.mfs', stateOf(1000))
    const whole = readFileSync(path)
    for (let length = 9; length < whole.length; length += 1009) {
      writeFileSync(path, whole.subarray(0, length))
      await assert.rejects(loadCheckpoint(realDisk, path, NOW), CheckpointError, `cut at ${length}`)
    }
  }))

test('publishing shifts the older checkpoints and keeps as many as wanted', () =>
  withFolder({ 'metadata.mfs.back.tmp': 'd', 'metadata.mfs.back': 'c', 'metadata.mfs.back.1': 'b' }, async folder => {
    await publishCheckpoint(realDisk, folder, 'metadata.mfs.back', 2)
    const three = { 'metadata.mfs.back': 'd', 'metadata.mfs.back.1': 'c', 'metadata.mfs.back.2': 'b' }
    assert.deepEqual(await contentsOf(folder), three)
    writeFileSync(join(folder, 'metadata.mfs.back.tmp'), 'e')
    await publishCheckpoint(realDisk, folder, 'metadata.mfs', 2)
    const stopped = { 'metadata.mfs': 'e', 'metadata.mfs.back.1': 'd', 'metadata.mfs.back.2': 'c' }
    assert.deepEqual(await contentsOf(folder), stopped)
  }))

test('without older checkpoints to keep the new one takes the place of the old one', () =>
  withFolder({ 'metadata.mfs.back.tmp': 'b', 'metadata.mfs.back': 'a' }, async folder => {
    await publishCheckpoint(realDisk, folder, 'metadata.mfs', 0)
    assert.deepEqual(await contentsOf(folder), { 'metadata.mfs': 'b' })
  }))

test('a start from metadata.mfs goes on from metadata.mfs.back', () =>
  withFolder({ 'metadata.mfs': 'b', 'metadata.mfs.back': 'a', 'metadata.mfs.back.tmp': 'half' }, async folder => {
    await settleCheckpoints(realDisk, folder, `${folder}/metadata.mfs`, 77, 1)
    assert.deepEqual(await contentsOf(folder), { 'metadata.mfs.back': 'b', 'metadata.mfs.back.1': 'a' })
  }))

test('a metadata.mfs that was not loaded goes aside', () =>
  withFolder({ 'metadata.mfs': 'a', 'metadata.mfs.back': 'b' }, async folder => {
    await settleCheckpoints(realDisk, folder, `${folder}/metadata.mfs.back`, 1e12, 1)
    assert.deepEqual(await contentsOf(folder), { 'metadata.mfs.back': 'b', 'metadata.mfs.e66i9s': 'a' })
  }))
