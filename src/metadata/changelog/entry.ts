// Every operation of the changelog, declared once: its parameters, its results, and the older forms that are still read
// (spec metadata 4). A line is `<change id>: <time>|<OPERATION>(<parameters>)[:<results>]`.
import {
  big,
  ChangelogError,
  checksum,
  counted,
  type Field,
  flag,
  groups,
  hex32,
  letter,
  num,
  numbersToEnd,
  octal,
  sum,
  text,
} from './fields.ts'
import { type FineTimes, parseFineTimes, printFineTimes } from './fine-times.ts'
import { parseTrailer, type Trailer, trailerStart } from './trailer.ts'

// biome-ignore lint/suspicious/noExplicitAny: fields of every type stand side by side; Values<F> gives the types back
type FieldRecord = Record<string, Field<any>>
type Values<F> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never }

interface Operation<P extends FieldRecord, R extends FieldRecord> {
  params: P
  results: R
  /** Brings the parameters and results of an older form into the present one. */
  modernize?: (params: string[], results: string[]) => [string[], string[]]
}

function op<P extends FieldRecord, R extends FieldRecord = Record<never, never>>(
  params: P,
  results: R = {} as R,
  modernize?: Operation<P, R>['modernize'],
): Operation<P, R> {
  return modernize ? { params, results, modernize } : { params, results }
}

/** Parameters that older versions did not write, with what they meant without. */
function defaults(count: number, ...missing: string[]): NonNullable<Operation<FieldRecord, FieldRecord>['modernize']> {
  return (params, results) => [
    params.length >= count ? params : [...params, ...missing.slice(params.length - count)],
    results,
  ]
}

const counts = { changed: num, notChanged: num, notPermitted: num }

const rights = {
  exportsChecksum: checksum,
  rootInode: num,
  flags: num,
  umask: octal,
  rootUid: num,
  rootGid: num,
  mapallUid: num,
  mapallGid: num,
  minGoal: num,
  maxGoal: num,
  minTrashSeconds: num,
  maxTrashSeconds: num,
  disables: hex32,
  peerIp: num,
  info: text,
}

const lockCommand = letter({ UNLOCK: 'Uu', READ: 'RrsS', WRITE: 'WweE' })

