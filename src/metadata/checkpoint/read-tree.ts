// Sections NODE, EDGE and FREE (spec metadata 2.5 to 2.7).
import { insertEdge } from '../namespace/tree.ts'
import type { State } from '../state.ts'
import {
  Eattr,
  FIRST_EDGE_ID,
  type Inode,
  isFileType,
  NodeType,
  ROOT,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TRASH_PATH_MAX,
} from '../types.ts'
import type { CheckpointInput } from './input.ts'
import type { ReadContext } from './read.ts'

/** Types as letters, as NODE had them up to 0x12. */
const LETTERS = ' fdlqbcstr'
const SYMLINK_MAX = 4096
const CHUNK_INDEX_MAX = 0x7fffffff

export async function readNodes(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  await input.fill(8)
  const maxInode = input.u32()
  if (mver >= 0x11) input.skip(4)
  for (;;) {
    if (input.left < 48) await input.tryFill(48)
    if (input.left < 1) await input.fill(1)
    const letter = input.u8()
    if (letter === 0) break
    const type = (mver <= 0x12 ? LETTERS.indexOf(String.fromCharCode(letter)) : letter) as NodeType
    if (type < 1 || type > 9) input.fail(`unknown node type ${letter}`)
    if (input.left < 47) await input.fill(mver >= 0x14 ? 31 : 32)
    await readNode(input, state, mver, type)
  }
  state.nodes.maxInode = maxInode
}

async function readNode(input: CheckpointInput, state: State, mver: number, type: NodeType): Promise<void> {
  const { nodes } = state
  const inode = input.u32()
  if (inode === 0) input.fail('inode 0')
  if (nodes.exists(inode)) input.fail(`inode ${inode} appears twice`)
  nodes.add(inode, type)
  const sclassId = input.u8()
  nodes.sclassId.set(inode, isFileType(type) || type === NodeType.DIRECTORY ? sclassId : 0)
  let eattr = mver >= 0x12 ? input.u8() : 0
  if (mver >= 0x14) nodes.winattr.set(inode, input.u8())
  const mode = input.u16()
  if (mver <= 0x11) eattr = mode >> 12
  nodes.eattr.set(inode, type === NodeType.DIRECTORY ? eattr : eattr & ~Eattr.NOENTRYCACHE)
  nodes.mode.set(inode, mode & 0o7777)
  nodes.uid.set(inode, input.u32())
  nodes.gid.set(inode, input.u32())
  nodes.atime.set(inode, input.u32())
  nodes.mtime.set(inode, input.u32())
  nodes.ctime.set(inode, input.u32())
  nodes.trashHours.set(inode, mver >= 0x14 ? input.u16() : Math.min(0xffff, Math.ceil(input.u32() / 3600)))
  if (type === NodeType.BLOCKDEV || type === NodeType.CHARDEV) {
    if (input.left < 4) await input.fill(4)
    nodes.setRdev(inode, input.u32())
  } else if (type === NodeType.SYMLINK) await readTarget(input, state, inode)
  else if (type === NodeType.DIRECTORY) nodes.setDirectoryRow(inode, state.lists.add(inode))
  else if (isFileType(type)) await readFile(input, state, mver, inode, sclassId)
}

async function readTarget(input: CheckpointInput, state: State, inode: Inode): Promise<void> {
  if (input.left < 4) await input.fill(4)
  const bytes = input.u32()
  if (bytes === 0 || bytes > SYMLINK_MAX) input.fail(`target of symbolic link ${inode} has ${bytes} bytes`)
  if (input.left < bytes) await input.fill(bytes)
  state.nodes.setTarget(inode, input.text(bytes))
}

