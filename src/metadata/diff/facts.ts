// Everything that a state says of one thing - an inode, a chunk, a session - as named texts: for comparing and for people.
import { dateText } from '../../util/date-text.ts'
import { AclType } from '../acl/acls.ts'
import { LockType } from '../locks/posix-locks.ts'
import { pathOf } from '../namespace/tree.ts'
import type { State } from '../state.ts'
import { type Inode, NodeType, ROOT, type Seconds } from '../types.ts'

export type Facts = Record<string, string>

/** A kind of thing that states have. */
export interface Kind<K> {
  /** For the lines of the comparison. */
  title: string
  keys(state: State): Iterable<K>
  has(state: State, key: K): boolean
  /** Only asked for keys that the state has. */
  facts(state: State, key: K): Facts
  /** How a person finds it. */
  name(state: State, key: K): string
}

const TYPES = [
  '',
  'file',
  'directory',
  'symlink',
  'fifo',
  'block device',
  'char device',
  'socket',
  'trash',
  'sustained',
]

const date = (seconds: Seconds) => (seconds === 0 ? '0' : dateText(seconds))
const hexadecimal = (value: number | bigint) => value.toString(16).toUpperCase().padStart(16, '0')
const octal = (mode: number) => `0${mode.toString(8).padStart(3, '0')}`
const dotted = (ip: number) => [ip >>> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255].join('.')

/** Bytes as a person can read them: UTF-8, with escapes for what would spoil the line. */
export const readable = (latin1: string) =>
  Buffer.from(latin1, 'latin1')
    .toString()
    .replace(/[\p{Cc}\\]/gu, character => JSON.stringify(character).slice(1, -1))

const inodeKind: Kind<Inode> = {
  title: 'inode',
  keys: ({ nodes }) => nodes.inodes(),
  has: ({ nodes }, inode) => nodes.exists(inode),
  name: (state, inode) =>
    `${inode} (${inode === ROOT ? '' : '/'}${readable(pathOf(state, inode))})`.replace('()', '(/)'),
  facts: (state, inode) => ({
    ...attributes(state, inode),
    ...contents(state, inode),
    ...namesOf(state, inode),
    ...belongings(state, inode),
  }),
}

function attributes({ nodes }: State, inode: Inode): Facts {
  return {
    type: TYPES[nodes.type(inode)] ?? '?',
    mode: octal(nodes.mode.get(inode)),
    uid: String(nodes.uid.get(inode)),
    gid: String(nodes.gid.get(inode)),
    atime: date(nodes.atime.get(inode)),
    mtime: date(nodes.mtime.get(inode)),
    ctime: date(nodes.ctime.get(inode)),
    'storage class': String(nodes.sclassId.get(inode)),
    'trash time': `${nodes.trashHours.get(inode)} h`,
    eattr: `0x${nodes.eattr.get(inode).toString(16)}`,
    winattr: `0x${nodes.winattr.get(inode).toString(16)}`,
  }
}

function contents({ nodes, chunks }: State, inode: Inode): Facts {
  const type = nodes.type(inode)
  if (type === NodeType.SYMLINK) return { target: readable(nodes.target(inode)) }
  if (type === NodeType.BLOCKDEV || type === NodeType.CHARDEV) return { rdev: `0x${nodes.rdev(inode).toString(16)}` }
  if (!nodes.isFile(inode)) return {}
  const ids: string[] = []
  let next = 0
  nodes.eachChunk(inode, (row, index) => {
    const holes = index - next
    if (holes > 0) ids.push(holes === 1 ? '0' : `0*${holes}`)
    ids.push(chunks.id(row).toString(16))
    next = index + 1
  })
  return { length: String(nodes.length.get(inode)), chunks: `[${ids.join(' ').toUpperCase()}]` }
}

/** Names with the numbers of their directories, so that renaming a directory is one difference and not thousands. */
function namesOf({ nodes, edges, lists }: State, inode: Inode): Facts {
  const names: string[] = []
  const ids: string[] = []
  for (let edge = nodes.firstLink.get(inode); edge !== 0; edge = edges.nextLink.get(edge)) {
    const parent = lists.owner.get(edges.list.get(edge))
    names.push(`"${readable(edges.name(edge))}"${parent === 0 ? '' : ` in ${parent}`}`)
    ids.push(hexadecimal(edges.id(edge)))
  }
  return { names: names.sort().join(', '), edges: ids.sort().join(' ') }
}

function belongings(state: State, inode: Inode): Facts {
  const facts: Facts = {}
  for (const [name, value] of state.xattrs.of(inode)) facts[`attribute ${readable(name)}`] = `"${readable(value)}"`
  for (const type of [AclType.ACCESS, AclType.DEFAULT]) {
    const acl = state.acls.get(inode, type)
    if (acl) facts[type === AclType.ACCESS ? 'ACL' : 'default ACL'] = JSON.stringify(acl)
  }
  const quota = state.quotas.get(inode)
  if (quota) facts.quota = JSON.stringify(quota)
  const sessions = [...state.openFiles.sessionsOf(inode)]
  if (sessions.length > 0) facts['open by sessions'] = sessions.sort((a, b) => a - b).join(' ')
  return facts
}

/** Something that is asked for again and again and can only be found by walking through the state. */
function kept<T>(make: (state: State) => T): (state: State) => T {
  const made = new WeakMap<State, { value: T }>()
  return state => {
    let known = made.get(state)
    if (!known) {
      known = { value: make(state) }
      made.set(state, known)
    }
    return known.value
  }
}