export const operations = {
  // The tree (4.1)
  CREATE: op(
    { parent: num, name: text, type: num, mode: num, cumask: num, uid: num, gid: num, rdev: num },
    { inode: num },
    (params, results) => {
      const type = ' fdlqbcs'.indexOf(params[2] ?? '')
      if (type < 1) return [params, results]
      return [[...params.slice(0, 2), String(type), params[3] ?? '', '0', ...params.slice(4)], results]
    },
  ),
  SYMLINK: op({ parent: num, name: text, target: text, uid: num, gid: num }, { inode: num }),
  LINK: op({ inode: num, parent: num, name: text }),
  MOVE: op({ parentSource: num, nameSource: text, parentTarget: num, nameTarget: text }, { inode: num }),
  UNLINK: op({ parent: num, name: text }, { inode: num }),
  ACCESS: op({ inode: num }),
  AMTIME: op({ inode: num, atime: num, mtime: num, ctime: num }),
  ATTR: op(
    { inode: num, mode: num, uid: num, gid: num, atime: num, mtime: num, winattr: num, aclMode: num },
    {},
    (params, results) => {
      const [mode = '0', last = '0'] = [params[1], params.at(-1)]
      if (params.length === 6) return [[...params, '0', mode], results]
      if (params.length === 7) return [[...params.slice(0, 6), '0', last], results]
      return [params, results]
    },
  ),
  LENGTH: op({ inode: num, length: num, touch: flag }, {}, defaults(3, '1')),
  TRUNC: op({ inode: num, index: num }, { chunkId: num }),
  WRITE: op({ inode: num, index: num, raiseVersion: flag, touch: flag }, { chunkId: num }, defaults(4, '1', '1')),
  UNLOCK: op({ chunkId: num }),
  ROLLBACK: op({ inode: num, index: num, previousChunkId: num, chunkId: num }),
  APPEND: op({ inode: num, source: num, from: num, to: num }, {}, defaults(4, '4294967295', '0')),
  SETFILECHUNK: op({ inode: num, index: num, chunkId: num }),
  REPAIR: op({ inode: num, index: num }, { version: num }),
  SNAPSHOT: op(
    {
      source: num,
      parent: num,
      name: text,
      mode: num,
      sessionFlags: num,
      uid: num,
      gids: groups,
      cumask: num,
    },
    { checksum: num, removed: num, same: num, existing: num, hardlinks: num, created: num },
    modernizeSnapshot,
  ),
  SETPATH: op({ inode: num, path: text }),
  UNDEL: op({ inode: num }),
  PURGE: op({ inode: num }),

  // Recursive attributes (4.2)
  SETSCLASS: op({ inode: num, uid: num, sourceClass: num, targetClass: num, mode: num }, counts),
  SETGOAL: op({ inode: num, uid: num, goal: num, mode: num }, counts),
  SETTRASHTIME: op({ inode: num, uid: num, seconds: num, mode: num }, counts),
  SETEATTR: op({ inode: num, uid: num, eattr: num, mode: num }, counts),
  ARCHCHG: op({ inode: num, uid: num, command: num }, counts),
  QUOTA: op(
    {
      inode: num,
      exceeded: flag,
      flags: num,
      softSince: num,
      softInodes: num,
      hardInodes: num,
      softLength: sum,
      hardLength: sum,
      softSize: sum,
      hardSize: sum,
      softRealsize: sum,
      hardRealsize: sum,
      gracePeriodSeconds: num,
    },
    {},
    defaults(13, '0'),
  ),
  SETXATTR: op({ inode: num, name: text, value: text, mode: num }),
  SETACL: op({
    inode: num,
    mode: num,
    changeCtime: flag,
    aclType: num,
    user: num,
    group: num,
    other: num,
    mask: num,
    userCount: num,
    groupCount: num,
    entries: text,
  }),

  // Housekeeping, sessions, locks, classes, servers (4.3)
  IDLE: op({}),
  SETMETAID: op({ metaId: big }),
  FREEINODES: op({ delay: num }, { freed: num, kept: num, checksum: num }, (params, results) => [
    params.length === 0 || params[0] === '' ? ['86400'] : params,
    [...results, ...['0', '0', '0'].slice(results.length)],
  ]),
  EMPTYTRASH: op({ bucket: num }, { freed: num, kept: num, checksum: num }, (params, results) => [
    params.length === 0 || params[0] === '' ? ['4294967295'] : params,
    [...results, ...['0', '0', '0'].slice(results.length)],
  ]),
  EMPTYSUSTAINED: op({ bucket: num }, { freed: num, checksum: num }, (params, results) => [
    params.length === 0 || params[0] === '' ? ['4294967295'] : params,
    [...results, ...['0', '0'].slice(results.length)],
  ]),
  RENUMERATEEDGES: op({}, { nextEdgeId: big }),
  SESADD: op(rights, { sessionId: num }, (params, results) => [modernizeRights(params), results]),
  SESCHANGED: op({ sessionId: num, ...rights }, {}, ([id = '', ...params], results) => [
    [id, ...modernizeRights(params)],
    results,
  ]),
  SESDEL: op({ sessionId: num }),
  SESDISCONNECTED: op({ sessionId: num }),
  SESSION: op({}, { sessionId: num }),
  CUSTOMER: op({}, { sessionId: num }),
  ACQUIRE: op({ sessionId: num, inode: num }),
  RELEASE: op({ sessionId: num, inode: num }),
  FLOCK: op({ inode: num, sessionId: num, owner: big, command: lockCommand }),
  POSIXLOCK: op({ inode: num, sessionId: num, owner: big, command: lockCommand, start: big, end: big, pid: num }),
  SCSET: op(
    {
      name: text,
      isNew: flag,
      createCount: counted('W'),
      keepCount: counted('K'),
      archiveCount: counted('A'),
      mode: num,
      archiveDelayDays: num,
      adminOnly: flag,
      masks: numbersToEnd,
    },
    { classId: num },
    (params, results) => [[...params.slice(0, 8), params.slice(8).join(',')], results],
  ),
  SCDUP: op({ source: text, target: text }, { sourceId: num, targetId: num }),
  SCREN: op({ oldName: text, newName: text }, { classId: num }),
  SCDEL: op({ name: text }, { classId: num }),
  CSDBOP: op({ operation: num, ip: num, port: num, argument: num }),
  CSADD: op({ ip: num, port: num }),
  CSDEL: op({ ip: num, port: num }),
  CHUNKADD: op({ chunkId: num, version: num, lockedTo: num }),
  CHUNKDEL: op({ chunkId: num, version: num }),
  SETVERSION: op({ chunkId: num, version: num }),
  INCVERSION: op({ chunkId: num }),
  NEXTCHUNKID: op({ chunkId: num }),
}

export type OperationName = keyof typeof operations

/** One change: `op`, time stamp and the values of parameters and results. */
export type EntryOf<N extends OperationName> = { op: N; ts: number } & FineTimes &
  Values<(typeof operations)[N]['params']> &
  Values<(typeof operations)[N]['results']>
export type Entry = { [N in OperationName]: EntryOf<N> }[OperationName]

/** Older spellings of operation names. */
const aliases: Record<string, OperationName> = { AQUIRE: 'ACQUIRE', EMPTYRESERVED: 'EMPTYSUSTAINED' }

