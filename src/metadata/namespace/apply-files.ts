// Contents of files: which chunks they hold, how long they are (spec metadata 4.1).
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import { Status } from '../../protocol/status.ts'
import type { Operations } from '../apply.ts'
import { expectResult, fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import { type ChunkId, Eattr, type Inode, type Seconds } from '../types.ts'
import { changeCounted, cutChunks } from './tree.ts'

/** Seconds that a writer may hold a chunk (spec master-behaviour 0). */
export const CHUNK_LOCK_SECONDS = 120
export const MAX_CHUNK_INDEX = 0x7fffffff
/** No file becomes longer, in bytes: lengths are numbers that count exactly so far. */
export const MAX_LENGTH = Number.MAX_SAFE_INTEGER
/** APPEND of a whole file. */
const WHOLE_FILE = 0xffffffff

export function needFile(state: State, inode: Inode): void {
  if (!state.nodes.exists(inode)) fail(Status.ENOENT, `inode ${inode} does not exist`)
  if (!state.nodes.isFile(inode)) fail(Status.EPERM, `inode ${inode} is no file`)
}

/** Row of a chunk. @throws ReplayError NOCHUNK */
export function needChunk(state: State, id: ChunkId): number {
  return state.chunks.find(id) || fail(Status.NOCHUNK, `chunk ${id.toString(16)} is unknown`)
}

function touchContents({ nodes }: State, inode: Inode, ts: Seconds): void {
  nodes.mtime.set(inode, ts)
  nodes.ctime.set(inode, ts)
}

function dropSnapshot({ nodes }: State, inode: Inode): void {
  nodes.eattr.set(inode, nodes.eattr.get(inode) & ~Eattr.SNAPSHOT)
}

/** Puts another chunk (row 0: a hole) into a slot and counts the references. */
function replaceChunk(state: State, inode: Inode, index: number, row: number): void {
  const { nodes, chunks } = state
  const before = nodes.chunkRow(inode, index)
  if (before === row) return
  const sclassId = nodes.sclassId.get(inode)
  if (before !== 0) chunks.dropReference(before, sclassId)
  nodes.setChunkRow(inode, index, row)
  if (row !== 0) chunks.share(row, sclassId)
}

/** A new chunk at a slot; what was there loses a reference. Returns its id. */
function makeChunk(state: State, inode: Inode, index: number): ChunkId {
  const { chunks } = state
  const id = chunks.nextChunkId++
  replaceChunk(state, inode, index, chunks.add(id, 1))
  return id
}

/** The chunk that will be written: itself, or its private copy when other files hold it too. Returns its id. */
function writableChunk(state: State, inode: Inode, index: number, raiseVersion: boolean): ChunkId {
  const { nodes, chunks } = state
  const row = nodes.chunkRow(inode, index)
  if (row === 0 || chunks.references.get(row) > 1) return makeChunk(state, inode, index)
  if (raiseVersion) chunks.version.add(row, 1)
  return chunks.id(row)
}

function lock(state: State, id: ChunkId, ts: Seconds): void {
  state.chunks.lockedTo.set(state.chunks.find(id), ts + CHUNK_LOCK_SECONDS)
}

export const fileOperations: Operations<
  'LENGTH' | 'TRUNC' | 'WRITE' | 'UNLOCK' | 'ROLLBACK' | 'APPEND' | 'SETFILECHUNK' | 'REPAIR'
> = {
  LENGTH(state, { inode, length, touch, ts }) {
    needFile(state, inode)
    changeCounted(state, inode, () => {
      cutChunks(state, inode, Math.ceil(length / MFSCHUNKSIZE))
      state.nodes.length.set(inode, length)
    })
    dropSnapshot(state, inode)
    if (touch) touchContents(state, inode, ts)
  },

  TRUNC(state, { inode, index, chunkId, ts }) {
    needFile(state, inode)
    if (index >= state.nodes.chunkSlots(inode)) fail(Status.EINVAL, `file ${inode} has no chunk ${index}`)
    if (state.nodes.chunkRow(inode, index) === 0) fail(Status.NOCHUNK, `chunk ${index} of file ${inode} is a hole`)
    expectResult('the chunk', chunkId, writableChunk(state, inode, index, true))
    state.chunks.setTailUnknown(state.chunks.find(chunkId), false)
    lock(state, chunkId, ts)
  },

  WRITE(state, { inode, index, raiseVersion, touch, chunkId, ts }) {
    needFile(state, inode)
    if (index > MAX_CHUNK_INDEX) fail(Status.INDEXTOOBIG, `chunk index ${index}`)
    changeCounted(state, inode, () => {
      expectResult('the chunk', chunkId, writableChunk(state, inode, index, raiseVersion))
      const start = index * MFSCHUNKSIZE
      if (start > state.nodes.length.get(inode)) state.nodes.length.set(inode, start)
    })
    lock(state, chunkId, ts)
    dropSnapshot(state, inode)
    if (touch) touchContents(state, inode, ts)
  },

  UNLOCK(state, { chunkId }) {
    state.chunks.lockedTo.set(needChunk(state, chunkId), 0)
  },

  ROLLBACK(state, { inode, index, previousChunkId, chunkId }) {
    needFile(state, inode)
    const row = needChunk(state, chunkId)
    if (previousChunkId !== chunkId) {
      const previous = previousChunkId === 0 ? 0 : needChunk(state, previousChunkId)
      changeCounted(state, inode, () => replaceChunk(state, inode, index, previous))
    }
    state.chunks.lockedTo.set(row, 0)
  },

  APPEND(state, { inode, source, from, to, ts }) {
    needFile(state, inode)
    needFile(state, source)
    const { nodes } = state
    const sourceLength = nodes.length.get(source)
    if (sourceLength === 0) return
    const sourceChunks = Math.ceil(sourceLength / MFSCHUNKSIZE)
    const [first, last] = from === WHOLE_FILE ? [0, sourceChunks - 1] : [from, to]
    if (first > last || last >= sourceChunks) fail(Status.EINVAL, `slice ${first}..${last} of ${sourceChunks} chunks`)
    changeCounted(state, inode, () => {
      const start = Math.ceil(nodes.length.get(inode) / MFSCHUNKSIZE)
      cutChunks(state, inode, start)
      const append = (row: number, index: number) => replaceChunk(state, inode, start + index - first, row)
      nodes.eachChunk(source, append, first, last + 1)
      const reachesEnd = last === sourceChunks - 1
      const appended = reachesEnd ? sourceLength - first * MFSCHUNKSIZE : (last - first + 1) * MFSCHUNKSIZE
      nodes.length.set(inode, start * MFSCHUNKSIZE + appended)
    })
    nodes.mtime.set(inode, ts)
    nodes.atime.set(inode, ts)
    nodes.atime.set(source, ts)
  },

  SETFILECHUNK(state, { inode, index, chunkId }) {
    needFile(state, inode)
    // Holes at the end of the table are not stored: after a restart the slot may lie beyond it.
    if (chunkId !== 0 && index >= state.nodes.chunkSlots(inode)) {
      fail(Status.MISMATCH, `file ${inode} has no chunk ${index}`)
    }
    const row = chunkId === 0 ? 0 : needChunk(state, chunkId)
    changeCounted(state, inode, () => replaceChunk(state, inode, index, row))
  },

  REPAIR(state, { inode, index, version, ts }) {
    needFile(state, inode)
    const row = state.nodes.chunkRow(inode, index)
    if (row === 0) fail(Status.NOCHUNK, `chunk ${index} of file ${inode} is a hole`)
    if (version === 0) changeCounted(state, inode, () => replaceChunk(state, inode, index, 0))
    else state.chunks.version.set(row, version)
    touchContents(state, inode, ts)
  },
}
