// Sections NODE, EDGE and FREE (spec metadata 2.5 to 2.7).
import { UNNUMBERED } from '../namespace/edges.ts'
import { loadEdge, renumberEdges } from '../namespace/tree.ts'
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
  context.state.nodes.maxInode = maxInode
}

async function readNodeRecords(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  for (;;) {
    if (input.left < 48) await input.tryFill(48)
    if (input.left < 1) await input.fill(1)
    const letter = input.u8()
    if (letter === 0) return
    const type = (mver <= 0x12 ? NODE_LETTERS.indexOf(String.fromCharCode(letter)) : letter) as NodeType
    if (type < 1 || type > 9) input.fail(`unknown node type ${letter}`)
    if (input.left < 47) await input.fill(mver >= 0x14 ? 31 : 32)
    const { inode, sclassId } = readNodeHead(input, state, mver, type)
    // What follows is read here and not in functions of its own: most nodes are files, and waiting for nothing takes time.
    if (isFileType(type)) {
      const counts = mver >= 0x14 ? 12 : 14
      if (input.left < counts) await input.fill(counts)
      state.nodes.length.set(inode, input.u64n())
      const slots = input.u32()
      if (slots > CHUNK_INDEX_MAX) input.fail(`file ${inode} has ${slots} chunks`)
      const openBy = mver >= 0x14 ? 0 : input.u16()
      for (let index = 0; index < slots; ) {
        if (input.left < 8) await input.fill(8)
        index = readSlots(input, state, inode, sclassId, index, slots)
      }
      if (slots > state.nodes.chunkSlots(inode)) input.fail(`file ${inode}: the chunk table ends with holes`)
      for (let i = 0; i < openBy; i++) {
        if (input.left < 4) await input.fill(4)
        state.openFiles.acquire(input.u32(), inode)
      }
    } else if (type === NodeType.DIRECTORY) state.nodes.setDirectoryRow(inode, state.lists.add(inode))
    else if (type === NodeType.SYMLINK) await readTarget(input, state, inode)
    else if (isDevice(type)) {
      if (input.left < 4) await input.fill(4)
      state.nodes.setRdev(inode, input.u32())
    }
  }
}

/** The part that all types have. It must be filled. */
function readNodeHead(
  input: CheckpointInput,
  { nodes }: State,
  mver: number,
  type: NodeType,
): { inode: Inode; sclassId: number } {
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
  nodes.atime.setExactly(inode, input.u32(), 0)
  nodes.mtime.setExactly(inode, input.u32(), 0)
  nodes.ctime.setExactly(inode, input.u32(), 0)
  nodes.trashHours.set(inode, mver >= 0x14 ? input.u16() : Math.min(0xffff, Math.ceil(input.u32() / 3600)))
  return { inode, sclassId }
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
    const row = chunks.find(id) || chunks.add(id, 0)
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
  const headBytes = mver >= 0x11 ? 18 : 10
  for (;;) {
    if (input.left < headBytes) await input.fill(headBytes)
    if (input.takeZeros(headBytes)) break
    const parent = input.u32()
    const child = input.u32()
    const age = (mver >= 0x11 ? readAge(input) : undefined) ?? UNNUMBERED
    const bytes = input.u16()
    if (input.left < bytes) await input.fill(bytes)
    if (!placeEdge(input, state, parent, child, age, input.text(bytes))) numbered = false
  }
  if (!numbered) renumberEdges(state)
}

/** @returns whether the edge's number fits the order of its list */
function placeEdge(
  input: CheckpointInput,
  state: State,
  parent: Inode,
  child: Inode,
  age: number,
  name: string,
): boolean {
  const { nodes, edges, lists } = state
  const type = nodes.type(child)
  const unlinked = type === NodeType.TRASH || type === NodeType.SUSTAINED
  if (type === 0) input.fail(`name "${name}" leads to inode ${child}, which does not exist`)
  if (child === ROOT) input.fail(`name "${name}" leads to the root directory`)
  if (parent === 0 ? !unlinked : unlinked) input.fail(`inode ${child} of type ${type} in list of inode ${parent}`)
  if (parent === 0) {
    const buckets = type === NodeType.TRASH ? state.trashLists : state.sustainedLists
    const list = buckets[child % (type === NodeType.TRASH ? TRASH_BUCKETS : SUSTAINED_BUCKETS)] as number
    loadEdge(state, list, child, name.slice(-TRASH_PATH_MAX), age)
    return true
  }
  if (!nodes.isDirectory(parent)) input.fail(`name "${name}" lies in inode ${parent}, which is no directory`)
  if (name.length === 0 || name.length > 255) input.fail(`name of ${name.length} bytes in inode ${parent}`)
  const list = nodes.directoryRow(parent)
  if (edges.find(list, name) !== 0) input.fail(`name "${name}" is twice in inode ${parent}`)
  if (type === NodeType.DIRECTORY && nodes.firstLink.get(child) !== 0) input.fail(`directory ${child} has two names`)
  const last = lists.tail.get(list)
  const inOrder = age !== UNNUMBERED && (last === 0 || edges.age(last) >= age)
  loadEdge(state, list, child, name, age)
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
