// Metadata files as older masters wrote them, encoded by hand from their layouts: one small file system, every section
// in every version. There are no real files of those versions, so the real tools and the real master judge these.

export const u8 = (value: number) => Buffer.from([value])
export const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff])
export const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
export const u64 = (value: bigint | number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
export const text = (value: string) => Buffer.from(value, 'latin1')
export const zeros = (count: number) => Buffer.alloc(count)
export const join = (...parts: Buffer[]) => Buffer.concat(parts)

export const VERSION = 1000
export const META_ID = 0x5f00_1122_3344_5566n
export const MAX_INODE = 20
export const NEXT_SESSION = 9
export const TIME = 1_600_000_000

/** Section versions that 3.0.117 reads, oldest first. */
export const readableVersions: Record<string, number[]> = {
  SESS: [0x10, 0x11, 0x12, 0x13, 0x14, 0x15],
  SCLA: [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16],
  NODE: [0x10, 0x11, 0x12, 0x13, 0x14],
  EDGE: [0x10, 0x11],
  FREE: [0x10],
  QUOT: [0x10, 0x11],
  XATR: [0x10],
  PACL: [0x10, 0x11],
  OPEN: [0x10],
  FLCK: [0x10],
  PLCK: [0x10],
  CSDB: [0x10, 0x11, 0x12, 0x13],
  CHNK: [0x10, 0x11],
}

const COUNTERS = 16
const counters = (first: number, count = COUNTERS) => join(...Array.from({ length: count }, (_, i) => u32(first + i)))

interface SampleSession {
  id: number
  root: number
  info: string
}

const sessions: SampleSession[] = [
  { id: 2, root: 1, info: '/mnt/a b' },
  { id: 3, root: 0, info: '/mnt/m\xe9ta' },
]

function sessionRecord({ id, root, info }: SampleSession, version: number, counterCount: number): Buffer {
  return join(
    u32(id),
    ...(version >= 0x13 ? [u64(0xfedcba9876543210n)] : []),
    u32(info.length),
    u32(0x0a0a0a01 + id),
    u32(root),
    u8(0x08),
    ...(version >= 0x14 ? [u16(0o027)] : []),
    u8(1),
    u8(9),
    u32(0),
    u32(0xffffffff),
    u32(0),
    u32(0),
    u32(999),
    u32(998),
    ...(version >= 0x15 ? [u32(0x5)] : []),
    ...(version >= 0x11 ? [u32(TIME + id)] : []),
    counters(100 * id, counterCount),
    counters(100 * id + 50, counterCount),
    text(info),
  )
}

/** @param version of the records; below 0x12 the inner version says it */
export function sessBody(version: number, counterCount = COUNTERS): Buffer {
  const inner = version < 0x12 ? [u16(version === 0x10 ? 1 : 2)] : []
  const records = sessions.map(session => sessionRecord(session, version, counterCount))
  const size = (records[0] as Buffer).length - (sessions[0] as SampleSession).info.length
  return join(...inner, u32(NEXT_SESSION), u16(counterCount), ...records, zeros(size))
}

interface SampleClass {
  id: number
  name: string
  create: number[][]
  keep: number[][]
  archive: number[][]
}

const any = (copies: number) => Array.from({ length: copies }, () => [0, 0, 0, 0])
const predefined = Array.from({ length: 9 }, (_, i) => {
  return { id: i + 1, name: String(i + 1), create: any(i + 1), keep: any(i + 1), archive: any(i + 1) }
})
const classes: SampleClass[] = [
  ...predefined,
  { id: 10, name: 'fast', create: [[1, 0, 0, 0]], keep: [[1, 0, 0, 0], ...any(1)], archive: [[2, 0, 0, 0]] },
  { id: 12, name: 'two\xe9', create: [[3, 4, 0, 0], ...any(1)], keep: [[5, 6, 7, 0]], archive: any(3) },
]

function classRecord({ id, name, create, keep, archive }: SampleClass, version: number): Buffer {
  const masks = (lists: number[][]) => {
    return join(...lists.map(list => join(...list.slice(0, version === 0x10 ? 1 : 4).map(u32))))
  }
  const counts = [u8(create.length), u8(keep.length), u8(archive.length)]
  switch (version) {
    case 0x16:
      return join(
        ...[u16(id), u8(name.length), u8(id === 12 ? 1 : 0), u8(2), u16(id), ...counts, text(name)],
        ...[masks(create), masks(keep), masks(archive)],
      )
    case 0x15:
      return join(u16(id), u8(2), u16(id), ...counts, masks(create), masks(keep), masks(archive))
    case 0x14:
      return join(u16(id), u8(2), u8(create.length), u8(keep.length), masks(create), masks(keep))
    case 0x12:
      return join(
        u16(id),
        u8(create.length),
        u32(id === 12 ? 2 : 0),
        zeros(4),
        masks(create),
        zeros(id === 12 ? 16 : 0),
      )
    default:
      return join(u16(id), u8(create.length), masks(create))
  }
}

function sclaBody(version: number): Buffer {
  const labels = version >= 0x16 ? [] : Array.from({ length: 26 }, (_, i) => (i < 2 ? join(u8(3), text('rac')) : u8(0)))
  const end = version >= 0x16 ? 10 : version === 0x15 ? 8 : version === 0x14 ? 5 : version === 0x12 ? 11 : 3
  const groups = version === 0x10 ? [] : [u8(4)]
  // Before names there were only the classes that an administrator had made.
  const stored = version >= 0x16 ? classes : classes.filter(({ id }) => id > 9)
  return join(...labels, ...groups, ...stored.map(sclass => classRecord(sclass, version)), zeros(end))
}

interface SampleNode {
  inode: number
  /** 1 file, 2 directory, 3 symlink, 4 fifo, 5 block, 6 char, 7 socket, 8 trash, 9 sustained. */
  type: number
  mode: number
  eattr: number
  chunks?: number[]
  length?: number
  openBy?: number[]
}

export const nodes: SampleNode[] = [
  { inode: 1, type: 2, mode: 0o777, eattr: 0 },
  { inode: 2, type: 2, mode: 0o2755, eattr: 4 },
  { inode: 3, type: 1, mode: 0o644, eattr: 2, chunks: [1, 0, 2], length: 140_000_000, openBy: [2] },
  { inode: 4, type: 3, mode: 0o777, eattr: 0 },
  { inode: 5, type: 4, mode: 0o600, eattr: 0 },
  { inode: 6, type: 5, mode: 0o640, eattr: 0 },
  { inode: 7, type: 6, mode: 0o620, eattr: 0 },
  { inode: 8, type: 7, mode: 0o666, eattr: 0 },
  { inode: 9, type: 8, mode: 0o600, eattr: 0, chunks: [3], length: 77 },
  { inode: 10, type: 9, mode: 0o4755, eattr: 1, chunks: [1], length: 5, openBy: [2] },
  { inode: 13, type: 1, mode: 0o444, eattr: 0, chunks: [], length: 0 },
]
export const SYMLINK_TARGET = 'some/p\xe9th'

function nodeRecord(node: SampleNode, version: number): Buffer {
  const { inode, type, mode, eattr } = node
  const common = [
    version <= 0x12 ? text('?fdlqbcstr'.charAt(type)) : u8(type),
    u32(inode),
    u8(inode === 3 ? 10 : 2),
    ...(version >= 0x12 ? [u8(eattr)] : []),
    ...(version >= 0x14 ? [u8(inode & 3)] : []),
    u16(version <= 0x11 ? (eattr << 12) | mode : mode),
    ...[u32(inode * 10), u32(inode * 10 + 1), u32(TIME + inode), u32(TIME + inode + 1), u32(TIME + inode + 2)],
    version >= 0x14 ? u16(inode) : u32(inode * 3600 - 1800),
  ]
  if (type === 5 || type === 6) return join(...common, u32(0x00080003))
  if (type === 3) return join(...common, u32(SYMLINK_TARGET.length), text(SYMLINK_TARGET))
  if (type !== 1 && type !== 8 && type !== 9) return join(...common)
  const { chunks = [], length = 0, openBy = [] } = node
  const old = version <= 0x13
  return join(
    ...[...common, u64(length), u32(chunks.length), ...(old ? [u16(openBy.length)] : [])],
    ...[...chunks.map(u64), ...(old ? openBy.map(u32) : [])],
  )
}

const nodeRecords = (version: number) => join(...nodes.map(node => nodeRecord(node, version)), u8(0))

function nodeBody(version: number): Buffer {
  const head = version === 0x10 ? [u32(MAX_INODE)] : [u32(MAX_INODE), u32(nodes.length)]
  return join(...head, nodeRecords(version))
}

/** In the order of lists: parent, child, name. */
export const edges: [number, number, string][] = [
  [1, 2, 'dir'],
  [1, 3, 'file'],
  [1, 4, 'l\xefnk'],
  [2, 5, 'fifo'],
  [2, 6, 'block'],
  [2, 7, 'char'],
  [2, 8, 'socket'],
  [2, 13, 'empty'],
  [2, 3, 'hard link'],
  [0, 9, 'dir/gone'],
  [0, 10, 'dir/open'],
]
const FIRST_EDGE = 0x7ffffffffffffffen

function edgeBody(version: number): Buffer {
  // The newest edge of a list comes first and has the lowest number.
  const record = ([parent, child, name]: [number, number, string], i: number) => {
    const id = version >= 0x11 ? [u64(FIRST_EDGE - BigInt(edges.length - 1 - i))] : []
    return join(u32(parent), u32(child), ...id, u16(name.length), text(name))
  }
  const head = version >= 0x11 ? [u64(FIRST_EDGE - BigInt(edges.length))] : []
  return join(...head, ...edges.map(record), zeros(version >= 0x11 ? 18 : 10))
}

const freeBody = () => join(u32(2), u32(12), u32(TIME), u32(11), u32(TIME + 5))

function quotBody(version: number): Buffer {
  const limits = [1000, 2000, 0, 0, 5000, 0].map(u64)
  const grace = version >= 0x11 ? [u32(3600)] : []
  return join(u32(1), u32(2), ...grace, u8(1), u8(0x03 | 0x20), u32(TIME), u32(10), u32(0), ...limits)
}

const xattrRecord = (inode: number, name: string, value: string) =>
  join(u32(inode), u8(name.length), u32(value.length), text(name), text(value))
const xatrBody = () => join(xattrRecord(3, 'user.a', 'v\x00\xff'), xattrRecord(3, 'user.\xe9', ''), zeros(9))

function paclBody(version: number): Buffer {
  const mask = version === 0x10 ? 0 : 7
  return join(
    ...[u32(2), u8(2), u16(7), u16(5), u16(0), u16(0xffff), u16(0), u16(0)],
    ...[u32(3), u8(1), u16(6), u16(4), u16(4), u16(mask), u16(1), u16(1), u32(500), u16(6), u32(600), u16(1)],
    zeros(17),
  )
}

const openBody = () => join(u32(2), u32(3), u32(2), u32(10), zeros(8))
const flckBody = () => join(u32(3), u64(0x1122334455667788n), u32(2), u8(1), zeros(17))

const posixLock = (owner: bigint, start: bigint, end: bigint, type: number) =>
  join(u32(3), u64(owner), u32(2), u32(4321), u64(start), u64(end), u8(type))
const plckBody = () =>
  join(posixLock(7n, 0n, 10n, 1), posixLock(7n, 10n, 20n, 2), posixLock(8n, 100n, 0xffffffffffffffffn, 2), zeros(37))

function csdbBody(version: number): Buffer {
  const server = (ip: number, id: number, maintenance: number, until: number) =>
    join(
      ...[u32(ip), u16(9422)],
      ...(version >= 0x11 ? [u16(id)] : []),
      ...(version >= 0x12 ? [u8(maintenance)] : []),
      ...(version >= 0x13 ? [u32(until)] : []),
    )
  return join(u32(2), server(0x0a0a0a02, 1, 0, 0), server(0x0a0a0a03, 2, 2, TIME + 60))
}

const NEXT_CHUNK = 6
const chunkVersions = new Map([
  [1, 1],
  [2, 4],
  [3, 2],
  [5, 9],
])
const chunkRecords = (version: number) =>
  join(
    ...[...chunkVersions].map(([id, chunkVersion]) =>
      join(u64(id), u32(chunkVersion), u32(0), ...(version >= 0x11 ? [u8(id === 2 ? 1 : 0)] : [])),
    ),
    zeros(version >= 0x11 ? 17 : 16),
  )
const chnkBody = (version: number) => join(u64(NEXT_CHUNK), chunkRecords(version))

const bodies: Record<string, (version: number) => Buffer> = {
  SESS: version => sessBody(version),
  SCLA: sclaBody,
  NODE: nodeBody,
  EDGE: edgeBody,
  FREE: freeBody,
  QUOT: quotBody,
  XATR: xatrBody,
  PACL: paclBody,
  OPEN: openBody,
  FLCK: flckBody,
  PLCK: plckBody,
  CSDB: csdbBody,
  CHNK: chnkBody,
}

export function section(name: string, version: number, body: Buffer): Buffer {
  const header = `${name} ${String.fromCharCode(0x30 + (version >> 4))}.${String.fromCharCode(0x30 + (version & 15))}`
  return join(text(header), u64(body.length), body)
}

/** Changes of one file against the newest form. */
export interface Form {
  /** Section versions, where not the newest. */
  versions?: Record<string, number>
  /** Sections under another name. */
  names?: Record<string, string>
  /** Sections left out. */
  without?: string[]
  /** Bodies in place of the sample's. */
  replaced?: Record<string, Buffer>
  /** Whole sections put after the one named. */
  after?: Record<string, Buffer>
}

const newest = (name: string) => (readableVersions[name] as number[]).at(-1) as number

function allSections({ versions = {}, names = {}, without = [], replaced = {}, after = {} }: Form): Buffer[] {
  return Object.keys(bodies)
    .filter(name => !without.includes(name))
    .flatMap(name => {
      const version = versions[name] ?? newest(name)
      const body = replaced[name] ?? (bodies[name] as (version: number) => Buffer)(version)
      return [section(names[name] ?? name, version, body), after[name] ?? zeros(0)]
    })
}

const EOF = text('[MFS EOF MARKER]')

/** A file of version 2.0. */
export function file20(form: Form = {}): Buffer {
  return join(text('MFSM 2.0'), u64(VERSION), u64(META_ID), ...allSections(form), EOF)
}

const oldHeader = (digits: string) => join(text(`MFSM ${digits}`), u32(MAX_INODE), u64(VERSION), u32(NEXT_SESSION))

/** A file of version 1.6 to 1.9: sections, NODE without a header of its own, sessions in a file of their own. */
export function file17(digits = '1.7'): Buffer {
  const older = { NODE: 0x10, EDGE: 0x10, CHNK: 0x10 }
  const without = ['SESS', 'SCLA', 'QUOT', 'XATR', 'PACL', 'OPEN', 'FLCK', 'PLCK', 'CSDB']
  const sections = allSections({ versions: older, without, replaced: { NODE: nodeRecords(0x10) } })
  return join(oldHeader(digits), ...sections, EOF)
}

/** A file of version 1.5: no section headers at all. */
export function file15(): Buffer {
  return join(oldHeader('1.5'), nodeRecords(0x10), edgeBody(0x10), freeBody(), chnkBody(0x10))
}

/** The sessions.mfs beside a file before 2.0. `form` 0 is `MFSS 1.5`, 1 to 4 are the later ones. */
export function sessionsFile(form: 0 | 1 | 2 | 3 | 4): Buffer {
  const signature = form === 0 ? text('MFSS 1.5') : join(text('MFSS '), u8(1), u8(6), u8(form))
  const counterCount = form >= 3 ? 17 : form === 2 ? 21 : 16
  const record = ({ id, root, info }: SampleSession) =>
    join(
      ...[u32(id), u32(info.length), u32(0x0a0a0a01 + id), u32(root), u8(0x08)],
      ...(form === 4 ? [u8(1), u8(9), u32(60), u32(3600)] : []),
      ...[u32(0), u32(0), ...(form >= 1 ? [u32(999), u32(998)] : [])],
      ...[counters(100 * id, counterCount), counters(7, counterCount)],
      text(info),
    )
  return join(signature, ...(form >= 3 ? [u16(counterCount)] : []), ...sessions.map(record))
}
