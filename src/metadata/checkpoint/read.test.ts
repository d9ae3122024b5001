import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyNumbered } from '../apply.ts'
import { parseLine } from '../changelog/entry.ts'
import { newState, type State } from '../state.ts'
import { CheckpointError } from './format.ts'
import { readCheckpoint } from './read.ts'
import { writeCheckpoint } from './write.ts'

const NOW = 1_700_000_000
const NAMES = ['first', 'second', 'third1', 'fourth']

/** A checkpoint of files with these names in the root, newest first, and a folder. */
function checkpoint(): Buffer {
  const state = newState(NOW)
  const lines = NAMES.map((name, i) => `CREATE(1,${name},1,420,0,0,0,0):${i + 2}`)
  ;[...lines, 'CREATE(1,folder,2,493,0,0,0,0):6'].forEach((body, i) => {
    const { version, entry } = parseLine(`${i + 1}: ${NOW}|${body}`)
    applyNumbered(state, version, entry)
  })
  return Buffer.concat([...writeCheckpoint(state)])
}

/** Loads it in small pieces. */
function load(bytes: Buffer): Promise<State> {
  let position = 0
  return readCheckpoint(async () => {
    const piece = bytes.subarray(position, position + 50)
    position += piece.length
    return piece.length > 0 ? piece : undefined
  }, NOW)
}

/** Puts another name of the same length in the place of one, and returns the offset behind it. */
function rename(bytes: Buffer, name: string, other: string): number {
  const at = bytes.indexOf(name, 0, 'latin1')
  bytes.write(other, at, 'latin1')
  return at + name.length
}

test('a name that is twice in a folder is refused with the place of the second', async () => {
  const bytes = checkpoint()
  const offset = rename(bytes, 'second', 'fourth')
  const expected = { name: 'CheckpointError', section: 'EDGE', offset, message: /name "fourth" is twice in inode 1/ }
  await assert.rejects(load(bytes), expected)
})

test('of two things that are wrong with names the first one in the file is told', async () => {
  const bytes = checkpoint()
  const offset = rename(bytes, 'third1', 'fourth')
  // The child of the oldest edge, which comes last, does not exist.
  bytes.writeUInt32BE(77, bytes.indexOf('first', 0, 'latin1') - 14)
  await assert.rejects(load(bytes), { section: 'EDGE', offset, message: /is twice/ })
  await assert.rejects(load(bytes), CheckpointError)
})

test('a folder that is twice under one name is told as such, under two names otherwise', async () => {
  for (const [name, message] of [
    ['folder', /name "folder" is twice in inode 1/],
    ['fourth', /directory 6 has two names/],
  ] as const) {
    const bytes = checkpoint()
    const at = bytes.indexOf('fourth', 0, 'latin1')
    bytes.writeUInt32BE(6, at - 14)
    const offset = rename(bytes, 'fourth', name)
    await assert.rejects(load(bytes), { section: 'EDGE', offset, message })
  }
})
