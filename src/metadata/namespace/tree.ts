// The tree: edges between directories and nodes, and the statistics that follow every change. These are the primitive
// steps that the apply functions are made of.
import { MFSBLOCKSIZE, MFSCHUNKSIZE } from '../../protocol/constants.ts'
import { assert } from '../../util/assert.ts'
import type { State } from '../state.ts'
import {
  CHUNK_HEADER_BYTES,
  type Inode,
  isFileType,
  NodeType,
  ROOT,
  type Seconds,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TRASH_PATH_MAX,
} from '../types.ts'
import { addLength, noStats, type Stats, statsOfLength } from './lists.ts'

/** The child of a directory by its exact name, or 0. */
export function childOf(state: State, parent: Inode, name: string): Inode {
  const edge = findEdge(state, parent, name)
  return edge === 0 ? 0 : state.edges.child.get(edge)
}

/** The edge of that name in a directory, or 0. `parent` must be a directory. */
export function findEdge(state: State, parent: Inode, name: string): number {
  return state.edges.find(state.nodes.directoryRow(parent), name)
}

/** The directory that an edge lies in; 0 for the trash and the sustained files. */
export function parentOfEdge(state: State, edge: number): Inode {
  return state.lists.owner.get(state.edges.list.get(edge))
}

/** The directory that holds a directory; 0 for the root. */
export function parentOf(state: State, directory: Inode): Inode {
  const edge = state.nodes.firstLink.get(directory)
  return edge === 0 ? 0 : parentOfEdge(state, edge)
}

/** Whether `inode` is `ancestor` or lies below it, by any of its links. */
export function isBelow(state: State, inode: Inode, ancestor: Inode): boolean {
  if (inode === ancestor) return true
  for (let edge = state.nodes.firstLink.get(inode); edge !== 0; edge = state.edges.nextLink.get(edge)) {
    for (let directory = parentOfEdge(state, edge); directory !== 0; directory = parentOf(state, directory)) {
      if (directory === ancestor) return true
    }
  }
  return false
}

/** Names that the file system keeps: 1..255 bytes, not `.` or `..`, no slash, no NUL (spec master-behaviour 1.2). */
export function isValidName(name: string): boolean {
  return (
    name.length >= 1 &&
    name.length <= 255 &&
    name !== '.' &&
    name !== '..' &&
    !name.includes('/') &&
    !name.includes('\0')
  )
}

/** Path of a node from the root by its first link, without leading slash; of a trash file the path it had. */
export function pathOf(state: State, inode: Inode): string {
  const names: string[] = []
  for (let at = inode; at !== ROOT && at !== 0; ) {
    const edge = state.nodes.firstLink.get(at)
    if (edge === 0) break
    names.push(state.edges.name(edge))
    at = parentOfEdge(state, edge)
  }
  return names.reverse().join('/')
}

/** Every path of a node from the root; of one without links, what it was called and where it is kept. */
export function pathsOf(state: State, inode: Inode): string[] {
  if (inode === ROOT) return ['/']
  const paths: string[] = []
  for (let edge = state.nodes.firstLink.get(inode); edge !== 0; edge = state.edges.nextLink.get(edge)) {
    const name = state.edges.name(edge)
    const parent = parentOfEdge(state, edge)
    const above = parent === 0 ? '' : pathOf(state, parent)
    if (parent === 0) paths.push(`./${state.nodes.type(inode) === NodeType.TRASH ? 'TRASH' : 'SUSTAINED'} (${name})`)
    else paths.push(above === '' ? name : `${above}/${name}`)
  }
  return paths
}

/** Edges of a list from the newest on, which is the order of readdir. */
export function* edgesOf(state: State, list: number): Generator<number> {
  for (let edge = state.lists.head.get(list); edge !== 0; edge = state.edges.next.get(edge)) yield edge
}

/** Link count as stat shows it. */
export function linkCount(state: State, inode: Inode): number {
  const links = state.nodes.links.get(inode)
  return state.nodes.isDirectory(inode) ? 2 + links : links
}

/** What a node counts for in the statistics of its directories (spec master-behaviour 1.4). */
export function statsOf(state: State, inode: Inode): Stats {
  const { nodes, lists } = state
  const stats = noStats()
  stats.inodes = 1
  if (nodes.isDirectory(inode)) {
    const below = lists.stats(nodes.directoryRow(inode))
    return { ...below, inodes: below.inodes + 1, dirs: below.dirs + 1 }
  }
  if (nodes.isFile(inode)) {
    stats.files = 1
    const length = nodes.length.get(inode)
    addLength(stats, length)
    countChunks(state, inode, length, stats)
    stats.realsize = stats.size * nodes.ratio.get(inode)
  } else if (nodes.type(inode) === NodeType.SYMLINK) addLength(stats, nodes.targetBytes(inode))
  return stats
}

