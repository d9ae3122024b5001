// Client to master, in the order of their codes (spec client-master), in the layouts of clients of all versions.
import { caller, knowsWinattr, V2_0_0 } from './attributes.ts'
import {
  blob,
  bytes,
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
  sum64,
  text,
  u8,
  u16,
  u32,
  u64,
  u64n,
  wishedLength,
} from './codec.ts'

/** The text that begins a registration (spec client-master 2.1). */
export const REGISTER_BLOB_ACL = 'DjI1GAQDULI5d2YjA26ypc3ovkhjvhciTQVx3CS4nYgtBoUcsljiVpsErJENHaw0'

export const RegisterCode = {
  GETRANDOM: 1,
  NEWSESSION: 2,
  RECONNECT: 3,
  TOOLS: 4,
  NEWMETASESSION: 5,
  CLOSESESSION: 6,
} as const

/** What follows the fixed part of a new session, told by its length alone. */
interface SessionTail {
  sessionId?: number
  metaId?: bigint
  passcode?: Buffer
}

const sessionTail: Codec<SessionTail> = {
  layout: '[sessionId:32 [metaId:64]] [passcode:16B]',
  write(out, { sessionId, metaId, passcode }) {
    if (sessionId !== undefined) u32.write(out, sessionId)
    if (metaId !== undefined) u64.write(out, metaId)
    if (passcode) bytes(16).write(out, passcode)
  },
  read(input) {
    const tail: SessionTail = {}
    if (![0, 4, 12, 16, 20, 28].includes(input.left)) throw new ProtocolError(`${input.left} bytes behind the path`)
    const passcode = input.left >= 16
    const ids = input.left - (passcode ? 16 : 0)
    if (ids >= 4) tail.sessionId = u32.read(input)
    if (ids >= 12) tail.metaId = u64.read(input)
    if (passcode) tail.passcode = bytes(16).read(input)
    return tail
  },
}

const shortText = text(u32, 4096)
export const registerKinds = {
  [RegisterCode.GETRANDOM]: record({}),
  [RegisterCode.NEWSESSION]: record({ version: u32, info: shortText, path: shortText, tail: sessionTail }),
  [RegisterCode.RECONNECT]: record({ sessionId: u32, version: u32, metaId: optional(u64) }),
  [RegisterCode.TOOLS]: record({ sessionId: u32, version: u32, metaId: optional(u64) }),
  [RegisterCode.NEWMETASESSION]: record({ version: u32, info: shortText, tail: sessionTail }),
  [RegisterCode.CLOSESESSION]: record({ sessionId: u32, metaId: optional(u64) }),
}

/** Kinds of registration; `kind` says how to read `body` (see registerKinds). */
export const fuseRegister = message(400, 'CLTOMA_FUSE_REGISTER', { blob: bytes(64), kind: u8, body: rest })

export const fuseStatfs = message(402, 'CLTOMA_FUSE_STATFS', { msgid: u32 })

/** Mask is 16 bits behind the long form of the caller and 8 behind the short one. */
export const fuseAccess = messageOf<{ msgid: number; inode: number; uid: number; gids: number[]; mask: number }>(
  404,
  'CLTOMA_FUSE_ACCESS',
  {
    layout: 'msgid:32 inode:32 (uid:32 gid:32 mask:8 | uid:32 gids:32 N*[32] mask:16)',
    write(out, { msgid, inode, uid, gids, mask }) {
      u32.write(out, msgid)
      u32.write(out, inode)
      caller(2).write(out, { uid, gids })
      u16.write(out, mask)
    },
    read(input) {
      const short = input.left === 17
      const [msgid, inode] = [u32.read(input), u32.read(input)]
      const { uid, gids } = caller(short ? 1 : 2).read(input)
      return { msgid, inode, uid, gids, mask: short ? u8.read(input) : u16.read(input) }
    },
  },
)

const inParent = { msgid: u32, parent: u32, name, caller: caller(0) }
const byInode = { msgid: u32, inode: u32 }

export const fuseLookup = message(406, 'CLTOMA_FUSE_LOOKUP', inParent)

