// The table of nodes, one row per inode number: 64 bytes a node (links of several chunks and paths apart).
//
//   word 0   type:8 sclassId:8 eattr:8 winattr:8        word 7, 8   length:53, ratio:8 in the top byte
//   word 1   mode:16 trashHours:16                      word 9      links
//   word 2…6 uid, gid, atime, mtime, ctime              word 10     firstLink, 11 data, 12 count
//   word 13…15 what atime, mtime, ctime need besides (times.ts)
//
// What the columns `data` and `count` mean depends on the type:
//   file, trash, sustained   count = chunk slots n; data = the chunk's row when n is 1, else see #longLists
//   symlink                  count = bytes of the target; data = its place in the arena
//   device                   data = rdev
//   directory                data = row of the directory table

import { putU32 } from '../../protocol/codec.ts'
import { ByteArena } from '../../util/byte-arena.ts'
import type { Memory } from '../../util/memory.ts'
import { Records, WideField, WordField, wordField } from '../../util/records.ts'
import { type Digest, Fact, FactField } from '../digest.ts'
import { type ChunkId, type Inode, isDevice, isFileType, NodeType, type Seconds } from '../types.ts'
import { ChunkList } from './chunk-list.ts'
import { type Stamp, Times } from './times.ts'

const WORDS = 16

/** What every client is shown of a node. */
export interface NodeFacts {
  type: NodeType | 0
  eattr: number
  winattr: number
  mode: number
  uid: number
  gid: number
  atime: number
  mtime: number
  ctime: number
  /** What the three times need besides (protocol/fine-times.ts). */
  atimeMore: number
  mtimeMore: number
  ctimeMore: number
  length: number
  links: number
}

/** A node as load() takes it: fields as they are stored, times in whole seconds. */
export interface LoadedNode {
  inode: Inode
  type: NodeType
  sclassId: number
  eattr: number
  winattr: number
  mode: number
  trashHours: number
  uid: number
  gid: number
  atime: number
  mtime: number
  ctime: number
  /** 0 for what is no file. */
  length: number
}

