// Master to client, in the order of their codes (spec client-master). A body of five bytes is `msgid status`.
import { attributes, type CopyLocation, typeLetter } from './attributes.ts'
import { classDefinition } from './cltoma.ts'
import {
  type Codec,
  extended,
  many,
  message,
  messageOf,
  name,
  optional,
  ProtocolError,
  record,
  rest,
  since,
  statusOr,
  sum64,
  text,
  u8,
  u16,
  u32,
  u64,
  u64n,
} from './codec.ts'
import { versionNumber } from './constants.ts'

const V1_7_32 = versionNumber(1, 7, 32)
const V3_0_10 = versionNumber(3, 0, 10)
const V3_0_40 = versionNumber(3, 0, 40)
const V3_0_102 = versionNumber(3, 0, 102)
export const V3_0_107 = versionNumber(3, 0, 107)
const V3_0_113 = versionNumber(3, 0, 113)
const V4_0_0 = versionNumber(4, 0, 0)
const V4_9_0 = versionNumber(4, 9, 0)
export const V4_18_0 = versionNumber(4, 18, 0)

/** Whether this version is told how it may cache and append what it opens, and lengths before a truncate. */
export const knowsOpenFlags = (version: number) => version >= V3_0_113

/** An answer that is never anything but `msgid status`. */
const statusAnswer = (code: number, name: string) => message(code, name, { msgid: u32, status: u8 })

/** Registration answers have no msgid and a layout for each version; sessions put them together themselves. */
export const fuseRegister = message(401, 'MATOCL_FUSE_REGISTER', { body: rest })

/** Whether this version knows of free space besides available space (spec client-master 5.2, STATFS). */
const knowsFree = (version: number) => version >= V3_0_102 && (version < V4_0_0 || version >= V4_9_0)

export interface Statfs {
  msgid: number
  total: number
  available: number
  free: number
  trash: number
  sustained: number
  inodes: number
}
export const fuseStatfs = messageOf<Statfs>(403, 'MATOCL_FUSE_STATFS', {
  layout: 'msgid:32 total:64 available:64 [free:64] trash:64 sustained:64 inodes:32',
  write(out, value) {
    u32.write(out, value.msgid)
    sum64.write(out, value.total)
    sum64.write(out, value.available)
    if (knowsFree(out.version)) sum64.write(out, value.free)
    sum64.write(out, value.trash)
    sum64.write(out, value.sustained)
    u32.write(out, value.inodes)
  },
  read(input) {
    const msgid = u32.read(input)
    const [total, available] = [sum64.read(input), sum64.read(input)]
    const free = knowsFree(input.version) ? sum64.read(input) : available
    const [trash, sustained] = [sum64.read(input), sum64.read(input)]
    return { msgid, total, available, free, trash, sustained, inodes: u32.read(input) }
  },
})
export const fuseAccess = statusAnswer(405, 'MATOCL_FUSE_ACCESS')

/** Bits of a LOOKUP answer beside the allowed combinations of rights (spec client-master 5.2). */
export const LookupFlag = {
  CHUNK_DATA: 0x0100,
  READ_ONLY: 0x0200,
  KEEP_CACHE: 0x0400,
  IMMUTABLE: 0x0800,
  DIRECT_MODE: 0x1000,
  APPEND_ONLY: 0x2000,
} as const

const copyLocation: Codec<CopyLocation> = {
  layout: 'ip:32 port:16 [serverVersion:32 [labels:32]]',
  write(out, { ip, port, serverVersion, labels }) {
    u32.write(out, ip)
    u16.write(out, port)
    if (out.version >= V1_7_32) u32.write(out, serverVersion)
    if (out.version >= V3_0_10) u32.write(out, labels)
  },
  read(input) {
    const [ip, port] = [u32.read(input), u16.read(input)]
    const serverVersion = input.version >= V1_7_32 ? u32.read(input) : 0
    return { ip, port, serverVersion, labels: input.version >= V3_0_10 ? u32.read(input) : 0 }
  },
}