async function readFile(
  input: CheckpointInput,
  state: State,
  mver: number,
  inode: Inode,
  sclassId: number,
): Promise<void> {
  const { nodes, chunks } = state
  const counts = mver >= 0x14 ? 12 : 14
  if (input.left < counts) await input.fill(counts)
  nodes.length.set(inode, input.u64n())
  const slots = input.u32()
  if (slots > CHUNK_INDEX_MAX) input.fail(`file ${inode} has ${slots} chunks`)
  const openBy = mver >= 0x14 ? 0 : input.u16()
  for (let index = 0; index < slots; index++) {
    if (input.left < 8) await input.fill(8)
    const id = input.u64n()
    if (id === 0) continue
    const row = chunks.find(id) || chunks.add(id, 0)
    nodes.setChunkRow(inode, index, row)
    chunks.addReference(row, sclassId)
  }
  if (slots > nodes.chunkSlots(inode)) input.fail(`file ${inode}: the chunk table ends with holes`)
  for (let i = 0; i < openBy; i++) {
    if (input.left < 4) await input.fill(4)
    state.openFiles.acquire(input.u32(), inode)
  }
}

export async function readEdges(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  if (mver >= 0x11) {
    await input.fill(8)
    state.nextEdgeAge = ageOf(input, input.u64())
  }
  const headBytes = mver >= 0x11 ? 18 : 10
  for (;;) {
    if (input.left < headBytes) await input.fill(headBytes)
    if (input.isZero(headBytes)) {
      input.skip(headBytes)
      return
    }
    const parent = input.u32()
    const child = input.u32()
    const age = mver >= 0x11 ? ageOf(input, input.u64()) : state.nextEdgeAge++
    const bytes = input.u16()
    if (input.left < bytes) await input.fill(bytes)
    placeEdge(input, state, parent, child, age, input.text(bytes))
  }
}

function placeEdge(input: CheckpointInput, state: State, parent: Inode, child: Inode, age: number, name: string): void {
  const { nodes, edges, lists } = state
  const type = nodes.type(child)
  const unlinked = type === NodeType.TRASH || type === NodeType.SUSTAINED
  if (type === 0) input.fail(`name "${name}" leads to inode ${child}, which does not exist`)
  if (child === ROOT) input.fail(`name "${name}" leads to the root directory`)
  if (parent === 0 ? !unlinked : unlinked) input.fail(`inode ${child} of type ${type} in list of inode ${parent}`)
  if (parent === 0) {
    const buckets = type === NodeType.TRASH ? state.trashLists : state.sustainedLists
    const list = buckets[child % (type === NodeType.TRASH ? TRASH_BUCKETS : SUSTAINED_BUCKETS)] as number
    insertEdge(state, list, child, name.slice(-TRASH_PATH_MAX), age, 'tail')
    return
  }
  if (!nodes.isDirectory(parent)) input.fail(`name "${name}" lies in inode ${parent}, which is no directory`)
  if (name.length === 0 || name.length > 255) input.fail(`name of ${name.length} bytes in inode ${parent}`)
  const list = nodes.directoryRow(parent)
  if (edges.find(list, name) !== 0) input.fail(`name "${name}" is twice in inode ${parent}`)
  if (type === NodeType.DIRECTORY && nodes.firstLink.get(child) !== 0) input.fail(`directory ${child} has two names`)
  const last = lists.tail.get(list)
  if (last !== 0 && edges.age.get(last) <= age) input.fail(`edges of inode ${parent} are out of order`)
  insertEdge(state, list, child, name, age, 'tail')
}

/** Edge ids count down from FIRST_EDGE_ID; we keep the distance. */
function ageOf(input: CheckpointInput, id: bigint): number {
  const age = FIRST_EDGE_ID - id
  if (age < 0n || age > BigInt(Number.MAX_SAFE_INTEGER)) input.fail(`edge id ${id}`)
  return Number(age)
}

export async function readFreeInodes(input: CheckpointInput, { state }: ReadContext): Promise<void> {
  await input.fill(4)
  const count = input.u32()
  for (let i = 0; i < count; i++) {
    if (input.left < 8) await input.fill(8)
    const inode = input.u32()
    if (state.nodes.exists(inode)) input.fail(`inode ${inode} is in use and released`)
    state.nodes.reserve(inode)
    state.freeInodes.push(inode, input.u32())
  }
}
