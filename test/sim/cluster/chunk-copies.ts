// What lies on the disks of the chunkservers, and whether it is what the master counts on.
import { decodeHeader, layoutOf, parseChunkFileName, TABLE_BYTES } from '../../../src/chunkserver/disks/chunk-file.ts'
import { MARKS_NAME, marksIn } from '../../../src/chunkserver/disks/write-marks.ts'
import type { State } from '../../../src/metadata/state.ts'
import { NodeType } from '../../../src/metadata/types.ts'
import { MFSBLOCKSIZE } from '../../../src/protocol/constants.ts'
import { crc32 } from '../../../src/util/crc32.ts'
import type { ServerNode, SimCluster } from './cluster.ts'

export interface CopyFile {
  node: ServerNode
  path: string
  chunkId: number
  version: number
}

export function copyFilesOf(node: ServerNode): CopyFile[] {
  return node.host.disk.files(node.folder).flatMap(path => {
    const chunk = parseChunkFileName(path.slice(path.lastIndexOf('/') + 1))
    return chunk ? [{ node, path, ...chunk }] : []
  })
}

export function copyFiles({ servers }: SimCluster): CopyFile[] {
  return servers.flatMap(copyFilesOf)
}

/** How the server has noted that the chunk was changed; undefined: it has not. */
export function markOf({ node, chunkId }: CopyFile): 'written' | 'new' | 'deleted' | undefined {
  const path = `${node.folder}/${MARKS_NAME}`
  const { disk } = node.host
  const marks = disk.files(node.folder).includes(path) ? marksIn(disk.peek(path)) : []
  return marks.find(mark => mark.chunkId === chunkId)?.kind
}

/** The system writes nothing back that is as young as what the server has not even noted. */
export function forgetYoung(node: ServerNode): void {
  const { disk } = node.host
  const isListThere = disk.isSynced(`${node.folder}/${MARKS_NAME}`)
  for (const copy of copyFilesOf(node)) {
    if (!disk.isSynced(copy.path) && !(isListThere && markOf(copy))) disk.revert(copy.path)
  }
}

/** Whether a chunk's file has its header, and every block its CRC. */
export function isSound({ node, path, chunkId }: CopyFile): boolean {
  const bytes = node.host.disk.peek(path)
  const layout = layoutOf(bytes.length)
  if (!layout || decodeHeader(bytes)?.chunkId !== chunkId) return false
  for (let block = 0; block < layout.blockCount; block++) {
    const start = layout.headerBytes + TABLE_BYTES + block * MFSBLOCKSIZE
    const crc = bytes.readUInt32BE(layout.headerBytes + block * 4)
    if (crc32(bytes.subarray(start, start + MFSBLOCKSIZE)) !== crc) return false
  }
  return true
}

/** The block data of a chunk's file. */
export function copyContents({ node, path }: CopyFile): Buffer {
  const bytes = node.host.disk.peek(path)
  return bytes.subarray((layoutOf(bytes.length)?.headerBytes ?? 0) + TABLE_BYTES)
}

/**
 * Chunks of which nothing good is left, and that is nobody's loss: they were never synced before everybody lost power, and
 * only files in the trash have them. Those of other files are found and let go of by who uses them.
 */
export function chunksGivenUp(cluster: SimCluster, { chunks, nodes }: State): ReadonlySet<number> {
  if (!cluster.hasLostUnsynced) return new Set()
  const rows = new Set(chunks.rows())
  for (const inode of nodes.inodes()) {
    if (nodes.type(inode) === NodeType.FILE) nodes.eachChunk(inode, row => rows.delete(row))
  }
  for (const copy of copyFiles(cluster)) {
    const row = chunks.find(copy.chunkId)
    if (rows.has(row) && isSound(copy)) rows.delete(row)
  }
  return rows
}

/** Why the copies are not what they must be in the end; empty when they are. */
export function copyProblems(cluster: SimCluster, state: State, goal: number): string[] {
  const problems: string[] = []
  const { chunks } = state
  const files = copyFiles(cluster)
  const givenUp = chunksGivenUp(cluster, state)
  const good = new Map<number, number>()
  for (const { chunkId, version } of files) {
    const row = chunks.find(chunkId)
    if (row !== 0 && chunks.version.get(row) === version) good.set(row, (good.get(row) ?? 0) + 1)
  }
  for (const { chunkId, version, path, node } of files) {
    const row = chunks.find(chunkId)
    // Of a chunk that no file is known for nothing goes for a week, whatever its version.
    const mayBeOld = chunks.references.get(row) === 0 && chunks.lockedTo.get(row) !== 0
    const where = `${node.host.address}:${path}`
    if (row === 0) problems.push(`${where} belongs to no chunk`)
    else if (chunks.version.get(row) !== version && !mayBeOld) {
      problems.push(`${where}: not version ${chunks.version.get(row)}`)
    }
  }
  for (const row of chunks.rows()) {
    const copies = good.get(row) ?? 0
    // A chunk without a file is kept for a week before its copies go.
    if (chunks.references.get(row) === 0 || givenUp.has(row)) continue
    if (copies !== goal) problems.push(`chunk ${chunks.id(row).toString(16)} has ${copies} good copies, not ${goal}`)
  }
  return problems
}

/** Whether all copies of each chunk hold the same. */
export function areAlike(cluster: SimCluster): boolean {
  const first = new Map<number, Buffer>()
  return copyFiles(cluster).every(copy => {
    const contents = copyContents(copy)
    const other = first.get(copy.chunkId)
    if (!other) first.set(copy.chunkId, contents)
    return !other || other.equals(contents)
  })
}
