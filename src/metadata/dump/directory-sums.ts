// Sums over directories, straight from a metadata file (spec metadata 7.2): three passes over sections, a bit for every
// inode and chunk below a path, so that files of any size need little memory.
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import { SparseBits } from '../../util/sparse-bits.ts'
import { readStorageClasses } from '../checkpoint/read-attributes.ts'
import { type NodeRecord, readNodesHead, visitChunks, visitEdges, visitNodes } from '../checkpoint/records.ts'
import { State } from '../state.ts'
import { CHUNK_HEADER_BYTES, isFileType, NodeType, ROOT } from '../types.ts'
import type { SectionIndex, SectionPlace } from './section-index.ts'

/** What lies below one path. Sizes are bytes, headers of chunk files included. */
export interface Sums {
  inodes: number
  files: number
  dirs: number
  /** Distinct ones, and of these those that follow the keep and the archive labels. */
  chunks: number
  keepChunks: number
  archiveChunks: number
  length: bigint
  size: bigint
  /** With all copies, as it is, and as it would be with all chunks kept or archived. */
  realSize: bigint
  keepSize: bigint
  archiveSize: bigint
}

export type Phase = 'edge' | 'chunk' | 'node'

/** Tells of long work: how much of a phase is done, 0..1. */
export type PhaseProgress = (phase: Phase, part: number) => void

/** One path and what was found below it. */
export class SummedPath {
  readonly path: string
  readonly sums: Sums = {
    ...{ inodes: 0, files: 0, dirs: 0, chunks: 0, keepChunks: 0, archiveChunks: 0 },
    ...{ length: 0n, size: 0n, realSize: 0n, keepSize: 0n, archiveSize: 0n },
  }
  readonly #names: string[]
  /** How many of the names lead to #reached. */
  #depth = 0
  #reached = ROOT
  readonly #members = new SparseBits()
  readonly #chunks = new SparseBits()

  /** @param path latin1; slashes at the ends or in a row mean nothing */
  constructor(path: string) {
    this.path = path
    this.#names = path.split('/').filter(name => name !== '')
    if (this.found) this.#members.add(ROOT)
  }

  get found(): boolean {
    return this.#depth === this.#names.length
  }

  holds(inode: number): boolean {
    return this.#members.has(inode)
  }