/** uid and gid are missing in the shortest form, `opened` in the middle one. */
export const fuseGetattr = messageOf<{ msgid: number; inode: number; opened?: number; uid?: number; gid?: number }>(
  408,
  'CLTOMA_FUSE_GETATTR',
  {
    layout: 'msgid:32 inode:32 [[opened:8] uid:32 gid:32]',
    write(out, { msgid, inode, opened, uid, gid }) {
      u32.write(out, msgid)
      u32.write(out, inode)
      if (opened !== undefined) u8.write(out, opened)
      if (uid !== undefined) u32.write(out, uid)
      if (gid !== undefined) u32.write(out, gid)
    },
    read(input) {
      const [msgid, inode] = [u32.read(input), u32.read(input)]
      if (input.left === 0) return { msgid, inode }
      const opened = input.left === 9 ? { opened: u8.read(input) } : {}
      return { msgid, inode, ...opened, uid: u32.read(input), gid: u32.read(input) }
    },
  },
)

/** What SETATTR changes (spec client-master 5.2). */
export const SetMask = {
  WINATTR: 0x01,
  MODE: 0x02,
  UID: 0x04,
  GID: 0x08,
  MTIME_NOW: 0x10,
  MTIME: 0x20,
  ATIME: 0x40,
  ATIME_NOW: 0x80,
} as const

const setattrFields = record({ setmask: u8, mode: u16, uid: u32, gid: u32, atime: u32, mtime: u32 })
const SETATTR_FIELDS_BYTES = 19
/** What the times need besides (fine-times.ts). */
const moreOfTimes = record({ atimeMore: extended(u32), mtimeMore: extended(u32) })
interface SetattrFields extends ReturnType<(typeof setattrFields)['read']> {
  /** Missing where the version does not know it. */
  winattr?: number | undefined
  sugidClearMode: number
  atimeMore?: number | undefined
  mtimeMore?: number | undefined
}
/** What a missing clear mode means: always. */
const SUGID_CLEAR_ALWAYS = 1

export const fuseSetattr = messageOf<{
  msgid: number
  inode: number
  opened: number
  caller: { uid: number; gids: number[] }
  set: SetattrFields
}>(410, 'CLTOMA_FUSE_SETATTR', {
  layout: `msgid:32 inode:32 [opened:8] CALLER ${setattrFields.layout} [winattr:8] [sugidClearMode:8]`,
  write(out, value) {
    u32.write(out, value.msgid)
    u32.write(out, value.inode)
    u8.write(out, value.opened)
    caller(0).write(out, value.caller)
    setattrFields.write(out, value.set)
    if (knowsWinattr(out.version)) u8.write(out, value.set.winattr ?? 0)
    u8.write(out, value.set.sugidClearMode)
    moreOfTimes.write(out, value.set)
  },
  /** The oldest forms, of 35 and 36 bytes, have no `opened`, and the very oldest has no clear mode. */
  read(input) {
    const whole = input.left
    const [msgid, inode] = [u32.read(input), u32.read(input)]
    const opened = whole >= 37 ? u8.read(input) : 0
    const winattrBytes = knowsWinattr(input.version) ? 1 : 0
    const clearBytes = whole >= 36 ? 1 : 0
    const tail = SETATTR_FIELDS_BYTES + winattrBytes + clearBytes
    const who = caller(tail, tail + 8).read(input)
    const fields = setattrFields.read(input)
    const winattr = winattrBytes > 0 ? u8.read(input) : undefined
    const sugidClearMode = clearBytes > 0 ? u8.read(input) : SUGID_CLEAR_ALWAYS
    const set = { ...fields, winattr, sugidClearMode, ...moreOfTimes.read(input) }
    return { msgid, inode, opened, caller: who, set }
  },
})

/** Before 2.0.0 clients applied it themselves. */
const umask: Codec<number> = {
  layout: '[16]',
  write(out, value) {
    if (out.version >= V2_0_0) u16.write(out, value)
  },
  read: input => (input.version >= V2_0_0 ? u16.read(input) : 0),
}