/** What a file would grow by if it were so long, with the chunks that it has. */
export function growthTo(state: State, inode: Inode, length: number): Stats {
  const [before, after] = [statsOf(state, inode), noStats()]
  countChunks(state, inode, length, after)
  const size = after.size - before.size
  return {
    ...statsOfLength(length - state.nodes.length.get(inode)),
    size,
    realsize: size * state.nodes.ratio.get(inode),
  }
}

function countChunks(state: State, inode: Inode, length: number, stats: Stats): void {
  const { nodes } = state
  const last = length === 0 ? 0 : Math.floor((length - 1) / MFSCHUNKSIZE)
  const lastBytes = length === 0 ? 0 : ((length - 1) % MFSCHUNKSIZE) + 1
  nodes.eachChunk(inode, (_, index) => {
    stats.chunks++
    if (index < last) stats.size += MFSCHUNKSIZE + CHUNK_HEADER_BYTES
    else if (index === last) stats.size += Math.ceil(lastBytes / MFSBLOCKSIZE) * MFSBLOCKSIZE + CHUNK_HEADER_BYTES
  })
}

/** Makes a change to a file that its statistics depend on, and carries the difference up all its paths. */
export function changeCounted(state: State, inode: Inode, change: () => void): void {
  const before = statsOf(state, inode)
  change()
  state.nodes.ratio.set(inode, state.storageClasses.copiesWanted(state.nodes.sclassId.get(inode)))
  const after = statsOf(state, inode)
  for (const key of Object.keys(after) as (keyof Stats)[]) after[key] -= before[key]
  if (Object.values(after).every(number => number === 0)) return
  for (let edge = state.nodes.firstLink.get(inode); edge !== 0; edge = state.edges.nextLink.get(edge)) {
    countUp(state, state.edges.list.get(edge), after, 1)
  }
}

function countUp(state: State, list: number, stats: Stats, sign: 1 | -1): void {
  const { lists, edges, nodes } = state
  for (let at = list; at !== 0; ) {
    lists.count(at, stats, sign)
    const owner = lists.owner.get(at)
    const edge = owner === 0 ? 0 : nodes.firstLink.get(owner)
    at = edge === 0 ? 0 : edges.list.get(edge)
  }
}

/** Adds an edge at the head of a directory's list with the next edge id. No times change. */
export function addEdge(state: State, parent: Inode, child: Inode, name: string): void {
  insertEdge(state, state.nodes.directoryRow(parent), child, name, state.nextEdgeAge++)
}

/** Adds an edge with a given age at the head of a list. */
export function insertEdge(state: State, list: number, child: Inode, name: string, age: number): void {
  const { edges, lists } = state
  const edge = edges.add(list, lists.owner.get(list), child, name, age)
  joinEdge(state, list, child, edge)
  const first = lists.head.get(list)
  if (first === 0) lists.tail.set(list, edge)
  else {
    edges.next.set(edge, first)
    edges.previous.set(first, edge)
  }
  lists.head.set(list, edge)
  countUp(state, list, statsOf(state, child), 1)
}

/** Puts an edge of a checkpoint at the end of its list. Statistics come later, all at once: see countAll(). */
export function appendEdge(state: State, list: number, child: Inode, edge: number): void {
  const { edges, lists } = state
  joinEdge(state, list, child, edge)
  const last = lists.tail.get(list)
  if (last === 0) lists.head.set(list, edge)
  else {
    edges.previous.set(edge, last)
    edges.next.set(last, edge)
  }
  lists.tail.set(list, edge)
}

/** An edge that belongs to its list and to its child, but has no place in the list's order yet. */
function joinEdge(state: State, list: number, child: Inode, edge: number): void {
  const { edges, lists, nodes } = state
  lists.length.add(list, 1)
  if (nodes.isDirectory(child)) nodes.links.add(lists.owner.get(list), 1)
  else nodes.links.add(child, 1)
  edges.nextLink.set(edge, nodes.firstLink.get(child))
  nodes.firstLink.set(child, edge)
  if (nodes.isFile(child)) nodes.ratio.set(child, state.storageClasses.copiesWanted(nodes.sclassId.get(child)))
}

/** Makes the statistics of all lists after appendEdge(): first what lies in each, then what lies below. */
export function countAll(state: State): void {
  const { nodes, lists } = state
  for (const list of [...state.trashLists, ...state.sustainedLists]) {
    if (lists.length.get(list) > 0) lists.count(list, statsIn(state, list), 1)
  }
  const order: Inode[] = []
  const stack = [ROOT]
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    const list = nodes.directoryRow(directory)
    order.push(directory)
    lists.count(list, statsIn(state, list), 1)
    if (nodes.links.get(directory) === 0) continue
    for (const edge of edgesOf(state, list)) {
      const child = state.edges.child.get(edge)
      if (nodes.isDirectory(child)) stack.push(child)
    }
  }
  // Every directory comes after the one that holds it.
  for (const directory of order.reverse()) {
    if (directory !== ROOT) {
      lists.count(nodes.directoryRow(parentOf(state, directory)), statsOf(state, directory), 1)
    }
  }
}

