// Questions of monitors and their answers: what is connected, mounted, exported, locked, missing (spec tools-and-admin
// A.5). Nobody needs a session to ask. Those about servers and the matrix of chunks are in cltoma.ts and matocl.ts.
import {
  type Codec,
  list,
  many,
  message,
  messageOf,
  name,
  optional,
  type Reader,
  record,
  sum64,
  text,
  u8,
  u16,
  u32,
  u64,
  u64n,
} from './codec.ts'

const path = text(u32, 0xffff)

/** One number, with a msgid before it if the asker wants one back. */
function asked<K extends string>(key: K): Codec<{ msgid: number | undefined } & Record<K, number>> {
  return {
    layout: `[msgid:32] ${key}:32`,
    write(out, value) {
      if (value.msgid !== undefined) u32.write(out, value.msgid)
      u32.write(out, value[key])
    },
    read: (input: Reader) =>
      ({ msgid: input.left > 4 ? u32.read(input) : undefined, [key]: u32.read(input) }) as {
        msgid: number | undefined
      } & Record<K, number>,
  }
}

/** How much an answer tells; the original's monitor asks for the most. */
const detail = { detail: optional(u8) }

export const sessionList = message(508, 'CLTOMA_SESSION_LIST', detail)
export const fstestInfo = message(512, 'CLTOMA_FSTEST_INFO', detail)
export const quotaInfo = message(518, 'CLTOMA_QUOTA_INFO', {})
export const exportsInfo = message(520, 'CLTOMA_EXPORTS_INFO', detail)
export const mlogList = message(522, 'CLTOMA_MLOG_LIST', {})
export const sessionCommand = message(526, 'CLTOMA_SESSION_COMMAND', { command: u8, sessionId: u32 })
export const memoryInfo = message(528, 'CLTOMA_MEMORY_INFO', {})
export const monotonicData = message(502, 'CLTOMA_MONOTONIC_DATA', {})
export const moduleInfo = message(530, 'CLTOMA_MODULE_INFO', { msgid: optional(u32) })
export const listOpenFiles = messageOf(532, 'CLTOMA_LIST_OPEN_FILES', asked('sessionId'))
export const listAcquiredLocks = messageOf(534, 'CLTOMA_LIST_ACQUIRED_LOCKS', asked('inode'))
export const massResolvePaths = message(536, 'CLTOMA_MASS_RESOLVE_PATHS', { inodes: many(u32) })
export const sclassInfo = message(542, 'CLTOMA_SCLASS_INFO', {})
export const missingChunks = message(544, 'CLTOMA_MISSING_CHUNKS', detail)

export const SessionCommand = { REMOVE: 0 } as const

const owners = { rootUid: u32, rootGid: u32, mapallUid: u32, mapallGid: u32 }
const bounds = { minGoal: u8, maxGoal: u8, minTrashSeconds: u32, maxTrashSeconds: u32 }

export const SESSION_LIST_COUNTERS = 16
const counters: Codec<Uint32Array> = {
  layout: `${SESSION_LIST_COUNTERS}*[32]`,
  write(out, value) {
    for (let i = 0; i < SESSION_LIST_COUNTERS; i++) u32.write(out, value[i] ?? 0)
  },
  read: input => Uint32Array.from({ length: SESSION_LIST_COUNTERS }, () => u32.read(input)),
}

/** Sessions, in as much detail as was asked for: 0 to 4. */
export const sessionsOf = (level: number) =>
  message(509, 'MATOCL_SESSION_LIST', {
    counters: u16,
    sessions: many(
      record({
        ...{ sessionId: u32, ip: u32, version: u32 },
        ...(level >= 2 ? { openFiles: u32, connections: u8, expiresSeconds: u32 } : {}),
        ...{ info: path, path, flags: u8 },
        ...(level >= 3 ? { umask: u16 } : {}),
        ...owners,
        ...(level >= 1 ? bounds : {}),
        ...(level >= 4 ? { disables: u32 } : {}),
        ...{ current: counters, last: counters },
      }),
    ),
  })

