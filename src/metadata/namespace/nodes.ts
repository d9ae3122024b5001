// The table of nodes, one row per inode number. About 60 bytes a node (links of several chunks and paths apart).
//
// What the columns `data` and `count` mean depends on the type:
//   file, trash, sustained   count = chunk slots n; data = the chunk's row when n is 1, else see #longLists
//   symlink                  count = bytes of the target; data = its place in the arena
//   device                   data = rdev
//   directory                data = row of the directory table
import { ByteArena } from '../../util/byte-arena.ts'
import { bytes8, integers, words16, words32 } from '../../util/column.ts'
import { type Inode, isFileType, NodeType, type Seconds } from '../types.ts'

export class NodeTable {
  readonly #type = bytes8()
  readonly sclassId = bytes8()
  readonly eattr = bytes8()
  readonly winattr = bytes8()
  /** Copies that the file's class wants, as counted in its `realsize` (spec master-behaviour 1.4). */
  readonly ratio = bytes8()
  readonly mode = words16()
  readonly trashHours = words16()
  readonly uid = words32()
  readonly gid = words32()
  readonly atime = words32()
  readonly mtime = words32()
  readonly ctime = words32()
  /** Bytes; at most 2^53-1. */
  readonly length = integers()
  /** Edges that lead to a node that is no directory; sub-directories of a directory. */
  readonly links = words32()
  /** First edge that leads here; the others follow in EdgeTable.nextLink. */
  readonly firstLink = words32()
  readonly #data = words32()
  readonly #count = words32()
  /** Rows of chunks of files with more than one chunk slot; 0 is a hole. Only such files cost an object. */
  readonly #longLists = new Map<Inode, Uint32Array>()
  readonly #targets = new ByteArena()
  /** Numbers that may not be given out: nodes and released numbers that still wait. One bit a number. */
  #used = new Uint32Array(1024)
  #lowestFreeWord = 0
  #maxInode = 0
  #nodeCount = 0

  constructor() {
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

  exists(inode: Inode): boolean {
    return this.#type.get(inode) !== 0
  }

  /** 0 for a number without node. */
  type(inode: Inode): NodeType | 0 {
    return this.#type.get(inode) as NodeType | 0
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

  /** Makes an empty node; all other columns are as its last owner left them and must be set. */
  add(inode: Inode, type: NodeType): void {
    this.reserve(inode)
    this.#type.set(inode, type)
    this.#data.set(inode, 0)
    this.#count.set(inode, 0)
    this.length.set(inode, 0)
    this.links.set(inode, 0)
    this.firstLink.set(inode, 0)
    this.winattr.set(inode, 0)
    this.ratio.set(inode, 0)
    this.#nodeCount++
  }

  /** Takes the node away; its number stays used. */
  remove(inode: Inode): void {
    if (this.type(inode) === NodeType.SYMLINK) this.#freeTarget(inode)
    this.#longLists.delete(inode)
    this.#type.set(inode, 0)
    this.#nodeCount--
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
  }

  #freeTarget(inode: Inode): void {
    if (this.#count.get(inode) > 0) this.#targets.free(this.#data.get(inode), this.#count.get(inode))
  }

  /** Slots of a file's chunk table, with holes; a slot beyond is a hole too. */
  chunkSlots(inode: Inode): number {
    return this.#count.get(inode)
  }

  /** Row in the chunk table of the chunk at `index` (64 MiB each), 0 for a hole. */
  chunkRow(inode: Inode, index: number): number {
    const count = this.#count.get(inode)
    if (index >= count) return 0
    return count === 1 ? this.#data.get(inode) : ((this.#longLists.get(inode) as Uint32Array)[index] as number)
  }

  /** Sets one slot; the table grows to it. */
  setChunkRow(inode: Inode, index: number, row: number): void {
    if (index >= this.#count.get(inode)) this.setChunkSlots(inode, index + 1)
    if (this.#count.get(inode) === 1) this.#data.set(inode, row)
    else (this.#longLists.get(inode) as Uint32Array)[index] = row
  }

  /** Cuts or lengthens the chunk table; new slots are holes. References are the caller's to count. */
  setChunkSlots(inode: Inode, slots: number): void {
    const before = this.#count.get(inode)
    if (slots === before) return
    const first = this.chunkRow(inode, 0)
    if (slots > 1) {
      // Room for growth, so that a file written chunk by chunk is not copied each time.
      let list = this.#longLists.get(inode)
      if (!list || list.length < slots) {
        const larger = new Uint32Array(slots > before + 1 ? slots : Math.max(4, Math.ceil(slots * 1.25)))
        if (list) larger.set(list)
        else larger[0] = first
        list = larger
        this.#longLists.set(inode, list)
      } else if (slots < before) list.fill(0, slots, before)
    } else {
      this.#longLists.delete(inode)
      this.#data.set(inode, slots === 1 ? first : 0)
    }
    this.#count.set(inode, slots)
  }

  /** Every inode with a node, ascending. */
  *inodes(): Generator<Inode> {
    for (let inode = 1; inode <= this.#maxInode; inode++) if (this.exists(inode)) yield inode
  }
}

function trailingOnes(bits: number): number {
  const zeros = ~bits
  return zeros === 0 ? 32 : 31 - Math.clz32(zeros & -zeros)
}