export const fuseReadlink = message(412, 'CLTOMA_FUSE_READLINK', byInode)
/** The target ends with a NUL that is counted. */
export const fuseSymlink = message(414, 'CLTOMA_FUSE_SYMLINK', {
  msgid: u32,
  parent: u32,
  name,
  target: text(u32, 8192),
  caller: caller(0),
})
export const fuseMknod = message(416, 'CLTOMA_FUSE_MKNOD', {
  msgid: u32,
  parent: u32,
  name,
  type: u8,
  mode: u16,
  umask,
  caller: caller(4),
  rdev: u32,
})
export const fuseMkdir = message(418, 'CLTOMA_FUSE_MKDIR', {
  msgid: u32,
  parent: u32,
  name,
  mode: u16,
  umask,
  caller: caller(1),
  /** Missing before 1.6.25. */
  copySgid: optional(u8),
})
export const fuseUnlink = message(420, 'CLTOMA_FUSE_UNLINK', inParent)
export const fuseRmdir = message(422, 'CLTOMA_FUSE_RMDIR', inParent)
export const fuseRename = message(424, 'CLTOMA_FUSE_RENAME', {
  msgid: u32,
  parentSource: u32,
  nameSource: name,
  parentTarget: u32,
  nameTarget: name,
  caller: caller(0, 1),
  /** Flags of renameat2(2). */
  mode: extended(u8),
})
/** Flags of a rename between ours, as in renameat2(2). */
export const RenameFlag = { NOREPLACE: 1, EXCHANGE: 2 } as const
export const fuseLink = message(426, 'CLTOMA_FUSE_LINK', {
  msgid: u32,
  inode: u32,
  parent: u32,
  name,
  caller: caller(0),
})

export const ReaddirFlag = { WITHATTR: 1, ADDTOCACHE: 2 } as const
/** Ids that are no entry's: a listing begins with `.` and `..`. */
export const ListingEdge = { DOT: 0n, DOTDOT: 1n, END: 0x7fffffffffffffffn } as const
/** The forms without paging, of 16 and 17 bytes, are answered with all entries and without an edge id. */
export const fuseReaddir = messageOf<{
  msgid: number
  inode: number
  caller: { uid: number; gids: number[] }
  flags: number
  /** Missing without paging. `edgeId` is where to go on: 0 from `.`, 1 from `..`. */
  page?: { maxEntries: number; edgeId: bigint }
}>(428, 'CLTOMA_FUSE_READDIR', {
  layout: 'msgid:32 inode:32 (uid:32 gid:32 [flags:8] | CALLER flags:8 maxEntries:32 edgeId:64)',
  write(out, { msgid, inode, caller: who, flags, page }) {
    u32.write(out, msgid)
    u32.write(out, inode)
    caller(13).write(out, who)
    u8.write(out, flags)
    u32.write(out, page?.maxEntries ?? 0xffffffff)
    u64.write(out, page?.edgeId ?? 0n)
  },
  read(input) {
    const whole = input.left
    const [msgid, inode] = [u32.read(input), u32.read(input)]
    if (whole <= 17) {
      const who = { uid: u32.read(input), gids: [u32.read(input)] }
      return { msgid, inode, caller: who, flags: input.left > 0 ? u8.read(input) : 0 }
    }
    const who = caller(13).read(input)
    const flags = u8.read(input)
    return { msgid, inode, caller: who, flags, page: { maxEntries: u32.read(input), edgeId: u64.read(input) } }
  },
})

export const OpenFlag = { READ: 0x01, WRITE: 0x02, AFTER_CREATE: 0x04, TRUNCATE: 0x08, CACHE_CLEARED: 0x10 } as const
export const fuseOpen = message(430, 'CLTOMA_FUSE_OPEN', { msgid: u32, inode: u32, caller: caller(1), flags: u8 })

