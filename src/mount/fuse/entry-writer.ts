// Attributes and names as the kernel wants them: what is written thousands of times in one listing.
import type { Attributes, DirectoryEntry, Entry, RawEntries } from '../file-system.ts'
import * as abi from './abi.ts'

const S_IFMT = 0o170000
const DOT = 0x2e
/** What stat(2) recommends for I/O: a block of a chunk (spec client-master 3.1). */
const BLOCK_BYTES = 65536
/** Inodes are not used again for a day: one generation is enough. */
const GENERATION = 1

/** Where the bytes of an answer go. */
export interface Page {
  readonly bytes: Buffer
  /** Of the same bytes. */
  readonly view: DataView
  /** Nothing is written from here on. */
  readonly limit: number
}

/** For what is written thousands of times: without the checks of writeUInt32LE(), and of any whole number. */
export const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function put32(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true)
}

function writeSeconds(view: DataView, secondsAt: number, nanosecondsAt: number, value: number): void {
  const seconds = Math.floor(value)
  put32(view, secondsAt, seconds)
  put32(view, secondsAt + 4, 0)
  put32(view, nanosecondsAt, Math.floor((value - seconds) * 1e9))
}

/** A negative number as the kernel's s64. */
function writeU64(view: DataView, at: number, value: number): void {
  put32(view, at, value)
  put32(view, at + 4, Math.floor(value / 0x100000000))
}

// These write what abi.attr, abi.attrOut, abi.entryOut and abi.dirent declare, ten times as fast as their general
// writers; the tests hold them equal.

function writeAttributes(view: DataView, at: number, a: Attributes): void {
  const { at: offset } = abi.attr
  writeU64(view, at + offset.ino, a.inode)
  writeU64(view, at + offset.size, a.size)
  writeU64(view, at + offset.blocks, a.blocks)
  writeU64(view, at + offset.atime, a.atime)
  writeU64(view, at + offset.mtime, a.mtime)
  writeU64(view, at + offset.ctime, a.ctime)
  put32(view, at + offset.atimensec, a.atimeNs ?? 0)
  put32(view, at + offset.mtimensec, a.mtimeNs ?? 0)
  put32(view, at + offset.ctimensec, a.ctimeNs ?? 0)
  put32(view, at + offset.mode, a.mode)
  put32(view, at + offset.nlink, a.nlink)
  put32(view, at + offset.uid, a.uid)
  put32(view, at + offset.gid, a.gid)
  put32(view, at + offset.rdev, a.rdev)
  put32(view, at + offset.blksize, BLOCK_BYTES)
  put32(view, at + offset.flags, 0)
}

export function writeTimedAttributes(view: DataView, at: number, attributes: Attributes, seconds: number): void {
  const { at: offset } = abi.attrOut
  writeSeconds(view, at + offset.attr_valid, at + offset.attr_valid_nsec, seconds)
  put32(view, at + offset.dummy, 0)
  writeAttributes(view, at + offset.attr, attributes)
}

export function writeEntry(view: DataView, at: number, entry: Entry): void {
  const { at: offset } = abi.entryOut
  writeU64(view, at + offset.nodeid, entry.attributes.inode)
  writeU64(view, at + offset.generation, GENERATION)
  writeSeconds(view, at + offset.entry_valid, at + offset.entry_valid_nsec, entry.entrySeconds)
  writeSeconds(view, at + offset.attr_valid, at + offset.attr_valid_nsec, entry.attributeSeconds)
  writeAttributes(view, at + offset.attr, entry.attributes)
}

/** As writeDirectoryEntry(), and the same bytes, with fewer objects. */
export function writeRawEntry(page: Page, start: number, entries: RawEntries, index: number, plus: boolean): number {
  const nameBytes = entries.nameBytes(index)
  const { bytes, view } = page
  const at = plus ? start + abi.entryOut.bytes : start
  const nameAt = at + abi.dirent.bytes
  const end = paddedTo8(nameAt + nameBytes)
  if (end > page.limit) return 0
  entries.copyName(index, bytes, nameAt)
  for (let pad = nameAt + nameBytes; pad < end; pad++) bytes[pad] = 0
  if (plus) writeLink(page, start, nameAt, nameBytes, entries.entry(index))
  writeDirent(view, at, entries.inode(index), index + 1, nameBytes, entries.typeBits(index))
  return end
}

/** Returns where the entry ends, 0 when it does not fit before `limit`. `start` is a multiple of 8. */
export function writeDirectoryEntry(
  page: Page,
  start: number,
  { name, entry }: DirectoryEntry,
  nextOffset: number,
  plus: boolean,
): number {
  const { bytes, view } = page
  const at = plus ? start + abi.entryOut.bytes : start
  const nameAt = at + abi.dirent.bytes
  const nameEnd = nameAt + name.length
  const end = paddedTo8(nameEnd)
  if (end > page.limit) return 0
  bytes.write(name, nameAt, 'latin1')
  bytes.fill(0, nameEnd, end)
  if (plus) writeLink(page, start, nameAt, name.length, entry)
  const { inode, mode } = entry.attributes
  writeDirent(view, at, inode, nextOffset, name.length, mode & S_IFMT)
  return end
}

const paddedTo8 = (at: number) => (at + 7) & ~7

/** The reference that the kernel keeps. It never wants one of the folder itself or its parent, nor of node id 0. */
function writeLink(page: Page, at: number, nameAt: number, nameBytes: number, entry: Entry): void {
  if (entry.entrySeconds < 0 || isDots(page.bytes, nameAt, nameBytes)) page.bytes.fill(0, at, at + abi.entryOut.bytes)
  else writeEntry(page.view, at, entry)
}

function isDots(bytes: Buffer, at: number, length: number): boolean {
  return bytes[at] === DOT && (length === 1 || (length === 2 && bytes[at + 1] === DOT))
}

function writeDirent(view: DataView, at: number, inode: number, next: number, nameBytes: number, mode: number): void {
  const { at: offset } = abi.dirent
  writeU64(view, at + offset.ino, inode)
  writeU64(view, at + offset.off, next)
  put32(view, at + offset.namelen, nameBytes)
  put32(view, at + offset.type, (mode & S_IFMT) >>> 12)
}
