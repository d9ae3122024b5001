// Sessions, open files and locks (spec metadata 4.3).
import { Status } from '../../protocol/status.ts'
import type { Operations } from '../apply.ts'
import { LockType } from '../locks/posix-locks.ts'
import { expectResult, fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import type { Inode, SessionId } from '../types.ts'
import type { Session } from './sessions.ts'

function needSession(state: State, id: SessionId, status: Status): Session {
  return state.sessions.get(id) ?? fail(status, `session ${id} is unknown`)
}

/** A session lets go of a file: its locks go with it. */
function release(state: State, sessionId: SessionId, inode: Inode): void {
  state.flocks.removeSession(inode, sessionId)
  state.posixLocks.removeSession(inode, sessionId)
  state.openFiles.release(sessionId, inode)
}

/** Flags that are kept; the original drops the highest bit. */
const SESSION_FLAGS = 0x7f

const stripNuls = (info: string) => info.replace(/\0+$/, '')

export const sessionOperations: Operations<
  | 'SESADD'
  | 'SESCHANGED'
  | 'SESDEL'
  | 'SESDISCONNECTED'
  | 'SESSION'
  | 'CUSTOMER'
  | 'ACQUIRE'
  | 'RELEASE'
  | 'FLOCK'
  | 'POSIXLOCK'
> = {
  SESADD(state, { op: _, ts: __, sessionId, info, ...rights }) {
    expectResult('the new session', sessionId, state.sessions.nextSessionId)
    state.sessions.nextSessionId++
    state.sessions.add(sessionId, { ...rights, flags: rights.flags & SESSION_FLAGS, info: stripNuls(info) }, 0)
  },

  SESCHANGED(state, { op: _, ts: __, sessionId, info, ...rights }) {
    needSession(state, sessionId, Status.MISMATCH)
    // Only a client that is there gets other rights; the same rights again say that it has come back.
    const flags = rights.flags & SESSION_FLAGS
    state.sessions.change(sessionId, { ...rights, flags, info: stripNuls(info), disconnectedAt: 0 })
  },

  /** The live original leaves closed sessions out of its checkpoints and logs their end later: then there is nothing to do. */
  SESDEL(state, { sessionId }) {
    for (const inode of [...state.openFiles.inodesOf(sessionId)]) release(state, sessionId, inode)
    state.sessions.delete(sessionId)
  },

  SESDISCONNECTED(state, { sessionId, ts }) {
    state.sessions.change(sessionId, { disconnectedAt: ts })
  },

  SESSION(state, { sessionId }) {
    expectResult('the session', sessionId, state.sessions.nextSessionId)
    state.sessions.nextSessionId++
  },

  CUSTOMER(state, { sessionId }) {
    expectResult('the session', sessionId, state.sessions.nextSessionId)
    state.sessions.nextSessionId++
  },

  ACQUIRE(state, { sessionId, inode }) {
    if (state.openFiles.has(sessionId, inode)) fail(Status.MISMATCH, `session ${sessionId} has inode ${inode} open`)
    state.openFiles.acquire(sessionId, inode)
  },

  RELEASE(state, { sessionId, inode }) {
    // Relations of closed sessions are missing in the original's checkpoints; letting go of one twice harms nobody.
    release(state, sessionId, inode)
  },

  FLOCK(state, { inode, sessionId, owner, command }) {
    if (command === 'UNLOCK') {
      state.flocks.remove(inode, sessionId, owner)
      return
    }
    const lock = { session: sessionId, owner, exclusive: command === 'WRITE' }
    // The original does not log an exclusive lock that becomes shared, so its log may hold a shared one against it:
    // a holder that stands in the way of a granted shared lock has become shared itself (spec metadata 12.6).
    if (!lock.exclusive) {
      for (const held of state.flocks.of(inode))
        if (held.exclusive) state.flocks.set(inode, { ...held, exclusive: false })
    }
    if (state.flocks.conflicts(inode, lock)) fail(Status.MISMATCH, `locks of inode ${inode} contradict each other`)
    state.flocks.set(inode, lock)
  },

  POSIXLOCK(state, { inode, sessionId, owner, command, start, end, pid }) {
    const by = { session: sessionId, owner }
    const range = { start, end, type: LockType[command], pid }
    // The original drops the locks of a session that closes a file without a line, and logs what it grants then before the
    // RELEASE: a session that stands in the way of a granted lock has closed the file (spec metadata 12.7).
    for (;;) {
      const held = range.type === LockType.UNLOCK ? undefined : state.posixLocks.conflict(inode, by, range)
      if (!held) break
      if (held.session === sessionId) fail(Status.MISMATCH, `locks of inode ${inode} contradict each other`)
      state.posixLocks.removeSession(inode, held.session)
    }
    state.posixLocks.set(inode, by, range)
  },
}