export const ChunkOpFlag = { CANMODTIME: 1, CONTINUEOP: 2, CANUSERESERVESPACE: 4 } as const
export const fuseReadChunk = message(432, 'CLTOMA_FUSE_READ_CHUNK', { ...byInode, index: u32, flags: optional(u8) })
export const fuseWriteChunk = message(434, 'CLTOMA_FUSE_WRITE_CHUNK', { ...byInode, index: u32, flags: optional(u8) })

/** `index` is missing in the layouts before 3.0.74, `flags` before 3.0.4. */
export const fuseWriteChunkEnd = messageOf<{
  msgid: number
  chunkId: number
  inode: number
  index?: number
  length: number
  flags?: number
}>(436, 'CLTOMA_FUSE_WRITE_CHUNK_END', {
  layout: 'msgid:32 chunkId:64 inode:32 [index:32] length:64 [flags:8]',
  write(out, { msgid, chunkId, inode, index, length, flags }) {
    u32.write(out, msgid)
    u64n.write(out, chunkId)
    u32.write(out, inode)
    if (index !== undefined) u32.write(out, index)
    wishedLength.write(out, length)
    if (flags !== undefined) u8.write(out, flags)
  },
  read(input) {
    const whole = input.left
    const head = { msgid: u32.read(input), chunkId: u64n.read(input), inode: u32.read(input) }
    const index = whole >= 29 ? { index: u32.read(input) } : {}
    const length = wishedLength.read(input)
    return { ...head, ...index, length, ...(input.left > 0 ? { flags: u8.read(input) } : {}) }
  },
})

export const TruncateFlag = { OPENED: 1, UPDATE: 2, TIMEFIX: 4, RESERVE: 8 } as const
/** The oldest form, of 24 bytes, has no flags: root with a group says that the file is open. */
export const fuseTruncate = messageOf<{
  msgid: number
  inode: number
  flags: number
  caller: { uid: number; gids: number[] }
  length: number
}>(464, 'CLTOMA_FUSE_TRUNCATE', {
  layout: 'msgid:32 inode:32 [flags:8] CALLER length:64',
  write(out, { msgid, inode, flags, caller: who, length }) {
    u32.write(out, msgid)
    u32.write(out, inode)
    u8.write(out, flags)
    caller(8).write(out, who)
    wishedLength.write(out, length)
  },
  read(input) {
    const oldest = input.left === 24
    const [msgid, inode] = [u32.read(input), u32.read(input)]
    const flags = oldest ? 0 : u8.read(input)
    const who = caller(8).read(input)
    const isOpened = oldest && who.uid === 0 && who.gids[0] !== 0
    return {
      msgid,
      inode,
      flags: isOpened ? TruncateFlag.OPENED : flags,
      caller: who,
      length: wishedLength.read(input),
    }
  },
})
export const fuseRepair = message(466, 'CLTOMA_FUSE_REPAIR', { ...byInode, caller: caller(0) })
/** The forms are told apart by their length (spec client-master 5.6). */
export const fuseAppendSlice = messageOf<{
  msgid: number
  flags: number
  inode: number
  source: number
  from: number
  to: number
  caller: { uid: number; gids: number[] }
}>(438, 'CLTOMA_FUSE_APPEND_SLICE', {
  layout: 'msgid:32 [flags:8] inode:32 source:32 [from:32 to:32] CALLER',
  write(out, value) {
    u32.write(out, value.msgid)
    u8.write(out, value.flags)
    for (const field of [value.inode, value.source, value.from, value.to]) u32.write(out, field)
    caller(0).write(out, value.caller)
  },
  read(input) {
    const sliced = input.left % 2 === 1
    const msgid = u32.read(input)
    const flags = sliced ? u8.read(input) : 0
    const [inode, source] = [u32.read(input), u32.read(input)]
    // The form without a slice means the whole file.
    const [from, to] = sliced ? [u32.read(input), u32.read(input)] : [0, 0xffffffff]
    return { msgid, flags, inode, source, from, to, caller: caller(0).read(input) }
  },
})
export const AppendFlag = { FROM_END: 1, TO_END: 2 } as const

export const fuseCheck = message(440, 'CLTOMA_FUSE_CHECK', { ...byInode, index: optional(u32) })