  /** @returns whether something new was learnt */
  followEdge(parent: number, child: number, name: string): boolean {
    if (this.found) return this.#members.has(parent) && this.#members.add(child)
    if (parent !== this.#reached || name !== this.#names[this.#depth]) return false
    this.#depth++
    this.#reached = child
    if (this.found) this.#members.add(child)
    return true
  }

  count(node: NodeRecord, copies: Copies, isArchived: (chunk: number) => boolean): void {
    const { sums } = this
    sums.inodes++
    if (node.type === NodeType.DIRECTORY) sums.dirs++
    if (!isFileType(node.type)) return
    sums.files++
    sums.length += node.length
    const { keep, archive } = copies
    // The original numbers the chunks of a file without its holes, so that sizes of sparse files come out wrong. Its
    // numbers are kept here, because sums are compared with older ones.
    let index = -1
    for (const id of node.chunkIds) {
      if (id === 0n) continue
      index++
      if (!this.#chunks.add(Number(id))) continue
      const size = chunkBytes(node.length, index)
      const archived = isArchived(Number(id))
      sums.chunks++
      sums[archived ? 'archiveChunks' : 'keepChunks']++
      sums.size += size
      sums.keepSize += size * keep
      sums.archiveSize += size * archive
      sums.realSize += size * (archived ? archive : keep)
    }
  }
}

interface Copies {
  keep: bigint
  archive: bigint
}

const CHUNK = BigInt(MFSCHUNKSIZE)
const BLOCK = 0x10000n

/** Bytes of a chunk file, from its place in the file: full, cut after the last block of the file, or only its header. */
function chunkBytes(length: bigint, index: number): bigint {
  const header = BigInt(CHUNK_HEADER_BYTES)
  if (length === 0n) return header
  const last = (length - 1n) / CHUNK
  if (BigInt(index) > last) return header
  if (BigInt(index) < last) return CHUNK + header
  return (((length - 1n) % CHUNK) / BLOCK + 1n) * BLOCK + header
}

/**
 * Sums up what lies below paths. Paths that were not found keep zeros.
 *
 * @param total name of an additional first entry: all paths together, every inode and chunk once
 * @param onMissing hears of a path that does not exist, as soon as that is known
 * @throws CheckpointError when one of the sections read is damaged
 */
export async function sumDirectories(
  index: SectionIndex,
  paths: readonly string[],
  total: string | undefined,
  progress: PhaseProgress,
  onMissing: (path: string) => void,
): Promise<SummedPath[]> {
  const summed = paths.map(path => new SummedPath(path))
  await followEdges(index, summed, progress)
  for (const { found, path } of summed) if (!found) onMissing(path)
  const archived = await archivedChunks(index, progress)
  const copies = await storageClassCopies(index)
  const all = total === undefined ? undefined : new SummedPath('')
  await visitNodesOf(index, progress, node => {
    const copiesHere = copies(node.sclassId)
    let below = false
    for (const entry of summed) {
      if (!entry.holds(node.inode)) continue
      below = true
      entry.count(node, copiesHere, id => archived.has(id))
    }
    if (below) all?.count(node, copiesHere, id => archived.has(id))
  })
  return all ? [all, ...summed] : summed
}

function need(index: SectionIndex, name: string): SectionPlace {
  const place = index.find(name)
  if (!place) throw new Error(`section ${name} is missing`)
  return place
}

/** Masters write the names of a directory before those of its children; for any other order the pass is repeated. */
async function followEdges(index: SectionIndex, summed: SummedPath[], progress: PhaseProgress): Promise<void> {
  const place = need(index, 'EDGE')
  const seen = new SparseBits()
  seen.add(ROOT)
  for (let again = true; again; ) {
    let inOrder = true
    let learnt = false
    const input = index.open(place, part => progress('edge', part))
    await input.fill(place.mver >= 0x11 ? 8 : 0)
    if (place.mver >= 0x11) input.skip(8)
    await visitEdges(input, place.mver, ({ parent, child, name }) => {
      if (parent === 0) return undefined
      if (!seen.has(parent)) inOrder = false
      seen.add(child)
      for (const entry of summed) if (entry.followEdge(parent, child, name)) learnt = true
      return undefined
    })
    again = !inOrder && learnt
  }
}

async function archivedChunks(index: SectionIndex, progress: PhaseProgress): Promise<SparseBits> {
  const place = need(index, 'CHNK')
  const archived = new SparseBits()
  const input = index.open(place, part => progress('chunk', part))
  await input.fill(8)
  input.skip(8)
  await visitChunks(input, place.mver, chunk => {
    if (chunk.archived) archived.add(Number(chunk.id))
    return undefined
  })
  return archived
}

async function storageClassCopies(index: SectionIndex): Promise<(sclassId: number) => Copies> {
  const state = new State()
  const place = index.find('SCLA', 'LABS')
  if (place) {
    await readStorageClasses(index.open(place), { state, header: index.header, mver: place.mver })
  }
  const copies = new Map<number, Copies>()
  for (const [id, { keep, archive }] of state.storageClasses.entries()) {
    copies.set(id, { keep: BigInt(keep.length), archive: BigInt(archive.length) })
  }
  return id => copies.get(id) ?? { keep: 0n, archive: 0n }
}

async function visitNodesOf(
  index: SectionIndex,
  progress: PhaseProgress,
  visit: (node: NodeRecord) => void,
): Promise<void> {
  const place = need(index, 'NODE')
  const input = index.open(place, part => progress('node', part))
  if (!index.header.old) await readNodesHead(input, place.mver)
  await visitNodes(input, place.mver, node => {
    visit(node)
    return undefined
  })
}