/** 1 or 2, by what is told of a copy; the oldest form has no such byte. */
const protocolId: Codec<undefined> = {
  layout: '[protocolId:8]',
  write(out) {
    if (out.version >= V1_7_32) u8.write(out, out.version >= V3_0_10 ? 2 : 1)
  },
  read(input) {
    if (input.version < V1_7_32) return undefined
    const id = u8.read(input)
    if (id !== (input.version >= V3_0_10 ? 2 : 1)) throw new ProtocolError(`protocol id ${id}`)
    return undefined
  },
}

export interface ChunkData {
  chunkId: number
  version: number
  copies: CopyLocation[]
}
const chunkData = record({ protocolId, chunkId: u64n, version: u32, copies: many(copyLocation) })

/** What a LOOKUP tells besides the attributes: rights, and the first chunk when `flags` say so. */
const lookupRest: Codec<{ flags: number; chunk?: ChunkData } | undefined> = {
  layout: '[flags:16 [CHUNK]]',
  write(out, value) {
    if (out.version < V3_0_40 || !value) return
    u16.write(out, value.flags)
    if (value.chunk) chunkData.write(out, value.chunk)
  },
  read(input) {
    if (input.version < V3_0_40) return undefined
    const flags = u16.read(input)
    return flags & LookupFlag.CHUNK_DATA ? { flags, chunk: chunkData.read(input) } : { flags }
  },
}
export const fuseLookup = messageOf(407, 'MATOCL_FUSE_LOOKUP', statusOr({ inode: u32, attributes, rights: lookupRest }))

const attributesAnswer = (code: number, name: string) => messageOf(code, name, statusOr({ attributes }))
const nodeAnswer = (code: number, name: string) => messageOf(code, name, statusOr({ inode: u32, attributes }))

export const fuseGetattr = attributesAnswer(409, 'MATOCL_FUSE_GETATTR')
export const fuseSetattr = attributesAnswer(411, 'MATOCL_FUSE_SETATTR')
/** The target ends with a NUL that is counted. */
export const fuseReadlink = messageOf(413, 'MATOCL_FUSE_READLINK', statusOr({ target: text(u32, 8192) }))
export const fuseSymlink = nodeAnswer(415, 'MATOCL_FUSE_SYMLINK')
export const fuseMknod = nodeAnswer(417, 'MATOCL_FUSE_MKNOD')
export const fuseMkdir = nodeAnswer(419, 'MATOCL_FUSE_MKDIR')

/** On success the removed inode for some versions, a bare status for the others. */
export const tellsRemovedInode = (version: number) => (version >= V3_0_107 && version < V4_0_0) || version >= V4_18_0
export const fuseUnlink = messageOf(421, 'MATOCL_FUSE_UNLINK', statusOr({ inode: u32 }))
export const fuseRmdir = messageOf(423, 'MATOCL_FUSE_RMDIR', statusOr({ inode: u32 }))
export const fuseRename = nodeAnswer(425, 'MATOCL_FUSE_RENAME')
export const fuseLink = nodeAnswer(427, 'MATOCL_FUSE_LINK')

/** Answers to requests without paging have no edge id; who reads here has asked for pages. */
const edgeId: Codec<bigint | undefined> = {
  layout: '[64]',
  write(out, value) {
    if (value !== undefined) u64.write(out, value)
  },
  read: input => u64.read(input),
}
/** Entries are with or without attributes, as was asked; see direntPlus and dirent. */
export const fuseReaddir = messageOf(429, 'MATOCL_FUSE_READDIR', statusOr({ edgeId, entries: rest }))
export const direntPlus = record({ name, inode: u32, attributes })
/** A number, or before 1.7.32 a letter. */
export const nodeType: Codec<number> = {
  layout: '8',
  write: (out, value) => u8.write(out, out.version < V1_7_32 ? typeLetter(value) : value),
  read: input => u8.read(input),
}
export const dirent = record({ name, inode: u32, type: nodeType })