/** `recursive`: 0 the node alone, 1 everything below it too. */
const ofTree = { ...byInode, recursive: u8 }
export const fuseGettrashtime = message(442, 'CLTOMA_FUSE_GETTRASHTIME', ofTree)
export const fuseSettrashtime = message(444, 'CLTOMA_FUSE_SETTRASHTIME', {
  ...byInode,
  uid: u32,
  seconds: u32,
  mode: u8,
})
export const fuseGetsclass = message(446, 'CLTOMA_FUSE_GETSCLASS', ofTree)

/** A goal, or the name of a class, and with exchange the name of the class before. */
export const fuseSetsclass = messageOf<{
  msgid: number
  inode: number
  uid: number
  mode: number
  goal?: number
  oldName?: string
  newName?: string
}>(448, 'CLTOMA_FUSE_SETSCLASS', {
  layout: 'msgid:32 inode:32 uid:32 (goal:8 mode:8 | 0xFF:8 mode:8 [oldName:NAME] newName:NAME)',
  write(out, { msgid, inode, uid, mode, goal, oldName, newName }) {
    for (const field of [msgid, inode, uid]) u32.write(out, field)
    u8.write(out, goal ?? NAMED_CLASS)
    u8.write(out, mode)
    if (oldName !== undefined) name.write(out, oldName)
    if (newName !== undefined) name.write(out, newName)
  },
  read(input) {
    const [msgid, inode, uid] = [u32.read(input), u32.read(input), u32.read(input)]
    const [goal, mode] = [u8.read(input), u8.read(input)]
    if (goal !== NAMED_CLASS) {
      // The original does not look at what may stand behind it.
      input.take(input.left)
      return { msgid, inode, uid, mode, goal }
    }
    const exchanges = (mode & 3) === 3
    const oldName = exchanges ? { oldName: name.read(input) } : {}
    return { msgid, inode, uid, mode, ...oldName, newName: name.read(input) }
  },
})
const NAMED_CLASS = 0xff

export const fuseGetdirstats = message(462, 'CLTOMA_FUSE_GETDIRSTATS', byInode)

/** The umask is missing in the oldest form. */
export const fuseSnapshot = messageOf<{
  msgid: number
  inode: number
  parent: number
  name: string
  caller: { uid: number; gids: number[] }
  mode: number
  umask: number
}>(468, 'CLTOMA_FUSE_SNAPSHOT', {
  layout: 'msgid:32 inode:32 parent:32 name:NAME CALLER mode:8 [umask:16]',
  write(out, value) {
    for (const field of [value.msgid, value.inode, value.parent]) u32.write(out, field)
    name.write(out, value.name)
    caller(3).write(out, value.caller)
    u8.write(out, value.mode)
    u16.write(out, value.umask)
  },
  read(input) {
    const [msgid, inode, parent] = [u32.read(input), u32.read(input), u32.read(input)]
    const target = name.read(input)
    const oldest = input.left === 9
    const who = caller(oldest ? 1 : 3).read(input)
    return {
      msgid,
      inode,
      parent,
      name: target,
      caller: who,
      mode: u8.read(input),
      umask: oldest ? 0 : u16.read(input),
    }
  },
})

export const fuseGeteattr = message(472, 'CLTOMA_FUSE_GETEATTR', ofTree)
export const fuseSeteattr = message(474, 'CLTOMA_FUSE_SETEATTR', { ...byInode, uid: u32, eattr: u8, mode: u8 })

