// What the original does not keep, in a checkpoint. It stops reading at the end mark and looks for that mark in the last
// bytes of the file; what stands between two of them is ours (seen with 3.0.117: it loads such files, and drops the
// rest when it saves).
//
//   … "[MFS EOF MARKER]" { header:8B length:64 body }… "[MFS EOF MARKER]"
//
// A seal (journal/checkpoint-seal.ts) may follow; it covers all of this.
//
// ELKU: chunks that must be cut before a file grows over their end: { chunk:64 }…
// ELKT: what times need besides (protocol/fine-times.ts): { inode:32 atime:32 mtime:32 ctime:32 }…
import type { State } from '../state.ts'
import type { Inode } from '../types.ts'
import { EOF_MARKER } from './format.ts'
import type { CheckpointInput } from './input.ts'
import type { CheckpointOutput } from './output.ts'

export const FINE_TIMES_SECTION = 'ELKT 1.0'
const FINE_TIMES_BYTES = 16
export const TAILS_SECTION = 'ELKU 1.0'
const TAIL_BYTES = 8
/** A seal begins (journal/checkpoint-seal.ts): nothing follows it. */
const SEAL = 'ELKFSEAL'

/** Reads on behind the end mark. Sections that we do not know are of a later version, and passed over. */
export async function readExtras(input: CheckpointInput, state: State): Promise<void> {
  input.section = 'MORE'
  input.skip(EOF_MARKER.length)
  if (!(await input.tryFill(1))) return
  for (;;) {
    await input.fill(16)
    if (input.peek(16) === EOF_MARKER) return
    if (input.peek(8) === SEAL) return
    const header = input.text(8)
    const bytes = input.u64n()
    if (header === FINE_TIMES_SECTION) await readFineTimes(input, state, bytes)
    else if (header === TAILS_SECTION) await readTails(input, state, bytes)
    else await skip(input, bytes)
  }
}

async function readTails(input: CheckpointInput, { chunks }: State, bytes: number): Promise<void> {
  input.section = TAILS_SECTION.slice(0, 4)
  if (bytes % TAIL_BYTES !== 0) input.fail(`${bytes} bytes are not a whole number of records`)
  for (let left = bytes; left > 0; left -= TAIL_BYTES) {
    if (input.left < TAIL_BYTES) await input.fill(TAIL_BYTES)
    const chunkId = input.u64n()
    const row = chunks.find(chunkId)
    if (row === 0) input.fail(`chunk ${chunkId.toString(16)} does not exist`)
    chunks.setTailUnknown(row, true)
  }
}

async function readFineTimes(input: CheckpointInput, { nodes }: State, bytes: number): Promise<void> {
  input.section = FINE_TIMES_SECTION.slice(0, 4)
  if (bytes % FINE_TIMES_BYTES !== 0) input.fail(`${bytes} bytes are not a whole number of records`)
  for (let left = bytes; left > 0; left -= FINE_TIMES_BYTES) {
    if (input.left < FINE_TIMES_BYTES) await input.fill(FINE_TIMES_BYTES)
    const inode = input.u32()
    if (!nodes.exists(inode)) input.fail(`inode ${inode} does not exist`)
    for (const times of [nodes.atime, nodes.mtime, nodes.ctime]) times.setExactly(inode, times.low(inode), input.u32())
  }
}

async function skip(input: CheckpointInput, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) {
    await input.fill(1)
    const now = Math.min(left, input.left)
    input.skip(now)
    left -= now
  }
}

const hasFineTimes = ({ nodes: { atime, mtime, ctime } }: State, inode: Inode) =>
  (atime.more(inode) | mtime.more(inode) | ctime.more(inode)) !== 0

/** Bytes of the section; 0 when there is nothing to tell. */
export function fineTimesBytes(state: State): number {
  let count = 0
  for (const inode of state.nodes.inodes()) if (hasFineTimes(state, inode)) count++
  return count * FINE_TIMES_BYTES
}

/** Bytes of the section; 0 when there is nothing to tell. */
export function tailsBytes({ chunks }: State): number {
  let count = 0
  for (const row of chunks.rows()) if (chunks.isTailUnknown(row)) count++
  return count * TAIL_BYTES
}

export function* writeTails(output: CheckpointOutput, { chunks }: State): Generator<void> {
  for (const row of chunks.rows()) {
    if (!chunks.isTailUnknown(row)) continue
    output.u64n(chunks.id(row))
    yield
  }
}

export function* writeFineTimes(output: CheckpointOutput, state: State): Generator<void> {
  const { nodes } = state
  for (const inode of nodes.inodes()) {
    if (!hasFineTimes(state, inode)) continue
    output.u32(inode)
    for (const times of [nodes.atime, nodes.mtime, nodes.ctime]) output.u32(times.more(inode))
    yield
  }
}