export const OpenedFlag = { KEEPCACHE: 1, DIRECTMODE: 2, APPENDONLY: 4 } as const
export const fuseOpen = messageOf(431, 'MATOCL_FUSE_OPEN', statusOr({ flags: since(V3_0_113, u8), attributes }))
const chunkPlace = { protocolId: protocolId, length: u64n, chunkId: u64n, version: u32 }
/** What `nextChunk` is behind the last one. */
export const NO_CHUNK = 0xffffffff
/** `nextChunk`: the first slot of the file from the asked one on that has a chunk. */
export const fuseReadChunk = messageOf(
  433,
  'MATOCL_FUSE_READ_CHUNK',
  statusOr({ ...chunkPlace, nextChunk: extended(u32), copies: many(copyLocation) }),
)
export const fuseWriteChunk = messageOf(
  435,
  'MATOCL_FUSE_WRITE_CHUNK',
  statusOr({ ...chunkPlace, copies: many(copyLocation) }),
)
export const fuseWriteChunkEnd = statusAnswer(437, 'MATOCL_FUSE_WRITE_CHUNK_END')
export const fuseAppendSlice = statusAnswer(439, 'MATOCL_FUSE_APPEND_SLICE')
export const fuseCheck = messageOf(441, 'MATOCL_FUSE_CHECK', statusOr({ body: rest }))
export const fuseTruncate = messageOf(
  465,
  'MATOCL_FUSE_TRUNCATE',
  statusOr({ previousLength: since(V3_0_113, u64n), attributes }),
)
export const fuseRepair = messageOf(
  467,
  'MATOCL_FUSE_REPAIR',
  statusOr({ notChanged: u32, erased: u32, repaired: u32 }),
)
const valueCount = record({ value: u32, count: u32 })
export const fuseGettrashtime = messageOf(
  443,
  'MATOCL_FUSE_GETTRASHTIME',
  statusOr({ fileCount: u32, directoryCount: u32, items: many(valueCount) }),
)
const counts = { changed: u32, notChanged: u32, notPermitted: u32 }
export const fuseSettrashtime = messageOf(445, 'MATOCL_FUSE_SETTRASHTIME', statusOr(counts))

/** A goal, or the name of a class, with the number of nodes that have it. */
const classCount: Codec<{ goal: number; count: number } | { name: string; count: number }> = {
  layout: '(goal:8 | 0xFF:8 name:NAME) count:32',
  write(out, value) {
    if ('goal' in value) u8.write(out, value.goal)
    else {
      u8.write(out, NAMED_CLASS)
      name.write(out, value.name)
    }
    u32.write(out, value.count)
  },
  read(input) {
    const goal = u8.read(input)
    const what = goal === NAMED_CLASS ? { name: name.read(input) } : { goal }
    return { ...what, count: u32.read(input) }
  },
}
const NAMED_CLASS = 0xff
/** Whether named classes may be told; older clients know goals only. */
export const knowsClassNames = (version: number) => version >= versionNumber(3, 0, 75)
export const fuseGetsclass = messageOf(
  447,
  'MATOCL_FUSE_GETSCLASS',
  statusOr({ fileCount: u8, directoryCount: u8, items: many(classCount) }),
)
export const fuseSetsclass = messageOf(449, 'MATOCL_FUSE_SETSCLASS', statusOr(counts))
/** Connections of mounts get zeros between the numbers, those of tools don't. */
export const fuseGetdirstats = messageOf(463, 'MATOCL_FUSE_GETDIRSTATS', statusOr({ numbers: rest }))
export const fuseSnapshot = statusAnswer(469, 'MATOCL_FUSE_SNAPSHOT')
export const fuseGeteattr = messageOf(
  473,
  'MATOCL_FUSE_GETEATTR',
  statusOr({ fileCount: u8, directoryCount: u8, items: many(record({ eattr: u8, count: u32 })) }),
)
export const fuseSeteattr = messageOf(475, 'MATOCL_FUSE_SETEATTR', statusOr(counts))
export const fuseQuotacontrol = messageOf(
  477,
  'MATOCL_FUSE_QUOTACONTROL',
  statusOr({
    flags: u8,
    gracePeriodSeconds: since(versionNumber(3, 0, 9), u32),
    softInodes: u32,
    softLength: sum64,
    softSize: sum64,
    softRealsize: sum64,
    hardInodes: u32,
    hardLength: sum64,
    hardSize: sum64,
    hardRealsize: sum64,
    inodes: u32,
    length: sum64,
    size: sum64,
    realsize: sum64,
  }),
)
/** What was counted, or what was changed. */
export const fuseArchctl = messageOf(497, 'MATOCL_FUSE_ARCHCTL', statusOr({ numbers: rest }))