const quotaLimits = record({
  softInodes: u32,
  softLength: sum64,
  softSize: sum64,
  softRealsize: sum64,
  hardInodes: u32,
  hardLength: sum64,
  hardSize: sum64,
  hardRealsize: sum64,
})
type QuotaLimits = ReturnType<(typeof quotaLimits)['read']>
/** Without limits: delete those of `flags`, or with 0 only read. */
export const fuseQuotacontrol = messageOf<{
  msgid: number
  inode: number
  flags: number
  gracePeriodSeconds: number
  limits?: QuotaLimits
}>(476, 'CLTOMA_FUSE_QUOTACONTROL', {
  layout: `msgid:32 inode:32 flags:8 [[gracePeriod:32] ${quotaLimits.layout}]`,
  write(out, { msgid, inode, flags, gracePeriodSeconds, limits }) {
    u32.write(out, msgid)
    u32.write(out, inode)
    u8.write(out, flags)
    if (!limits) return
    u32.write(out, gracePeriodSeconds)
    quotaLimits.write(out, limits)
  },
  read(input) {
    const head = { msgid: u32.read(input), inode: u32.read(input), flags: u8.read(input) }
    if (input.left === 0) return { ...head, gracePeriodSeconds: 0 }
    const gracePeriodSeconds = input.left === 60 ? u32.read(input) : 0
    return { ...head, gracePeriodSeconds, limits: quotaLimits.read(input) }
  },
})

export const ArchiveCommand = { CLEAR: 0, SET: 1, GET: 2 } as const
/** With GET there is no uid. */
export const fuseArchctl = message(496, 'CLTOMA_FUSE_ARCHCTL', { ...byInode, command: u8, uid: optional(u32) })

// Storage classes (spec tools-and-admin A.4).
const labelMasks = record({ a: u32, b: u32, c: u32, d: u32 })
export interface ClassDefinition {
  adminOnly: boolean
  mode: number
  archiveDelayDays: number
  /** Each wanted copy is four masks of labels. */
  create: number[][]
  keep: number[][]
  archive: number[][]
}
export const classDefinition: Codec<ClassDefinition> = {
  layout: 'adminOnly:8 mode:8 archiveDelay:16 C:8 K:8 A:8 (C+K+A)*[32 32 32 32]',
  write(out, value) {
    u8.write(out, value.adminOnly ? 1 : 0)
    u8.write(out, value.mode)
    u16.write(out, value.archiveDelayDays)
    const sets = [value.create, value.keep, value.archive]
    for (const set of sets) u8.write(out, set.length)
    for (const set of sets) {
      for (const [a = 0, b = 0, c = 0, d = 0] of set) labelMasks.write(out, { a, b, c, d })
    }
  },
  read(input) {
    const [adminOnly, mode, archiveDelayDays] = [u8.read(input) !== 0, u8.read(input), u16.read(input)]
    const counts = [u8.read(input), u8.read(input), u8.read(input)]
    const [create = [], keep = [], archive = []] = counts.map(count =>
      Array.from({ length: count }, () => {
        const { a, b, c, d } = labelMasks.read(input)
        return [a, b, c, d]
      }),
    )
    return { adminOnly, mode, archiveDelayDays, create, keep, archive }
  },
}
export const sclassCreate = message(350, 'CLTOMA_SCLASS_CREATE', {
  msgid: u32,
  name,
  form: u8,
  definition: classDefinition,
})
export const sclassChange = message(352, 'CLTOMA_SCLASS_CHANGE', {
  msgid: u32,
  name,
  form: u8,
  mask: u16,
  definition: classDefinition,
})
export const sclassDelete = message(354, 'CLTOMA_SCLASS_DELETE', { msgid: u32, name })
export const sclassDuplicate = message(356, 'CLTOMA_SCLASS_DUPLICATE', { msgid: u32, source: name, target: name })
export const sclassRename = message(358, 'CLTOMA_SCLASS_RENAME', { msgid: u32, oldName: name, newName: name })
export const sclassList = message(360, 'CLTOMA_SCLASS_LIST', { msgid: u32, long: u8 })

export const nodeInfo = messageOf<{ msgid?: number; inode: number; maxEntries: number; continueId: number }>(
  546,
  'CLTOMA_NODE_INFO',
  {
    layout: '[msgid:32] inode:32 maxEntries:32 continueId:64',
    write(out, { msgid, inode, maxEntries, continueId }) {
      if (msgid !== undefined) u32.write(out, msgid)
      u32.write(out, inode)
      u32.write(out, maxEntries)
      u64n.write(out, continueId)
    },
    read(input) {
      const head = input.left === 20 ? { msgid: u32.read(input) } : {}
      return { ...head, inode: u32.read(input), maxEntries: u32.read(input), continueId: u64n.read(input) }
    },
  },
)