export const exportsOf = (level: number) =>
  message(521, 'MATOCL_EXPORTS_INFO', {
    rules: many(
      record({
        ...{ fromIp: u32, toIp: u32, path, minVersion: u32, extraFlags: u8, flags: u8 },
        ...(level >= 2 ? { umask: u16 } : {}),
        ...owners,
        ...(level >= 1 ? bounds : {}),
        ...(level >= 3 ? { disables: u32 } : {}),
      }),
    ),
  })

/** The result of the last look at all files. The two counts in the middle only when details were asked for. */
export const fstestOf = (level: number | undefined) =>
  message(513, 'MATOCL_FSTEST_INFO', {
    ...{ from: u32, to: u32, files: u32, undergoalFiles: u32, missingFiles: u32 },
    ...(level === undefined ? {} : { missingTrash: u32, missingSustained: u32 }),
    ...{ chunks: u32, undergoalChunks: u32, missingChunks: u32, messages: text(u32, 100_000) },
  })

/** Sums of the series of the charts since the start. The original's are beyond all numbers where a minute was not known. */
export const totals = message(503, 'MATOCL_MONOTONIC_DATA', { counters: list(u16, sum64) })

/** Why nothing of a chunk can be read. */
export const MissingKind = { NO_COPY: 0, INVALID_COPIES: 1, WRONG_VERSIONS: 2 } as const
export type MissingKind = (typeof MissingKind)[keyof typeof MissingKind]

export const missingChunksOf = (level: number) =>
  message(545, 'MATOCL_MISSING_CHUNKS', {
    chunks: many(record({ chunkId: u64n, inode: u32, index: u32, ...(level > 0 ? { kind: u8 } : {}) })),
  })

const usage = { inodes: u32, length: sum64, size: sum64, realsize: sum64 }
export const quotas = message(519, 'MATOCL_QUOTA_INFO', {
  quotas: many(
    record({
      ...{ inode: u32, path, graceSeconds: u32, exceeded: u8, flags: u8, secondsToBlock: u32 },
      ...{ soft: record(usage), hard: record(usage), current: record(usage) },
    }),
  ),
})

export const metaloggers = message(523, 'MATOCL_MLOG_LIST', { metaloggers: many(record({ version: u32, ip: u32 })) })
export const sessionCommandDone = message(527, 'MATOCL_SESSION_COMMAND', { status: u8 })
/** Bytes allocated and used by each table, in the order of the specification. */
export const memoryUsage = message(529, 'MATOCL_MEMORY_INFO', { tables: many(record({ allocated: u64n, used: u64n })) })

/** The msgid comes back when there was one. */
function reply<T>(fields: Codec<T>): Codec<{ msgid: number | undefined; answer: T }> {
  return {
    layout: `[msgid:32] ${fields.layout}`,
    write(out, { msgid, answer }) {
      if (msgid !== undefined) u32.write(out, msgid)
      fields.write(out, answer)
    },
    read: input => ({ msgid: undefined, answer: fields.read(input) }),
  }
}

const moduleFields = record({ type: u8, version: u32, id: u16, metaId: u64, leaderIp: u32, leaderPort: u16 })
export const MODULE_MASTER = 1
export const moduleIs = messageOf(531, 'MATOCL_MODULE_INFO', reply(moduleFields))

/** Of one session, or of all when it is 0. */
export const openFilesOf = (sessionId: number) =>
  messageOf(
    533,
    'MATOCL_LIST_OPEN_FILES',
    reply(many(record({ ...(sessionId === 0 ? { sessionId: u32 } : {}), inode: u32 }))),
  )

export const LockKind = { OTHER: 0, SHARED: 1, EXCLUSIVE: 2 } as const
const lock = { sessionId: u32, owner: u64, pid: u32, start: u64, end: u64, kind: u8 }
/** Of one inode, or of all when it is 0: POSIX locks first. */
export const locksOf = (inode: number) =>
  messageOf(535, 'MATOCL_LIST_ACQUIRED_LOCKS', reply(many(record({ ...(inode === 0 ? { inode: u32 } : {}), ...lock }))))