export const sclassCreate = statusAnswer(351, 'MATOCL_SCLASS_CREATE')
export const sclassChange = messageOf(353, 'MATOCL_SCLASS_CHANGE', statusOr({ form: u8, definition: classDefinition }))
export const sclassDelete = statusAnswer(355, 'MATOCL_SCLASS_DELETE')
export const sclassDuplicate = statusAnswer(357, 'MATOCL_SCLASS_DUPLICATE')
export const sclassRename = statusAnswer(359, 'MATOCL_SCLASS_RENAME')
/** NAMEs, or NAMEs each with its definition. */
export const sclassList = messageOf(361, 'MATOCL_SCLASS_LIST', statusOr({ classes: rest }))
export const sclassListed = record({ name })
export const sclassListedLong = record({ name, definition: classDefinition })

/** Depends on the kind of node (spec tools-and-admin A.3, NODE_INFO). */
export const nodeInfo = message(547, 'MATOCL_NODE_INFO', { msgid: optional(u32), body: rest })

/** The length alone, or length and value. */
export const fuseGetxattr = messageOf(479, 'MATOCL_FUSE_GETXATTR', statusOr({ length: u32, value: rest }))
export const fuseSetxattr = statusAnswer(481, 'MATOCL_FUSE_SETXATTR')
export const fuseCreate = messageOf(
  483,
  'MATOCL_FUSE_CREATE',
  statusOr({ flags: since(V3_0_113, u8), inode: u32, attributes }),
)
export const fuseParents = messageOf(485, 'MATOCL_FUSE_PARENTS', statusOr({ parents: many(u32) }))
export const fusePaths = messageOf(487, 'MATOCL_FUSE_PATHS', statusOr({ paths: many(text(u32, 1 << 20)) }))
export const fuseGetfacl = messageOf(
  489,
  'MATOCL_FUSE_GETFACL',
  statusOr({
    user: u16,
    group: u16,
    other: u16,
    mask: u16,
    userCount: u16,
    groupCount: u16,
    entries: many(record({ id: u32, perm: u16 })),
  }),
)
export const fuseSetfacl = statusAnswer(491, 'MATOCL_FUSE_SETFACL')
export const fuseFlock = statusAnswer(493, 'MATOCL_FUSE_FLOCK')
export const fusePosixLock = messageOf(
  495,
  'MATOCL_FUSE_POSIX_LOCK',
  statusOr({ pid: u32, type: u8, start: u64, end: u64 }),
)

// Trash and sustained files: meta sessions only (spec client-master 5.10).
/** A stored path with every slash replaced by a bar, cut when it is long. */
export const detachedName = record({ name, inode: u32 })
export const fuseGettrash = messageOf(451, 'MATOCL_FUSE_GETTRASH', statusOr({ entries: many(detachedName) }))
export const fuseGetdetachedattr = attributesAnswer(453, 'MATOCL_FUSE_GETDETACHEDATTR')
/** The path ends with a NUL that is counted. */
export const fuseGettrashpath = messageOf(455, 'MATOCL_FUSE_GETTRASHPATH', statusOr({ path: text(u32, 8192) }))
export const fuseSettrashpath = statusAnswer(457, 'MATOCL_FUSE_SETTRASHPATH')
export const fuseUndel = statusAnswer(459, 'MATOCL_FUSE_UNDEL')
export const fusePurge = statusAnswer(461, 'MATOCL_FUSE_PURGE')
export const fuseGetsustained = messageOf(471, 'MATOCL_FUSE_GETSUSTAINED', statusOr({ entries: many(detachedName) }))