/** What lies in a list itself, but for directories. */
function statsIn(state: State, list: number): Stats {
  const { nodes, edges, lists } = state
  const stats = noStats()
  for (let edge = lists.head.get(list); edge !== 0; edge = edges.next.get(edge)) {
    const child = edges.child.get(edge)
    const type = nodes.type(child)
    if (type === NodeType.DIRECTORY) continue
    stats.inodes++
    if (type === NodeType.SYMLINK) addLength(stats, nodes.targetBytes(child))
    if (!isFileType(type)) continue
    const length = nodes.length.get(child)
    stats.files++
    addLength(stats, length)
    const before = stats.size
    countChunks(state, child, length, stats)
    stats.realsize += (stats.size - before) * nodes.ratio.get(child)
  }
  return stats
}

/** Takes an edge away. No times change; a node without links is the caller's to deal with. */
export function removeEdge(state: State, edge: number): void {
  const { edges, lists, nodes } = state
  const list = edges.list.get(edge)
  const child = edges.child.get(edge)
  const owner = lists.owner.get(list)
  countUp(state, list, statsOf(state, child), -1)
  const [previous, next] = [edges.previous.get(edge), edges.next.get(edge)]
  if (previous === 0) lists.head.set(list, next)
  else edges.next.set(previous, next)
  if (next === 0) lists.tail.set(list, previous)
  else edges.previous.set(next, previous)
  lists.length.add(list, -1)
  if (nodes.isDirectory(child)) nodes.links.add(owner, -1)
  else nodes.links.add(child, -1)
  dropLink(state, child, edge)
  edges.remove(edge, owner)
}

function dropLink(state: State, child: Inode, edge: number): void {
  const { edges, nodes } = state
  const after = edges.nextLink.get(edge)
  let at = nodes.firstLink.get(child)
  if (at === edge) {
    nodes.firstLink.set(child, after)
    return
  }
  while (edges.nextLink.get(at) !== edge) {
    at = edges.nextLink.get(at)
    assert(at !== 0, `edge ${edge} is among the links of inode ${child}`)
  }
  edges.nextLink.set(at, after)
}

/** Row of the list that keeps an unlinked file, by its type. */
export function bucketOf(state: State, inode: Inode): number {
  if (state.nodes.type(inode) === NodeType.TRASH) return state.trashLists[inode % TRASH_BUCKETS] as number
  return state.sustainedLists[inode % SUSTAINED_BUCKETS] as number
}

/** Puts a file without links into the trash or among the sustained files, under `path`; from there with its old age. */
export function keepUnlinked(state: State, inode: Inode, type: NodeType, path: string, age?: number): void {
  state.nodes.changeType(inode, type)
  const edgeAge = age ?? state.nextEdgeAge++
  insertEdge(state, bucketOf(state, inode), inode, path.slice(-TRASH_PATH_MAX), edgeAge)
}

/**
 * Numbers all edges anew: children of a directory get consecutive ascending ids in list order, then each child
 * directory in that order. Trash and sustained files keep theirs (spec metadata 5.4).
 */
export function renumberEdges(state: State): void {
  const { nodes, lists, edges } = state
  state.nextEdgeAge = 0
  const stack: Inode[] = [ROOT]
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    const list = nodes.directoryRow(directory)
    state.nextEdgeAge += lists.length.get(list)
    let age = state.nextEdgeAge
    for (let edge = lists.head.get(list); edge !== 0; edge = edges.next.get(edge)) {
      edges.setAge(edge, directory, age--)
    }
    // Pushed from the last on, so that the first one is next.
    for (let edge = lists.tail.get(list); edge !== 0; edge = edges.previous.get(edge)) {
      if (nodes.isDirectory(edges.child.get(edge))) stack.push(edges.child.get(edge))
    }
  }
}

/** Removes a node that has no links: its chunks lose a reference, its number waits to be used again. */
export function removeNode(state: State, inode: Inode, now: Seconds): void {
  const { nodes } = state
  if (nodes.isFile(inode)) cutChunks(state, inode, 0)
  if (nodes.isDirectory(inode)) {
    state.lists.remove(nodes.directoryRow(inode))
    state.quotas.delete(inode)
  }
  state.xattrs.deleteAll(inode)
  state.acls.deleteAll(inode)
  nodes.remove(inode)
  state.freeInodes.push(inode, now)
}

/** Shortens a chunk table to `slots`; the chunks beyond lose this reference. */
export function cutChunks(state: State, inode: Inode, slots: number): void {
  const { nodes, chunks } = state
  const sclassId = nodes.sclassId.get(inode)
  nodes.eachChunk(inode, row => chunks.dropReference(row, sclassId), slots)
  if (slots < nodes.chunkSlots(inode)) nodes.setChunkSlots(inode, slots)
}
