// Memory of the tables, by the names that monitors know (spec tools-and-admin A.5, MEMORY_INFO).
import { type Memory, sumMemory } from '../util/memory.ts'
import type { State } from './state.ts'

/**
 * All but where the copies of chunks are, which is no metadata. What objects of the language take is estimated; the big
 * tables are exact.
 */
export interface TableMemory {
  chunkIndex: Memory
  chunks: Memory
  edgeIndex: Memory
  /** With their names. */
  edges: Memory
  /** Which numbers are taken: there is no hash, a number is the place of its node. */
  inodeIndex: Memory
  /** With what directories have besides. */
  inodes: Memory
  freeInodes: Memory
  /** Chunks of files with more than one. */
  chunkLists: Memory
  symlinks: Memory
  quotas: Memory
}

export function tableMemory({ chunks, edges, nodes, lists, freeInodes, quotas }: State): TableMemory {
  return {
    chunkIndex: chunks.indexMemory(),
    chunks: chunks.memory(),
    edgeIndex: edges.indexMemory(),
    edges: edges.memory(),
    inodeIndex: nodes.numbersMemory(),
    inodes: sumMemory(nodes.memory(), lists.memory()),
    freeInodes: freeInodes.memory(),
    chunkLists: nodes.chunkListsMemory(),
    symlinks: nodes.targetsMemory(),
    quotas: quotas.memory(),
  }
}