const pathsOfOne: Codec<string[]> = {
  layout: 'size:32 N*[length:32 path]',
  write(out, paths) {
    u32.write(
      out,
      paths.reduce((sum, each) => sum + 4 + each.length, 0),
    )
    for (const each of paths) path.write(out, each)
  },
  read(input) {
    const end = u32.read(input)
    const paths: string[] = []
    for (let read = 0; read < end; read += 4 + (paths.at(-1)?.length ?? 0)) paths.push(path.read(input))
    return paths
  },
}
export const resolvedPaths = message(537, 'MATOCL_MASS_RESOLVE_PATHS', {
  inodes: many(record({ inode: u32, paths: pathsOfOne })),
})

/** How well the servers of now can serve a list of labels. */
export const Fulfilment = { NO: 0, NO_SPACE: 1, OVERLOADED: 2, YES: 3 } as const
export type Fulfilment = (typeof Fulfilment)[keyof typeof Fulfilment]

export interface Wish {
  fulfilment: Fulfilment
  /** What each wanted copy takes for a server, and how many servers are so. */
  terms: { masks: readonly number[]; servers: number }[]
}

const head = record({ ...{ id: u8, name, files: u32, folders: u32 } })
/** Chunks with fewer copies than wanted, as many, and more; each in the standard state and archived. */
const counts = record({ underStandard: u64n, underArchived: u64n, exactStandard: u64n, exactArchived: u64n })
const overCounts = record({ overStandard: u64n, overArchived: u64n, adminOnly: u8, mode: u8, archiveDelayDays: u16 })
const term = record({ first: u32, second: u32, third: u32, fourth: u32, servers: u16 })

type Value<C> = C extends Codec<infer T> ? T : never
export type MonitoredClass = Value<typeof head> &
  Value<typeof counts> &
  Value<typeof overCounts> & { create: Wish; keep: Wish; archive: Wish }

const wishesOf = ({ create, keep, archive }: MonitoredClass) => [create, keep, archive]

/** The lengths of the three lists of labels come before all three. */
const monitoredClass: Codec<MonitoredClass> = {
  layout: `${head.layout} ${counts.layout} ${overCounts.layout} 3*[fulfilment:8 copies:8] N*[${term.layout}]`,
  write(out, value) {
    for (const part of [head, counts, overCounts]) (part as Codec<MonitoredClass>).write(out, value)
    for (const { fulfilment, terms } of wishesOf(value)) {
      u8.write(out, fulfilment)
      u8.write(out, terms.length)
    }
    for (const { masks, servers } of wishesOf(value).flatMap(({ terms }) => terms)) {
      const [first = 0, second = 0, third = 0, fourth = 0] = masks
      term.write(out, { first, second, third, fourth, servers })
    }
  },
  read(input) {
    const value = { ...head.read(input), ...counts.read(input), ...overCounts.read(input) }
    const lengths = [0, 0, 0].map(() => ({ fulfilment: u8.read(input) as Fulfilment, copies: u8.read(input) }))
    const wish = ({ fulfilment, copies }: { fulfilment: Fulfilment; copies: number }): Wish => ({
      fulfilment,
      terms: Array.from({ length: copies }, () => {
        const { servers, first, second, third, fourth } = term.read(input)
        return { masks: [first, second, third, fourth], servers }
      }),
    })
    const [create, keep, archive] = lengths as [
      Parameters<typeof wish>[0],
      Parameters<typeof wish>[0],
      Parameters<typeof wish>[0],
    ]
    return { ...value, create: wish(create), keep: wish(keep), archive: wish(archive) }
  },
}

export const classes = message(543, 'MATOCL_SCLASS_INFO', { servers: u16, classes: many(monitoredClass) })