/** The line body, from the time stamp on: what a metalogger receives. */
export function printEntry(entry: Entry): string {
  const { params, results } = operations[entry.op] as Operation<FieldRecord, FieldRecord>
  const body = `${entry.ts}|${entry.op}(${printValues(entry, params)})`
  for (const _ in results) return `${body}:${printValues(entry, results)}${printFineTimes(entry)}`
  return body + printFineTimes(entry)
}

/** The whole line without newline. */
export function printLine(version: number, entry: Entry): string {
  return `${version}: ${printEntry(entry)}`
}

function printValues(entry: Entry, fields: FieldRecord): string {
  let printed = ''
  for (const key in fields) {
    if (printed !== '') printed += ','
    printed += (fields[key] as Field<unknown>).print((entry as unknown as Record<string, unknown>)[key])
  }
  return printed
}

const LINE = /^(\d{1,16}): (.*)$/s
const BODY = /^(\d{1,10})\|([A-Z]+)\((.*?)\)(?::(.*))?$/s

/** A line of a changelog; the trailer is empty where there is none. */
export interface ParsedLine {
  version: number
  entry: Entry
  trailer: Trailer
}

/** @param line without newline. @throws ChangelogError */
export function parseLine(line: string): ParsedLine {
  const match = LINE.exec(line)
  if (!match) throw new ChangelogError('the line does not begin with a change number')
  return { version: Number(match[1]), ...parseBody(match[2] as string) }
}

/** @param body the line from its time stamp on, as metaloggers get it. @throws ChangelogError */
export function parseBody(body: string): { entry: Entry; trailer: Trailer } {
  const end = trailerStart(body)
  const text = body.slice(end)
  return { entry: { ...parseEntry(body.slice(0, end)), ...parseFineTimes(text) }, trailer: parseTrailer(text) }
}

function parseEntry(body: string): Entry {
  const match = BODY.exec(body)
  if (!match) throw new ChangelogError('the line is not of the form TIME|OPERATION(PARAMETERS)')
  const [, time = '', spelled = '', paramText = '', resultText] = match
  const name = aliases[spelled] ?? spelled
  if (!Object.hasOwn(operations, name)) throw new ChangelogError(`unknown operation ${spelled}`)
  const { params, results, modernize } = operations[name as OperationName] as Operation<FieldRecord, FieldRecord>
  let paramTexts = split(paramText, params)
  let resultTexts = resultText === undefined ? [] : resultText.split(',')
  if (modernize) [paramTexts, resultTexts] = modernize(paramTexts, resultTexts)
  const entry: Record<string, unknown> = { op: name, ts: Number(time) }
  parseValues(entry, name, params, paramTexts)
  parseValues(entry, name, results, resultTexts)
  return entry as unknown as Entry
}

function parseValues(entry: Record<string, unknown>, name: string, fields: FieldRecord, texts: string[]): void {
  let i = 0
  for (const key in fields) {
    const value = texts[i++]
    if (value === undefined) throw new ChangelogError(`${name}: no value for ${key}`)
    try {
      entry[key] = (fields[key] as Field<unknown>).parse(value)
    } catch (error) {
      if (error instanceof ChangelogError)
        throw new ChangelogError(`${name}: ${key}: ${error.message}`, { cause: error })
      throw error
    }
  }
}

/**
 * Splits at commas, but for those of a list of groups. Only that parameter may begin with a bracket that means
 * something: brackets in names are not escaped.
 */
function split(paramText: string, params: FieldRecord): string[] {
  const parts = paramText.split(',')
  const at = Object.values(params).indexOf(groups)
  if (at < 0 || !parts[at]?.startsWith('[')) return parts
  const last = parts.findIndex((part, i) => i >= at && part.endsWith(']'))
  if (last < 0) throw new ChangelogError('a list of groups without its end')
  return [...parts.slice(0, at), parts.slice(at, last + 1).join(','), ...parts.slice(last + 1)]
}

/** Checksum, umask and disables may be missing; each is known by how it begins (spec metadata 4.3, SESADD). */
function modernizeRights(params: string[]): string[] {
  const full = [...params]
  if (!full[0]?.startsWith('#')) full.unshift('#0')
  if (!full[3]?.startsWith('0')) full.splice(3, 0, '0000')
  if (!full[12]?.startsWith('0x')) full.splice(12, 0, '0x00000000')
  return full
}

/** Groups were once `count,raw bytes,` or a single number, without umask or results (spec metadata 4.5). */
function modernizeSnapshot(params: string[], results: string[]): [string[], string[]] {
  const [before, gids = '', after] = [params.slice(0, 6), params[6], params.slice(7)]
  const padded = [...results, ...Array<string>(6).fill('0')].slice(0, 6)
  if (gids.startsWith('[')) return [params, padded]
  if (after.length < 2) return [[...before, `[${gids}]`, after[0] ?? '0'], padded]
  const bytes = Buffer.from(text.parse(after[0] as string), 'latin1')
  const ids = Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readUInt32LE(i * 4))
  return [[...before, `[${ids}]`, after.at(-1) || '0'], padded]
}
