// The records of the large sections one by one, as they stand in the file: for programs that look at a checkpoint
// without building the state (spec metadata 2.5, 2.6, 2.15).
import { isFileType, NodeType } from '../types.ts'
import type { CheckpointInput } from './input.ts'

/** Takes a record; a promise makes the reader wait. The record is used again for the next one. */
type Visit<T> = (record: T) => Promise<void> | undefined

/** Types as letters, as NODE had them up to 0x12. */
export const NODE_LETTERS = ' fdlqbcstr'
export const SYMLINK_MAX = 4096
const CHUNK_INDEX_MAX = 0x7fffffff

export interface NodeRecord {
  type: NodeType
  inode: number
  sclassId: number
  eattr: number
  winattr: number
  mode: number
  uid: number
  gid: number
  atime: number
  mtime: number
  ctime: number
  /** Hours from 0x14 on, seconds before. */
  trash: number
  /** Of devices. */
  rdev: number
  /** Of symbolic links, latin1. */
  target: string
  /** Of files. */
  length: bigint
  /** Of files; 0 is a hole. */
  chunkIds: bigint[]
  /** Of files up to 0x13: sessions that have it open. */
  openBy: number[]
}

const emptyNode = (): NodeRecord => ({
  ...{ type: NodeType.FILE, inode: 0, sclassId: 0, eattr: 0, winattr: 0, mode: 0, uid: 0, gid: 0 },
  ...{ atime: 0, mtime: 0, ctime: 0, trash: 0, rdev: 0, target: '', length: 0n, chunkIds: [], openBy: [] },
})

/** Reads the head of NODE: highest inode, and how many records follow where that is stored. */
export async function readNodesHead(
  input: CheckpointInput,
  mver: number,
): Promise<{ maxInode: number; count: number | undefined }> {
  await input.fill(mver >= 0x11 ? 8 : 4)
  return { maxInode: input.u32(), count: mver >= 0x11 ? input.u32() : undefined }
}

/** Visits the records of NODE up to its end mark. */
export async function visitNodes(input: CheckpointInput, mver: number, visit: Visit<NodeRecord>): Promise<void> {
  const node = emptyNode()
  const commonBytes = mver === 0x12 || mver === 0x13 ? 32 : 31
  for (;;) {
    if (input.left < 1) await input.fill(1)
    const letter = input.u8()
    if (letter === 0) return
    const type = mver <= 0x12 ? NODE_LETTERS.indexOf(String.fromCharCode(letter)) : letter
    if (type < 1 || type > 9) input.fail(`unknown node type ${letter}`)
    node.type = type as NodeType
    if (input.left < commonBytes) await input.fill(commonBytes)
    readCommon(input, mver, node)
    if (isFileType(type)) await readFile(input, mver, node)
    else if (type === NodeType.SYMLINK) await readTarget(input, node)
    else if (type === NodeType.BLOCKDEV || type === NodeType.CHARDEV) {
      if (input.left < 4) await input.fill(4)
      node.rdev = input.u32()
    }
    const wait = visit(node)
    if (wait) await wait
  }
}

function readCommon(input: CheckpointInput, mver: number, node: NodeRecord): void {
  node.inode = input.u32()
  node.sclassId = input.u8()
  node.eattr = mver >= 0x12 ? input.u8() : 0
  node.winattr = mver >= 0x14 ? input.u8() : 0
  const mode = input.u16()
  if (mver <= 0x11) node.eattr = mode >> 12
  node.mode = mver <= 0x11 ? mode & 0o7777 : mode
  node.uid = input.u32()
  node.gid = input.u32()
  node.atime = input.u32()
  node.mtime = input.u32()
  node.ctime = input.u32()
  node.trash = mver >= 0x14 ? input.u16() : input.u32()
}

async function readTarget(input: CheckpointInput, node: NodeRecord): Promise<void> {
  if (input.left < 4) await input.fill(4)
  const bytes = input.u32()
  if (bytes > SYMLINK_MAX) input.fail(`target of symbolic link ${node.inode} has ${bytes} bytes`)
  if (input.left < bytes) await input.fill(bytes)
  node.target = input.text(bytes)
}

async function readFile(input: CheckpointInput, mver: number, node: NodeRecord): Promise<void> {
  const bytes = mver >= 0x14 ? 12 : 14
  if (input.left < bytes) await input.fill(bytes)
  node.length = input.u64()
  const slots = input.u32()
  if (slots > CHUNK_INDEX_MAX) input.fail(`file ${node.inode} has ${slots} chunks`)
  const sessions = mver >= 0x14 ? 0 : input.u16()
  node.chunkIds.length = 0
  for (let index = 0; index < slots; index++) {
    if (input.left < 8) await input.fill(8)
    node.chunkIds.push(input.u64())
  }
  node.openBy.length = 0
  for (let i = 0; i < sessions; i++) {
    if (input.left < 4) await input.fill(4)
    node.openBy.push(input.u32())
  }
}

export interface EdgeRecord {
  /** 0: trash or sustained files. */
  parent: number
  child: number
  /** 0 in 0x10. */
  id: bigint
  /** latin1 */
  name: string
}

/** Visits the records of EDGE; its head (nextedgeid, from 0x11 on) has been read. */
export async function visitEdges(input: CheckpointInput, mver: number, visit: Visit<EdgeRecord>): Promise<void> {
  const edge: EdgeRecord = { parent: 0, child: 0, id: 0n, name: '' }
  const headBytes = mver >= 0x11 ? 18 : 10
  for (;;) {
    if (input.left < headBytes) await input.fill(headBytes)
    if (input.takeZeros(headBytes)) return
    edge.parent = input.u32()
    edge.child = input.u32()
    edge.id = mver >= 0x11 ? input.u64() : 0n
    const nameBytes = input.u16()
    if (input.left < nameBytes) await input.fill(nameBytes)
    edge.name = input.text(nameBytes)
    const wait = visit(edge)
    if (wait) await wait
  }
}

export interface ChunkRecord {
  id: bigint
  version: number
  lockedTo: number
  archived: boolean
}

/** Visits the records of CHNK; its head (nextchunkid) has been read. */
export async function visitChunks(input: CheckpointInput, mver: number, visit: Visit<ChunkRecord>): Promise<void> {
  const chunk: ChunkRecord = { id: 0n, version: 0, lockedTo: 0, archived: false }
  const bytes = mver >= 0x11 ? 17 : 16
  for (;;) {
    if (input.left < bytes) await input.fill(bytes)
    if (input.takeZeros(bytes)) return
    chunk.id = input.u64()
    chunk.version = input.u32()
    chunk.lockedTo = input.u32()
    chunk.archived = mver >= 0x11 && input.u8() !== 0
    const wait = visit(chunk)
    if (wait) await wait
  }
}