export class NodeTable {
  readonly #digest: Digest
  readonly #records = new Records(WORDS)
  readonly #type: FactField
  readonly sclassId: FactField
  readonly eattr: FactField
  readonly winattr: FactField
  readonly mode: FactField
  readonly trashHours: FactField
  readonly uid: FactField
  readonly gid: FactField
  /** The moment that `atime.set()` and its like take for now; set before each entry is applied. */
  readonly stamp: Stamp = { seconds: 0, nanoseconds: 0 }
  readonly atime: Times
  readonly mtime: Times
  readonly ctime: Times
  /** Bytes; at most 2^53-1. */
  readonly length: FactField
  /** Copies that the file's class wants, as counted in its `realsize` (spec master-behaviour 1.4). */
  readonly ratio = new WordField(this.#records, 8, 8, 24)
  /** Edges that lead to a node that is no directory; sub-directories of a directory. */
  readonly links = wordField(this.#records, 9)
  /** First edge that leads here; the others follow in EdgeTable.nextLink. */
  readonly firstLink = wordField(this.#records, 10)
  readonly #data = wordField(this.#records, 11)
  readonly #count = wordField(this.#records, 12)
  readonly #facts: readonly FactField[]
  readonly #chunkIdOf: (row: number) => ChunkId
  /** Chunks of files with more than one chunk slot. Only such files cost an object. */
  readonly #longLists = new Map<Inode, ChunkList>()
  #longListBytes = 0
  readonly #targets = new ByteArena()
  /** Numbers that may not be given out: nodes and released numbers that still wait. One bit a number. */
  #used = new Uint32Array(1024)
  #lowestFreeWord = 0
  #maxInode = 0
  #nodeCount = 0
  #fileCount = 0
  #directoryCount = 0

  /** @param chunkIdOf the id of the chunk in a row of the chunk table */
  constructor(digest: Digest, chunkIdOf: (row: number) => ChunkId) {
    this.#digest = digest
    this.#chunkIdOf = chunkIdOf
    const records = this.#records
    const fact = (kind: Fact, word: number, bits = 32, shift = 0) =>
      new FactField(new WordField(records, word, bits, shift), digest, kind)
    this.#type = fact(Fact.NODE_TYPE, 0, 8, 0)
    this.sclassId = fact(Fact.NODE_CLASS, 0, 8, 8)
    this.eattr = fact(Fact.NODE_EATTR, 0, 8, 16)
    this.winattr = fact(Fact.NODE_WINATTR, 0, 8, 24)
    this.mode = fact(Fact.NODE_MODE, 1, 16, 0)
    this.trashHours = fact(Fact.NODE_TRASH_HOURS, 1, 16, 16)
    this.uid = fact(Fact.NODE_UID, 2)
    this.gid = fact(Fact.NODE_GID, 3)
    this.atime = new Times(fact(Fact.NODE_ATIME, 4), fact(Fact.NODE_ATIME_MORE, 13), this.stamp)
    this.mtime = new Times(fact(Fact.NODE_MTIME, 5), fact(Fact.NODE_MTIME_MORE, 14), this.stamp)
    this.ctime = new Times(fact(Fact.NODE_CTIME, 6), fact(Fact.NODE_CTIME_MORE, 15), this.stamp)
    const length = new WideField(wordField(records, 7), new WordField(records, 8, 24))
    this.length = new FactField(length, digest, Fact.NODE_LENGTH)
    this.#facts = [
      this.#type,
      ...[this.sclassId, this.eattr, this.winattr, this.mode, this.trashHours, this.uid, this.gid],
      ...[this.atime, this.mtime, this.ctime].flatMap(times => times.facts),
      this.length,
    ]
    this.reserve(0)
    this.#maxInode = 0
  }

  /** Highest number ever used. */
  get maxInode(): Inode {
    return this.#maxInode
  }

  set maxInode(inode: Inode) {
    this.#maxInode = Math.max(this.#maxInode, inode)
  }

  get count(): number {
    return this.#nodeCount
  }

  /** Those in the trash and sustained ones, too. */
  get fileCount(): number {
    return this.#fileCount
  }

  get directoryCount(): number {
    return this.#directoryCount
  }

  #counts(type: NodeType | 0, change: 1 | -1): void {
    this.#nodeCount += change
    if (isFileType(type)) this.#fileCount += change
    else if (type === NodeType.DIRECTORY) this.#directoryCount += change
  }

  exists(inode: Inode): boolean {
    return this.#type.get(inode) !== 0
  }

  /** 0 for a number without node. */
  type(inode: Inode): NodeType | 0 {
    return this.#type.get(inode) as NodeType | 0
  }

  /** The facts of one node at once: a listing reads them of every name. */
  facts(inode: Inode): NodeFacts {
    const page = this.#records.pageOf(inode) ?? NO_WORDS
    const at = page === NO_WORDS ? 0 : this.#records.startOf(inode)
    const word = (number: number) => page[at + number] as number
    const head = word(0)
    return {
      type: (head & 0xff) as NodeType | 0,
      eattr: (head >>> 16) & 0xff,
      winattr: head >>> 24,
      mode: word(1) & 0xffff,
      uid: word(2),
      gid: word(3),
      atime: word(4),
      mtime: word(5),
      ctime: word(6),
      atimeMore: word(13),
      mtimeMore: word(14),
      ctimeMore: word(15),
      length: (word(8) & 0xffffff) * 0x100000000 + word(7),
      links: word(9),
    }
  }

  /**
   * Copies what an attribute record says of a file, big-endian and as it is stored: type:4 mode:12 uid:32 gid:32 atime:32
   * mtime:32 ctime:32 links:32 length:64 winattr:8, and what the three times need besides (spec client-master 3.1).
   *
   * @returns false, and nothing is copied, for what is shown in another way: no file, extra attributes, times before 1970
   *   or after 2106
   */
  copyPlainFile(inode: Inode, target: Buffer, at: number): boolean {
    const page = this.#records.pageOf(inode) ?? NO_WORDS
    const from = page === NO_WORDS ? 0 : this.#records.startOf(inode)
    const word = (number: number) => page[from + number] as number
    const head = word(0)
    const areTimesPlain = (word(13) | word(14) | word(15)) >>> 30 === 0
    if ((head & 0xff00ff) !== NodeType.FILE || !areTimesPlain) return false
    const mode = word(1)
    target[at] = (NodeType.FILE << 4) | ((mode >>> 8) & 0xf)
    target[at + 1] = mode
    for (let i = 0; i < 5; i++) putU32(target, at + 2 + 4 * i, word(2 + i))
    putU32(target, at + 22, word(9))
    putU32(target, at + 26, word(8) & 0xffffff)
    putU32(target, at + 30, word(7))
    target[at + 34] = head >>> 24
    for (let i = 0; i < 3; i++) putU32(target, at + 35 + 4 * i, word(13 + i))
    return true
  }

  isDirectory(inode: Inode): boolean {
    return this.#type.get(inode) === NodeType.DIRECTORY
  }

  isFile(inode: Inode): boolean {
    return isFileType(this.#type.get(inode))
  }

  /** The number that the next new node will get: the lowest free one (spec metadata 5.3). */
  nextInode(): Inode {
    let word = this.#lowestFreeWord
    while (word < this.#used.length && this.#used[word] === 0xffffffff) word++
    this.#lowestFreeWord = word
    const bits = word < this.#used.length ? (this.#used[word] as number) : 0
    return word * 32 + trailingOnes(bits)
  }

  /** Marks a number as used without making a node. */
  reserve(inode: Inode): void {
    const word = inode >>> 5
    if (word >= this.#used.length) {
      const larger = new Uint32Array(Math.max(this.#used.length * 2, word + 1))
      larger.set(this.#used)
      this.#used = larger
    }
    this.#used[word] = (this.#used[word] as number) | (1 << (inode & 31))
    this.maxInode = inode
  }

  /** Gives a number back; only for one without node. */
  unreserve(inode: Inode): void {
    const word = inode >>> 5
    this.#used[word] = (this.#used[word] as number) & ~(1 << (inode & 31))
    if (word < this.#lowestFreeWord) this.#lowestFreeWord = word
  }

  /** Makes a node that has nothing but its type. */
  add(inode: Inode, type: NodeType): void {
    this.reserve(inode)
    this.#type.set(inode, type)
    this.#counts(type, 1)
  }

  /** add() with everything that lies in the row itself, in one go: for the reader of checkpoints. */
  load(node: LoadedNode): void {
    const { inode, length } = node
    this.reserve(inode)
    this.#counts(node.type, 1)
    const [page, at] = [this.#records.page(inode), this.#records.start(inode)]
    page[at] = node.type | (node.sclassId << 8) | (node.eattr << 16) | (node.winattr << 24)
    page[at + 1] = node.mode | (node.trashHours << 16)
    page[at + 2] = node.uid
    page[at + 3] = node.gid
    page[at + 4] = node.atime
    page[at + 5] = node.mtime
    page[at + 6] = node.ctime
    page[at + 7] = length >>> 0
    page[at + 8] = Math.floor(length / 0x100000000)
    const digest = this.#digest
    digest.change(Fact.NODE_TYPE, inode, 0, node.type)
    digest.change(Fact.NODE_CLASS, inode, 0, node.sclassId)
    digest.change(Fact.NODE_EATTR, inode, 0, node.eattr)
    digest.change(Fact.NODE_WINATTR, inode, 0, node.winattr)
    digest.change(Fact.NODE_MODE, inode, 0, node.mode)
    digest.change(Fact.NODE_TRASH_HOURS, inode, 0, node.trashHours)
    digest.change(Fact.NODE_UID, inode, 0, node.uid)
    digest.change(Fact.NODE_GID, inode, 0, node.gid)
    digest.change(Fact.NODE_ATIME, inode, 0, node.atime)
    digest.change(Fact.NODE_MTIME, inode, 0, node.mtime)
    digest.change(Fact.NODE_CTIME, inode, 0, node.ctime)
    digest.change(Fact.NODE_LENGTH, inode, 0, length)
  }

  /** Takes the node away; its number stays used. */
  remove(inode: Inode): void {
    const type = this.type(inode)
    if (type === NodeType.SYMLINK) this.#freeTarget(inode)
    else if (isFileType(type)) this.setChunkSlots(inode, 0)
    else if (isDevice(type)) this.setRdev(inode, 0)
    for (const fact of this.#facts) fact.set(inode, 0)
    for (let word = 0; word < WORDS; word++) this.#records.set(inode, word, 0)
    this.#counts(type, -1)
  }

  /** File, trash and sustained turn into each other. */
  changeType(inode: Inode, type: NodeType): void {
    this.#type.set(inode, type)
  }

  setTimes(inode: Inode, seconds: Seconds): void {
    this.atime.set(inode, seconds)
    this.mtime.set(inode, seconds)
    this.ctime.set(inode, seconds)
  }

  rdev(inode: Inode): number {
    return this.#data.get(inode)
  }

  setRdev(inode: Inode, rdev: number): void {
    this.#digest.change(Fact.NODE_RDEV, inode, this.#data.get(inode), rdev)
    this.#data.set(inode, rdev)
  }

  /** Row of a directory in the directory table. */
  directoryRow(inode: Inode): number {
    return this.#data.get(inode)
  }

  setDirectoryRow(inode: Inode, row: number): void {
    this.#data.set(inode, row)
  }

  target(inode: Inode): string {
    return this.#targets.text(this.#data.get(inode), this.#count.get(inode))
  }

  targetBytes(inode: Inode): number {
    return this.#count.get(inode)
  }

  /** @param target 1..4096 bytes, latin1 */
  setTarget(inode: Inode, target: string): void {
    this.#freeTarget(inode)
    this.#data.set(inode, this.#targets.put(target))
    this.#count.set(inode, target.length)
    this.#digest.add(Fact.NODE_TARGET, inode, 0, 0, target)
  }

  #freeTarget(inode: Inode): void {
    const bytes = this.#count.get(inode)
    if (bytes === 0) return
    this.#digest.remove(Fact.NODE_TARGET, inode, 0, 0, this.target(inode))
    this.#targets.free(this.#data.get(inode), bytes)
  }

  /** Slots of a file's chunk table, with holes; a slot beyond is a hole too. */
  chunkSlots(inode: Inode): number {
    return this.#count.get(inode)
  }

  /** Row in the chunk table of the chunk at `index` (64 MiB each), 0 for a hole. */
  chunkRow(inode: Inode, index: number): number {
    const count = this.#count.get(inode)
    if (index >= count) return 0
    return count === 1 ? this.#data.get(inode) : (this.#longLists.get(inode) as ChunkList).get(index)
  }

  /** Visits the chunks of slots `from` to `to` - 1 in their order, not the holes; those slots must not change meanwhile. */
  eachChunk(inode: Inode, visit: (row: number, index: number) => void, from = 0, to = Infinity): void {
    const count = this.#count.get(inode)
    if (count > 1) return (this.#longLists.get(inode) as ChunkList).each(visit, from, Math.min(to, count))
    const row = this.chunkRow(inode, 0)
    if (row !== 0 && from === 0 && to > 0) visit(row, 0)
  }

  /** The first slot from `from` on that has a chunk. */
  nextChunk(inode: Inode, from: number): number | undefined {
    if (this.#count.get(inode) > 1) return (this.#longLists.get(inode) as ChunkList).next(from)
    return from === 0 && this.chunkRow(inode, 0) !== 0 ? 0 : undefined
  }

  /** How many chunks a file has, holes not counted. */
  chunkCount(inode: Inode): number {
    if (this.#count.get(inode) > 1) return (this.#longLists.get(inode) as ChunkList).count
    return this.chunkRow(inode, 0) === 0 ? 0 : 1
  }

  /** Sets one slot; the table grows to it. */
  setChunkRow(inode: Inode, index: number, row: number): void {
    // The first chunk of a file, which most files have alone.
    if (index === 0 && this.#count.get(inode) === 0) {
      this.#count.set(inode, 1)
      this.#noteSlot(inode, 0, 0, row)
      this.#data.set(inode, row)
      return
    }
    if (index >= this.#count.get(inode)) this.setChunkSlots(inode, index + 1)
    this.#noteSlot(inode, index, this.chunkRow(inode, index), row)
    if (this.#count.get(inode) === 1) this.#data.set(inode, row)
    else this.#changeList(this.#longLists.get(inode) as ChunkList, list => list.set(index, row))
  }

  /** Cuts or lengthens the chunk table; new slots are holes. References are the caller's to count. */
  setChunkSlots(inode: Inode, slots: number): void {
    const before = this.#count.get(inode)
    if (slots === before) return
    this.eachChunk(inode, (row, index) => this.#noteSlot(inode, index, row, 0), slots)
    const first = this.chunkRow(inode, 0)
    if (slots > 1) {
      const list = this.#longLists.get(inode) ?? this.#addList(inode, first)
      this.#changeList(list, () => list.cut(slots))
    } else {
      if (before > 1) this.#removeList(inode)
      this.#data.set(inode, slots === 1 ? first : 0)
    }
    this.#count.set(inode, slots)
  }

  #addList(inode: Inode, first: number): ChunkList {
    const list = new ChunkList()
    this.#longListBytes += list.bytes
    list.set(0, first)
    this.#longLists.set(inode, list)
    return list
  }

  #removeList(inode: Inode): void {
    this.#longListBytes -= this.#longLists.get(inode)?.bytes ?? 0
    this.#longLists.delete(inode)
  }

  #changeList(list: ChunkList, change: (list: ChunkList) => void): void {
    const before = list.bytes
    change(list)
    this.#longListBytes += list.bytes - before
  }

  memory(): Memory {
    return this.#records.memory(this.count)
  }

  /** Of which numbers are taken. */
  numbersMemory(): Memory {
    return { allocated: this.#used.byteLength, used: Math.ceil(this.#maxInode / 8) }
  }

  targetsMemory(): Memory {
    return this.#targets.memory()
  }

  chunkListsMemory(): Memory {
    return { allocated: this.#longListBytes, used: this.#longListBytes }
  }

  /** The chunk at a slot changes. Holes are no facts: trailing ones are not stored (spec metadata 2.5). */
  #noteSlot(inode: Inode, index: number, before: number, after: number): void {
    if (before === after) return
    if (before !== 0) this.#digest.remove(Fact.NODE_CHUNK, inode, index, this.#chunkIdOf(before))
    if (after !== 0) this.#digest.add(Fact.NODE_CHUNK, inode, index, this.#chunkIdOf(after))
  }

  /** Every inode with a node, ascending. */
  *inodes(): Generator<Inode> {
    for (let inode = 1; inode <= this.#maxInode; inode++) if (this.exists(inode)) yield inode
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const inode of this.inodes()) {
      for (const fact of this.#facts) fact.fold(inode, into)
      const type = this.type(inode)
      if (type === NodeType.SYMLINK) into.add(Fact.NODE_TARGET, inode, 0, 0, this.target(inode))
      else if (isDevice(type)) into.change(Fact.NODE_RDEV, inode, 0, this.rdev(inode))
      else if (isFileType(type)) {
        this.eachChunk(inode, (row, index) => into.add(Fact.NODE_CHUNK, inode, index, this.#chunkIdOf(row)))
      }
    }
  }
}

const NO_WORDS: Readonly<Uint32Array> = new Uint32Array(WORDS)

function trailingOnes(bits: number): number {
  const zeros = ~bits
  return zeros === 0 ? 32 : 31 - Math.clz32(zeros & -zeros)
}
