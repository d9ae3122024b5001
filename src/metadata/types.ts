// Identities and enumerations of the state (spec metadata 2, client-master 3).

export type Inode = number
export type ChunkId = number
export type SessionId = number
/** Whole seconds since 1970. */
export type Seconds = number

/** Types of nodes, numbered as in NODE records (spec metadata 2.5). */
export const NodeType = {
  FILE: 1,
  DIRECTORY: 2,
  SYMLINK: 3,
  FIFO: 4,
  BLOCKDEV: 5,
  CHARDEV: 6,
  SOCKET: 7,
  TRASH: 8,
  SUSTAINED: 9,
} as const
export type NodeType = (typeof NodeType)[keyof typeof NodeType]

/** Files, also when they lie in the trash or are only held open. */
export function isFileType(type: number): boolean {
  return type === NodeType.FILE || type === NodeType.TRASH || type === NodeType.SUSTAINED
}

export function isDevice(type: number): boolean {
  return type === NodeType.BLOCKDEV || type === NodeType.CHARDEV
}

/** Extra attributes (spec metadata 2.5). */
export const Eattr = {
  NOOWNER: 0x01,
  NOATTRCACHE: 0x02,
  NOENTRYCACHE: 0x04,
  NODATACACHE: 0x08,
  SNAPSHOT: 0x10,
  UNDELETABLE: 0x20,
  APPENDONLY: 0x40,
  IMMUTABLE: 0x80,
} as const

export const ROOT: Inode = 1
export const TRASH_BUCKETS = 4096
export const SUSTAINED_BUCKETS = 256
/** The id of the first edge ever made; every later one is lower by one (spec metadata 5.4). */
export const FIRST_EDGE_ID = 0x7ffffffffffffffen
/** Longest path kept with a trash file, bytes (spec metadata 4.1, UNLINK). */
export const TRASH_PATH_MAX = 1024
/** Bytes that the header of a chunk file adds to the size statistics (spec master-behaviour 1.4; 0x1400 = 5 KiB). */
export const CHUNK_HEADER_BYTES = 0x2000