interface XattrRequest {
  msgid: number
  inode: number
  name: string
  mode: number
  opened: number
  caller: { uid: number; gids: number[] }
}
const xattrValue = blob(u32, 1 << 20)

/** `mode`: 0 the value, 1 its length. Before 2.0.0 the name came behind the caller. */
export const fuseGetxattr = messageOf<XattrRequest>(478, 'CLTOMA_FUSE_GETXATTR', {
  layout: 'msgid:32 inode:32 (name:NAME mode:8 opened:8 CALLER | opened:8 uid:32 gid:32 name:NAME mode:8)',
  write(out, value) {
    u32.write(out, value.msgid)
    u32.write(out, value.inode)
    name.write(out, value.name)
    u8.write(out, value.mode)
    u8.write(out, value.opened)
    caller(0).write(out, value.caller)
  },
  read(input) {
    const head = { msgid: u32.read(input), inode: u32.read(input) }
    if (input.version < V2_0_0) {
      const [opened, who] = [u8.read(input), caller(0).read(input)]
      return { ...head, name: name.read(input), mode: u8.read(input), opened, caller: who }
    }
    const what = { name: name.read(input), mode: u8.read(input), opened: u8.read(input) }
    return { ...head, ...what, caller: caller(0).read(input) }
  },
})
export const fuseSetxattr = messageOf<XattrRequest & { value: Buffer }>(480, 'CLTOMA_FUSE_SETXATTR', {
  layout: `msgid:32 inode:32 (name:NAME value:${xattrValue.layout} mode:8 opened:8 CALLER | opened:8 uid:32 gid:32 name:NAME value:${xattrValue.layout} mode:8)`,
  write(out, request) {
    u32.write(out, request.msgid)
    u32.write(out, request.inode)
    name.write(out, request.name)
    xattrValue.write(out, request.value)
    u8.write(out, request.mode)
    u8.write(out, request.opened)
    caller(0).write(out, request.caller)
  },
  read(input) {
    const head = { msgid: u32.read(input), inode: u32.read(input) }
    if (input.version < V2_0_0) {
      const [opened, who] = [u8.read(input), caller(0).read(input)]
      const what = { name: name.read(input), value: xattrValue.read(input), mode: u8.read(input) }
      return { ...head, ...what, opened, caller: who }
    }
    const what = { name: name.read(input), value: xattrValue.read(input) }
    return { ...head, ...what, mode: u8.read(input), opened: u8.read(input), caller: caller(0).read(input) }
  },
})
export const fuseCreate = message(482, 'CLTOMA_FUSE_CREATE', {
  msgid: u32,
  parent: u32,
  name,
  mode: u16,
  umask,
  caller: caller(0),
})
export const fuseParents = message(484, 'CLTOMA_FUSE_PARENTS', byInode)
export const fusePaths = message(486, 'CLTOMA_FUSE_PATHS', byInode)
export const fuseGetfacl = message(488, 'CLTOMA_FUSE_GETFACL', { ...byInode, aclType: u8, ignored: rest })

const aclEntry = record({ id: u32, perm: u16 })
export const fuseSetfacl = message(490, 'CLTOMA_FUSE_SETFACL', {
  ...byInode,
  uid: u32,
  aclType: u8,
  user: u16,
  group: u16,
  other: u16,
  mask: u16,
  userCount: u16,
  groupCount: u16,
  /** Users, then groups. */
  entries: many(aclEntry),
})

export const FlockCommand = {
  UNLOCK: 0,
  TRY_SHARED: 1,
  LOCK_SHARED: 2,
  TRY_EXCLUSIVE: 3,
  LOCK_EXCLUSIVE: 4,
  INTERRUPT: 5,
  RELEASE: 6,
} as const
export const fuseFlock = message(492, 'CLTOMA_FUSE_FLOCK', { ...byInode, requestId: u32, owner: u64, command: u8 })