/** Locks by inode. */
const locksOf = kept(({ flocks, posixLocks }): Map<Inode, string[]> => {
  const found = new Map<Inode, string[]>()
  const put = (inode: Inode, text: string) => found.set(inode, [...(found.get(inode) ?? []), text])
  for (const [inode, locks] of flocks.entries()) {
    for (const { session, owner, exclusive } of locks) {
      put(inode, `flock ${exclusive ? 'exclusive' : 'shared'} by session ${session} owner ${hexadecimal(owner)}`)
    }
  }
  for (const [inode, holders] of posixLocks.entries()) {
    for (const { session, owner, ranges } of holders) {
      for (const { start, end, type, pid } of ranges) {
        const what = type === LockType.WRITE ? 'write' : 'read'
        put(inode, `${what} ${start}-${end} by session ${session} owner ${hexadecimal(owner)} pid ${pid}`)
      }
    }
  }
  return found
})

const lockKind: Kind<Inode> = {
  title: 'locks of inode',
  keys: state => locksOf(state).keys(),
  has: (state, inode) => locksOf(state).has(inode),
  name: inodeKind.name,
  facts: (state, inode) => ({ held: (locksOf(state).get(inode) ?? []).sort().join('; ') }),
}

const sessionKind: Kind<number> = {
  title: 'session',
  keys: ({ sessions }) => [...sessions.entries()].map(([id]) => id),
  has: ({ sessions }, id) => sessions.get(id) !== undefined,
  name: ({ sessions }, id) => `${id} (${readable(sessions.get(id)?.info ?? '')})`,
  facts({ sessions }, id) {
    const session = sessions.get(id)
    if (!session) return {}
    const { currentCounters, lastCounters, info, peerIp, disconnectedAt, umask, ...rest } = session
    const numbers = Object.entries(rest).map(([name, value]) => [name, String(value)])
    return {
      ...Object.fromEntries(numbers),
      ...{ info: readable(info), peer: dotted(peerIp), umask: octal(umask), disconnected: date(disconnectedAt) },
    }
  },
}

const classKind: Kind<number> = {
  title: 'storage class',
  keys: ({ storageClasses }) => storageClasses.entries().map(([id]) => id),
  has: ({ storageClasses }, id) => storageClasses.get(id) !== undefined,
  name: ({ storageClasses }, id) => `${id} (${readable(storageClasses.get(id)?.name ?? '')})`,
  facts({ storageClasses }, id) {
    const sclass = storageClasses.get(id)
    return Object.fromEntries(Object.entries(sclass ?? {}).map(([name, value]) => [name, JSON.stringify(value)]))
  },
}

const serverKind: Kind<string> = {
  title: 'chunkserver',
  keys: ({ knownServers }) => [...knownServers.values()].map(({ ip, port }) => `${dotted(ip)}:${port}`),
  has: (state, key) => serverAt(state, key) !== undefined,
  name: (_state, key) => key,
  facts(state, key) {
    const server = serverAt(state, key)
    if (!server) return {}
    const maintenance = ['off', 'on', 'temporary'][server.maintenance] ?? '?'
    return { id: String(server.id), maintenance, 'maintenance until': date(server.maintenanceUntil) }
  },
}

function serverAt({ knownServers }: State, key: string) {
  const [address = '', port = ''] = key.split(':')
  const ip = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  return knownServers.at(ip, Number(port))
}

const chunkKind: Kind<number> = {
  title: 'chunk',
  *keys({ chunks }) {
    for (const row of chunks.rows()) yield chunks.id(row)
  },
  has: ({ chunks }, id) => chunks.find(id) !== 0,
  name: (_state, id) => hexadecimal(id),
  facts({ chunks }, id) {
    const row = chunks.find(id)
    return {
      version: String(chunks.version.get(row)),
      'locked until': date(chunks.lockedTo.get(row)),
      archived: chunks.isArchived(row) ? 'yes' : 'no',
      'behind the end': chunks.isTailUnknown(row) ? 'not known' : 'zeros',
    }
  },
}

const wholeKind: Kind<string> = {
  title: 'file system',
  keys: () => ['counters'],
  has: () => true,
  name: () => 'as a whole',
  facts: state => ({
    version: String(state.version),
    id: hexadecimal(state.metaId),
    'highest inode': String(state.nodes.maxInode),
    'next edge': hexadecimal(state.edges.idOfAge(state.nextEdgeAge)),
    'next chunk': hexadecimal(state.chunks.nextChunkId),
    'next session': String(state.sessions.nextSessionId),
  }),
}

const releasesOf = kept(
  ({ freeInodes }) => new Map([...freeInodes.entries()].map(({ inode, freedAt }) => [inode, freedAt])),
)

const freeKind: Kind<Inode> = {
  title: 'released inode number',
  keys: ({ freeInodes }) => [...freeInodes.entries()].map(({ inode }) => inode),
  has: (state, inode) => releasesOf(state).has(inode),
  name: (_state, inode) => String(inode),
  facts: (state, inode) => ({ released: date(releasesOf(state).get(inode) ?? 0) }),
}

// biome-ignore lint/suspicious/noExplicitAny: kinds with keys of every type stand side by side
export const kinds: readonly Kind<any>[] = [
  wholeKind,
  inodeKind,
  lockKind,
  freeKind,
  chunkKind,
  classKind,
  sessionKind,
  serverKind,
]