/** Messages that the master begins itself carry msgid 0 (spec client-master 8). */
export const V3_0_74 = versionNumber(3, 0, 74)
/** Another client wrote the chunk or, `truncated`, cut the file inside it. */
export const chunkHasChanged = message(702, 'MATOCL_FUSE_CHUNK_HAS_CHANGED', {
  msgid: u32,
  inode: u32,
  index: u32,
  chunkId: u64n,
  version: u32,
  length: u64n,
  truncated: u8,
})
export const lengthHasChanged = message(703, 'MATOCL_FUSE_FLENG_HAS_CHANGED', { msgid: u32, inode: u32, length: u64n })
/** Servers have come or gone: all that was learnt of copies is stale. */
export const invalidateChunkCache = message(706, 'MATOCL_FUSE_INVALIDATE_CHUNK_CACHE', { msgid: u32 })
export const knowsInvalidateChunkCache = (version: number) =>
  (version >= versionNumber(3, 0, 100) && version < V4_0_0) || version >= versionNumber(4, 3, 0)
/** All names of the folder, which is lent from now on. */
export const fuseLendFolder = messageOf(0x7021, 'MATOCL_FUSE_LEND_FOLDER', statusOr({ names: many(name) }))
/** Somebody else changes names in a folder that is lent. Waits for CLTOMA_FOLDER_RETURNED. */
export const recallFolder = message(0x7022, 'MATOCL_RECALL_FOLDER', { msgid: u32, inode: u32 })

export const nop = message(0, 'ANTOAN_NOP', { msgid: optional(u32) })
export const fuseTimeSync = message(705, 'MATOCL_FUSE_TIME_SYNC', { msgid: optional(u32), microseconds: u64n })
export const version = message(11, 'ANTOAN_VERSION', { msgid: optional(u32), version: u32, text: rest })
export const configValue = message(81, 'ANTOAN_CONFIG_VALUE', { msgid: u32, value: name })

// Answers to monitors (spec tools-and-admin A.5).
export const ServerFlag = { DISCONNECTED: 1, MAINTENANCE: 2, TEMPORARY_MAINTENANCE: 4 } as const
const monitoredServer = record({
  flags: u8,
  /** The low 24 bits of the version, as high:8 low:16. */
  versionHigh: u8,
  versionLow: u16,
  ip: u32,
  port: u16,
  serverId: u16,
  used: sum64,
  total: sum64,
  chunks: u32,
  removalUsed: sum64,
  removalTotal: sum64,
  removalChunks: u32,
  errors: u32,
  load: u32,
  grace: u32,
  labels: u32,
  removalStatus: u8,
})
export const cservList = message(501, 'MATOCL_CSERV_LIST', { servers: many(monitoredServer) })
/** What INFO calls the place of a master among several; the four fields of one that is alone are all ALONE. */
export const MasterPlace = { DUMMY: 0, LEADER: 1, ELECT: 2, FOLLOWER: 3, USURPER: 4, ALONE: 0xff } as const
export const info = message(511, 'MATOCL_INFO', {
  version: u32,
  memory: u64n,
  systemCpu: u64n,
  userCpu: u64n,
  total: sum64,
  available: sum64,
  free: sum64,
  trashSpace: sum64,
  trashNodes: u32,
  sustainedSpace: sum64,
  sustainedNodes: u32,
  nodes: u32,
  folders: u32,
  files: u32,
  chunks: u32,
  copies: u32,
  regularCopies: u32,
  lastStore: u32,
  lastDuration: u32,
  lastStatus: u8,
  state: u8,
  nextState: u8,
  stable: u8,
  sync: u8,
  leaderIp: u32,
  stateChange: u32,
  metaVersion: u64n,
  exportsChecksum: u64,
  microseconds: u64n,
  lastChangelog: u32,
})
/** `progress:8` and two matrices, or one: 11 rows (copies wanted, 0 to 10 and more) of 11 numbers (good copies). */
export const chunksMatrix = message(517, 'MATOCL_CHUNKS_MATRIX', { body: rest })
/** Eighteen numbers: times of the last span, then what was done and what waits, by kind (see WorkReport). */
export const chunksTestInfo = message(515, 'MATOCL_CHUNKSTEST_INFO', { numbers: many(u32) })
export const csservCommand = message(525, 'MATOCL_CSSERV_COMMAND', { status: optional(u8) })