export const PosixLockCommand = { GET: 0, SET: 1, TRY: 2, INTERRUPT: 3 } as const
export const fusePosixLock = message(494, 'CLTOMA_FUSE_POSIX_LOCK', {
  ...byInode,
  requestId: u32,
  owner: u64,
  pid: u32,
  command: u8,
  type: u8,
  start: u64,
  end: u64,
})

// Trash and sustained files: meta sessions only (spec client-master 5.10).
export const fuseGettrash = message(450, 'CLTOMA_FUSE_GETTRASH', {
  msgid: u32,
  /** Inode modulo 4096; all when missing. */
  bucket: optional(u32),
})
export const fuseGetdetachedattr = message(452, 'CLTOMA_FUSE_GETDETACHEDATTR', {
  ...byInode,
  /** 0 any, 1 trash, 2 sustained. */
  kind: optional(u8),
})
export const fuseGettrashpath = message(454, 'CLTOMA_FUSE_GETTRASHPATH', byInode)
export const fuseSettrashpath = message(456, 'CLTOMA_FUSE_SETTRASHPATH', { ...byInode, path: text(u32, 8192) })
export const fuseUndel = message(458, 'CLTOMA_FUSE_UNDEL', byInode)
export const fusePurge = message(460, 'CLTOMA_FUSE_PURGE', byInode)
export const fuseGetsustained = message(470, 'CLTOMA_FUSE_GETSUSTAINED', { msgid: u32 })

/** Everything that the client needs kept: open files and those closed of late. */
export const fuseSustainedInodes = message(700, 'CLTOMA_FUSE_SUSTAINED_INODES', { inodes: many(u32) })
export const fuseAmtimeInodes = message(701, 'CLTOMA_FUSE_AMTIME_INODES', {
  times: many(record({ inode: u32, atime: u32, mtime: u32, atimeMore: extended(u32), mtimeMore: extended(u32) })),
})
export const fuseTimeSync = message(704, 'CLTOMA_FUSE_TIME_SYNC', { msgid: optional(u32) })
/** May the client itself say which names are not in this folder? Of masters that answer LENDING_OPTION. */
export const fuseLendFolder = message(0x7020, 'CLTOMA_FUSE_LEND_FOLDER', { ...byInode, caller: caller(0) })
/** What the master called back is not lent any more. */
export const folderReturned = message(0x7023, 'CLTOMA_FOLDER_RETURNED', byInode)

export const getVersion = message(10, 'ANTOAN_GET_VERSION', { msgid: optional(u32) })
export const getConfig = message(80, 'ANTOAN_GET_CONFIG', { msgid: u32, option: name })

// Questions of monitors: no session, no msgid (spec tools-and-admin A.5).
export const cservList = message(500, 'CLTOMA_CSERV_LIST', {})
export const info = message(510, 'CLTOMA_INFO', {})
export const chunksTestInfo = message(514, 'CLTOMA_CHUNKSTEST_INFO', {})
export const chunksMatrix = message(516, 'CLTOMA_CHUNKS_MATRIX', {
  /** 0 all copies, 1 those not on disks marked for removal; both, after a byte of progress, when missing. */
  kind: optional(u8),
})
/** What a monitor orders for a chunkserver. */
export const ServerCommand = { REMOVE: 0, BACK_TO_WORK: 1, MAINTENANCE_ON: 2, MAINTENANCE_OFF: 3 } as const

const csservFields = record({ command: u8, ip: u32, port: u16 })
const csservAddress = record({ ip: u32, port: u16 })
/** The form without a command is old: it removes the server, and its answer is empty. */
export const csservCommand = messageOf<{ command: number | undefined; ip: number; port: number }>(
  524,
  'CLTOMA_CSSERV_COMMAND',
  {
    layout: '[command:8] ip:32 port:16',
    write(out, { command, ip, port }) {
      if (command === undefined) csservAddress.write(out, { ip, port })
      else csservFields.write(out, { command, ip, port })
    },
    read: input => (input.left === 6 ? { command: undefined, ...csservAddress.read(input) } : csservFields.read(input)),
  },
)
