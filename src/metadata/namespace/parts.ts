// Work on whole trees, in parts that each take a moment: between two of them the master serves everybody else. Each part
// is a changelog line of its own, which covers a small subtree or one node, so that replay and followers take no longer.
import type { Entry } from '../changelog/entry.ts'
import type { State } from '../state.ts'
import type { Inode } from '../types.ts'

/** Nodes and chunks that one line may cover. */
export const PART_WEIGHT = 1500

/** Changes the state at once, by an entry that is logged. */
export type Commit = (entry: Entry) => void

/** Work that may be left for a while at every yield; other requests change the state meanwhile. */
export type Sliced<T> = Generator<void, T, void>

/** Nodes and chunks of a subtree: how long a line that covers it will take. */
export function weightOf({ nodes, lists }: State, inode: Inode): number {
  if (!nodes.isDirectory(inode)) return 1 + (nodes.isFile(inode) ? nodes.chunkCount(inode) : 0)
  const { inodes, chunks } = lists.stats(nodes.directoryRow(inode))
  return 1 + inodes + chunks
}

/** A node, or a node with all that lies below it. */
export interface Part {
  inode: Inode
  recursive: boolean
}

/**
 * Divides a tree into subtrees of at most `weight` and single nodes, parents first.
 *
 * Names that come while it is on its way may be left out; a directory that goes takes what is left of it along.
 */
export function* partsOf(state: State, inode: Inode, weight = PART_WEIGHT): Generator<Part, void, void> {
  const isSmall = (at: Inode) => state.nodes.isDirectory(at) && weightOf(state, at) <= weight
  const whole = isSmall(inode)
  yield { inode, recursive: whole }
  const walks = whole || !state.nodes.isDirectory(inode) ? [] : [new DirectoryWalk(state, inode)]
  for (let walk = walks.at(-1); walk; walk = walks.at(-1)) {
    const child = walk.next()
    if (child === 0) walks.pop()
    else if (isSmall(child)) yield { inode: child, recursive: true }
    else {
      yield { inode: child, recursive: false }
      if (state.nodes.isDirectory(child)) walks.push(new DirectoryWalk(state, child))
    }
  }
}

/** Goes through a directory, newest names first, and finds its place again when others change it on the way. */
class DirectoryWalk {
  readonly #state: State
  readonly #directory: Inode
  readonly #list: number
  /** The edge that comes next, and its age: ages fall along the list and are not used twice. */
  #edge: number
  #age = 0

  constructor(state: State, directory: Inode) {
    this.#state = state
    this.#directory = directory
    this.#list = state.nodes.directoryRow(directory)
    this.#edge = state.lists.head.get(this.#list)
    if (this.#edge !== 0) this.#age = state.edges.age(this.#edge)
  }

  /** 0 at the end. */
  next(): Inode {
    const { edges, lists } = this.#state
    if (this.#edge === 0 || lists.owner.get(this.#list) !== this.#directory) return 0
    let edge = this.#edge
    if (edges.list.get(edge) !== this.#list || edges.age(edge) !== this.#age) edge = this.#olderThan(this.#age)
    if (edge === 0) return 0
    this.#edge = edges.next.get(edge)
    if (this.#edge !== 0) this.#age = edges.age(this.#edge)
    return edges.child.get(edge)
  }

  #olderThan(age: number): number {
    const { edges, lists } = this.#state
    let edge = lists.head.get(this.#list)
    while (edge !== 0 && edges.age(edge) >= age) edge = edges.next.get(edge)
    return edge
  }
}
