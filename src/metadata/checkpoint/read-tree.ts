// Sections NODE, EDGE and FREE (spec metadata 2.5 to 2.7).
import { UNNUMBERED } from '../namespace/edges.ts'
import type { LoadedNode } from '../namespace/nodes.ts'
import { appendEdge, renumberEdges } from '../namespace/tree.ts'
import type { State } from '../state.ts'
import {
  Eattr,
  FIRST_EDGE_ID,
  type Inode,
  isDevice,
  isFileType,
  NodeType,
  ROOT,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TRASH_PATH_MAX,
} from '../types.ts'
import type { CheckpointInput } from './input.ts'
import type { ReadContext } from './read.ts'
import { NODE_LETTERS, SYMLINK_MAX } from './records.ts'

const CHUNK_INDEX_MAX = 0x7fffffff
const FIRST_HIGH = Number(FIRST_EDGE_ID >> 32n)
const FIRST_LOW = Number(FIRST_EDGE_ID & 0xffffffffn)

export async function readNodes(input: CheckpointInput, context: ReadContext): Promise<void> {
  // Before 2.0 the highest inode was in the header of the file.
  let maxInode = context.header.old?.maxInode
  if (maxInode === undefined) {
    await input.fill(8)
    maxInode = input.u32()
    if (context.mver >= 0x11) input.skip(4)
  }
  await readNodeRecords(input, context)
  context.state.chunks.settle()
  context.state.nodes.maxInode = maxInode
}

async function readNodeRecords(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  const node = { ...NO_NODE }
  for (;;) {
    if (input.left < 48) await input.tryFill(48)
    if (input.left < 1) await input.fill(1)
    const letter = input.u8()
    if (letter === 0) return
    const type = (mver <= 0x12 ? NODE_LETTERS.indexOf(String.fromCharCode(letter)) : letter) as NodeType
    if (type < 1 || type > 9) input.fail(`unknown node type ${letter}`)
    if (input.left < 47) await input.fill(mver >= 0x14 ? 31 : 32)
    const isFile = isFileType(type)
    const inode = readNodeHead(input, state, mver, type, node)
    // What follows is read here and not in functions of its own: most nodes are files, and waiting for nothing takes time.
    if (isFile) {
      const counts = mver >= 0x14 ? 12 : 14
      if (input.left < counts) await input.fill(counts)
      node.length = input.u64n()
      state.nodes.load(node)
      const slots = input.u32()
      if (slots > CHUNK_INDEX_MAX) input.fail(`file ${inode} has ${slots} chunks`)
      const openBy = mver >= 0x14 ? 0 : input.u16()
      for (let index = 0; index < slots; ) {
        if (input.left < 8) await input.fill(8)
        index = readSlots(input, state, inode, node.sclassId, index, slots)
      }
      if (slots > state.nodes.chunkSlots(inode)) input.fail(`file ${inode}: the chunk table ends with holes`)
      for (let i = 0; i < openBy; i++) {
        if (input.left < 4) await input.fill(4)
        state.openFiles.acquire(input.u32(), inode)
      }
      continue
    }
    state.nodes.load(node)
    if (type === NodeType.DIRECTORY) state.nodes.setDirectoryRow(inode, state.lists.add(inode))
    else if (type === NodeType.SYMLINK) await readTarget(input, state, inode)
    else if (isDevice(type)) {
      if (input.left < 4) await input.fill(4)
      state.nodes.setRdev(inode, input.u32())
    }
  }
}

const NO_NODE: LoadedNode = {
  ...{ inode: 0, type: NodeType.FILE, sclassId: 0, eattr: 0, winattr: 0, mode: 0, trashHours: 0 },
  ...{ uid: 0, gid: 0, atime: 0, mtime: 0, ctime: 0, length: 0 },
}

/** The part that all types have, into `node`. It must be filled. */
function readNodeHead(input: CheckpointInput, { nodes }: State, mver: number, type: NodeType, node: LoadedNode): Inode {
  const inode = input.u32()
  if (inode === 0) input.fail('inode 0')
  if (nodes.exists(inode)) input.fail(`inode ${inode} appears twice`)
  node.inode = inode
  node.type = type
  const sclassId = input.u8()
  node.sclassId = isFileType(type) || type === NodeType.DIRECTORY ? sclassId : 0
  let eattr = mver >= 0x12 ? input.u8() : 0
  node.winattr = mver >= 0x14 ? input.u8() : 0
  const mode = input.u16()
  if (mver <= 0x11) eattr = mode >> 12
  node.eattr = type === NodeType.DIRECTORY ? eattr : eattr & ~Eattr.NOENTRYCACHE
  node.mode = mode & 0o7777
  node.uid = input.u32()
  node.gid = input.u32()
  node.atime = input.u32()
  node.mtime = input.u32()
  node.ctime = input.u32()
  node.trashHours = mver >= 0x14 ? input.u16() : Math.min(0xffff, Math.ceil(input.u32() / 3600))
  node.length = 0
  return inode
}

