// What monitors are told of clients: sessions, what they hold, and what they may mount (spec tools-and-admin A.5.2, A.5.6,
// A.5.7).

import { pathOf } from '../../../metadata/namespace/tree.ts'
import type { Session } from '../../../metadata/sessions/sessions.ts'
import type { State } from '../../../metadata/state.ts'
import { type Inode, ROOT, type SessionId } from '../../../metadata/types.ts'
import * as monitors from '../../../protocol/monitors.ts'
import { Status } from '../../../protocol/status.ts'
import type { ClientServices } from '../context.ts'
import type { ExportRule, Exports } from '../exports.ts'

/** The port for clients, as far as it knows sessions. */
export interface SessionKeeper {
  readonly services: ClientServices
  readonly exports: Exports
  /** Connections of a session. */
  connections(id: SessionId): number
  /** Version of its client; 0 when it is not connected. */
  clientVersion(id: SessionId): number
  /** How long a session is kept without its client. */
  readonly sustainSeconds: number
  removeSession(id: SessionId): void
}

const CONNECTED = 0xffffffff
const MAX_CONNECTIONS = 255
const WITH_DISCONNECTED = 2

export function sessionList(keeper: SessionKeeper, detail = 0): Buffer {
  const all = [...keeper.services.ledger.state.sessions.entries()].sort(([a], [b]) => a - b)
  const shown = all.filter(([id]) => detail >= WITH_DISCONNECTED || keeper.connections(id) > 0)
  const sessions = shown.map(([id, session]) => describe(keeper, id, session))
  return monitors.sessionsOf(detail).encode({ counters: monitors.SESSION_LIST_COUNTERS, sessions })
}

function describe(keeper: SessionKeeper, sessionId: SessionId, session: Session) {
  const { ledger } = keeper.services
  const connections = keeper.connections(sessionId)
  const end = session.disconnectedAt + keeper.sustainSeconds
  const { peerIp, rootInode, currentCounters, lastCounters, disconnectedAt: _, ...rights } = session
  return {
    ...rights,
    sessionId,
    ip: peerIp,
    version: keeper.clientVersion(sessionId),
    openFiles: ledger.state.openFiles.inodesOf(sessionId).size,
    connections: Math.min(connections, MAX_CONNECTIONS),
    expiresSeconds: connections > 0 ? CONNECTED : Math.max(0, end - ledger.now()),
    path: rootPath(ledger.state, rootInode),
    current: currentCounters,
    last: lastCounters,
  }
}

function rootPath(state: State, root: Inode): string {
  if (root === 0) return '.'
  if (root === ROOT) return '/'
  if (!state.nodes.exists(root)) return '(not found)'
  return state.nodes.isDirectory(root) ? `/${pathOf(state, root)}` : '(not directory)'
}

/** @returns ACTIVE for a session whose client is connected */
export function sessionCommand(keeper: SessionKeeper, command: number, sessionId: SessionId): Buffer {
  return monitors.sessionCommandDone.encode({ status: carryOut(keeper, command, sessionId) })
}

function carryOut(keeper: SessionKeeper, command: number, sessionId: SessionId): Status {
  if (command !== monitors.SessionCommand.REMOVE) return Status.EINVAL
  if (keeper.connections(sessionId) > 0) return Status.ACTIVE
  if (!keeper.services.ledger.state.sessions.get(sessionId)) return Status.NOTFOUND
  keeper.removeSession(sessionId)
  return Status.OK
}

const ExtraFlag = { ALLDIRS: 1, PASSWORD: 2 } as const

export function exportList({ rules }: Exports, detail = 0): Buffer {
  const described = rules.map(({ rights, path, meta, ...rule }: ExportRule) => ({
    ...rights,
    ...rule,
    path: meta ? '.' : `/${path}`,
    extraFlags: (rule.alldirs ? ExtraFlag.ALLDIRS : 0) | (rule.passwordMd5 ? ExtraFlag.PASSWORD : 0),
  }))
  return monitors.exportsOf(detail).encode({ rules: described })
}

export function openFiles({ openFiles }: State, msgid: number | undefined, sessionId: SessionId): Buffer {
  const answer =
    sessionId === 0
      ? [...openFiles.entries()].map(([session, inode]) => ({ sessionId: session, inode }))
      : [...openFiles.inodesOf(sessionId)].map(inode => ({ sessionId, inode }))
  return monitors.openFilesOf(sessionId).encode({ msgid, answer })
}

export function lockList({ posixLocks, flocks }: State, msgid: number | undefined, inode: Inode): Buffer {
  const isAsked = ([held]: readonly [Inode, unknown]) => inode === 0 || held === inode
  const posix = [...posixLocks.entries()]
    .filter(isAsked)
    .flatMap(([inode, holders]) =>
      holders.flatMap(({ session, owner, ranges }) =>
        ranges.map(({ start, end, type, pid }) => ({ inode, sessionId: session, owner, pid, start, end, kind: type })),
      ),
    )
  const { SHARED, EXCLUSIVE } = monitors.LockKind
  const whole = [...flocks.entries()].filter(isAsked).flatMap(([inode, locks]) =>
    locks.map(({ session, owner, exclusive }) => ({
      ...{ inode, sessionId: session, owner, pid: 0, start: 0n, end: 0n },
      kind: exclusive ? EXCLUSIVE : SHARED,
    })),
  )
  return monitors.locksOf(inode).encode({ msgid, answer: [...posix, ...whole] })
}
