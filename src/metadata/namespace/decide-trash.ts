// What a meta session may do with the trash (spec client-master 5.10).
import { Status } from '../../protocol/status.ts'
import { type Actor, type Decision, refuse, SessionFlag } from '../decision.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, NodeType, ROOT, type Seconds, TRASH_PATH_MAX } from '../types.ts'
import { findEdge, isValidName } from './tree.ts'

function refused(state: State, actor: Actor, inode: Inode) {
  if (actor.root !== 0) return refuse(Status.EPERM)
  if (actor.sessionFlags & SessionFlag.READONLY) return refuse(Status.EROFS)
  return state.nodes.type(inode) === NodeType.TRASH ? undefined : refuse(Status.ENOENT)
}

export function decideSetTrashPath(state: State, actor: Actor, inode: Inode, path: string, ts: Seconds): Decision {
  if (path.length < 1 || path.length > TRASH_PATH_MAX || path.includes('\0')) return refuse(Status.EINVAL)
  return refused(state, actor, inode) ?? { status: Status.OK, entries: [{ op: 'SETPATH', ts, inode, path }] }
}

export function decidePurge(state: State, actor: Actor, inode: Inode, ts: Seconds): Decision {
  return refused(state, actor, inode) ?? { status: Status.OK, entries: [{ op: 'PURGE', ts, inode }] }
}

/** Directories on the way that are missing are made. */
export function decideUndelete(state: State, actor: Actor, inode: Inode, ts: Seconds): Decision {
  const { nodes, edges, quotas } = state
  const refusal = refused(state, actor, inode)
  if (refusal) return refusal
  const components = edges.name(nodes.firstLink.get(inode)).replace(/^\/+/, '').split('/')
  if (!components.every(isValidName)) return refuse(Status.CANTCREATEPATH)
  let at = ROOT
  for (const [i, component] of components.entries()) {
    if (quotas.get(at)?.exceeded) return refuse(Status.QUOTA)
    if (nodes.eattr.get(at) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
    const edge = findEdge(state, at, component)
    if (edge === 0) break
    if (i === components.length - 1) return refuse(Status.EEXIST)
    at = edges.child.get(edge)
    if (!nodes.isDirectory(at)) return refuse(Status.CANTCREATEPATH)
  }
  return { status: Status.OK, entries: [{ op: 'UNDEL', ts, inode }] }
}