async function readTarget(input: CheckpointInput, state: State, inode: Inode): Promise<void> {
  if (input.left < 4) await input.fill(4)
  const bytes = input.u32()
  if (bytes === 0 || bytes > SYMLINK_MAX) input.fail(`target of symbolic link ${inode} has ${bytes} bytes`)
  if (input.left < bytes) await input.fill(bytes)
  state.nodes.setTarget(inode, input.text(bytes))
}

/** Chunk ids of a file from slot `from` on, as far as they are filled; returns the slot after the last one read. */
function readSlots(
  input: CheckpointInput,
  { nodes, chunks }: State,
  inode: Inode,
  sclassId: number,
  from: number,
  slots: number,
): number {
  let index = from
  for (; index < slots && input.left >= 8; index++) {
    const id = input.u64n()
    if (id === 0) continue
    const row = chunks.load(id)
    nodes.setChunkRow(inode, index, row)
    chunks.addReference(row, sclassId)
  }
  return index
}

export async function readEdges(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  let numbered = mver >= 0x11
  if (numbered) {
    await input.fill(8)
    const next = readAge(input)
    if (next === undefined) numbered = false
    else state.nextEdgeAge = next
  }
  if (!(await readEdgeRecords(input, state, mver))) numbered = false
  if (!numbered) renumberEdges(state)
}

/** @returns whether all edges had numbers, and in the order of their lists */
async function readEdgeRecords(input: CheckpointInput, state: State, mver: number): Promise<boolean> {
  const start = input.offset
  const headBytes = mver >= 0x11 ? 18 : 10
  let numbered = true
  try {
    for (;;) {
      if (input.left < headBytes) await input.fill(headBytes)
      if (input.takeZeros(headBytes)) break
      const parent = input.u32()
      const child = input.u32()
      const age = (mver >= 0x11 ? readAge(input) : undefined) ?? UNNUMBERED
      const bytes = input.u16()
      if (input.left < bytes) await input.fill(bytes)
      input.skip(bytes)
      if (!placeEdge(input, state, parent, child, age, bytes)) numbered = false
    }
  } finally {
    // Whatever else is wrong stands behind it in the file.
    refuseTwice(input, state, start, headBytes)
  }
  return numbered
}

/** Whether a name was there twice shows only when all are loaded. The first such is named with its place. */
function refuseTwice(input: CheckpointInput, { edges, lists }: State, start: number, headBytes: number): void {
  const edge = edges.settleNames()
  if (edge === 0) return
  let offset = start
  // The rows are in the order of the file.
  for (let row = 1; row <= edge; row++) offset += headBytes + edges.nameBytes(row)
  input.fail(`name "${edges.name(edge)}" is twice in inode ${lists.owner.get(edges.list.get(edge))}`, offset)
}

/**
 * @param bytes length of the name, which has just been passed
 * @returns whether the edge's number fits the order of its list
 */
function placeEdge(
  input: CheckpointInput,
  state: State,
  parent: Inode,
  child: Inode,
  age: number,
  bytes: number,
): boolean {
  const { nodes, edges, lists } = state
  const { buffer, position } = input
  const name = () => buffer.toString('latin1', position - bytes, position)
  const type = nodes.type(child)
  const unlinked = type === NodeType.TRASH || type === NodeType.SUSTAINED
  if (type === 0) input.fail(`name "${name()}" leads to inode ${child}, which does not exist`)
  if (child === ROOT) input.fail(`name "${name()}" leads to the root directory`)
  if (parent === 0 ? !unlinked : unlinked) input.fail(`inode ${child} of type ${type} in list of inode ${parent}`)
  if (parent === 0) {
    const buckets = type === NodeType.TRASH ? state.trashLists : state.sustainedLists
    const list = buckets[child % (type === NodeType.TRASH ? TRASH_BUCKETS : SUSTAINED_BUCKETS)] as number
    const kept = Math.min(bytes, TRASH_PATH_MAX)
    appendEdge(state, list, child, edges.load(list, 0, child, age, buffer, position - kept, kept))
    return true
  }
  if (!nodes.isDirectory(parent)) input.fail(`name "${name()}" lies in inode ${parent}, which is no directory`)
  if (bytes === 0 || bytes > 255) input.fail(`name of ${bytes} bytes in inode ${parent}`)
  const list = nodes.directoryRow(parent)
  const edge = edges.load(list, parent, child, age, buffer, position - bytes, bytes)
  if (type === NodeType.DIRECTORY && nodes.firstLink.get(child) !== 0) input.fail(`directory ${child} has two names`)
  const last = lists.tail.get(list)
  const inOrder = age !== UNNUMBERED && (last === 0 || edges.age(last) >= age)
  appendEdge(state, list, child, edge)
  return inOrder
}

/** Edge ids count down from FIRST_EDGE_ID; we keep the distance. Undefined for an id that counting never comes to. */
function readAge(input: CheckpointInput): number | undefined {
  const age = (FIRST_HIGH - input.u32()) * 0x100000000 + (FIRST_LOW - input.u32())
  return age < 0 || age >= UNNUMBERED ? undefined : age
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
