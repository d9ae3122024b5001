// How a client becomes a session: challenge, export rule, new or old session (spec client-master 2).
import { childOf, isValidName } from '../../metadata/namespace/tree.ts'
import type { SessionRights } from '../../metadata/sessions/sessions.ts'
import type { State } from '../../metadata/state.ts'
import { type Inode, ROOT, type SessionId } from '../../metadata/types.ts'
import { u8, u16, u32, u64, Writer } from '../../protocol/codec.ts'
import { VERSION, versionNumber } from '../../protocol/constants.ts'
import { Status } from '../../protocol/status.ts'
import { chooseRule, type Exports, type MountRequest, trimSlashes } from './exports.ts'

/** The inode of an exported folder, or why it can't be mounted. */
function findFolder(state: State, path: string): { inode: Inode } | { status: Exclude<Status, 0> } {
  let inode = ROOT
  for (const name of trimSlashes(path)
    .split('/')
    .filter(name => name !== '')) {
    if (!isValidName(name)) return { status: Status.EINVAL }
    if (!state.nodes.isDirectory(inode)) return { status: Status.ENOTDIR }
    inode = childOf(state, inode, name)
    if (inode === 0) return { status: Status.ENOENT }
  }
  return state.nodes.isDirectory(inode) ? { inode } : { status: Status.ENOTDIR }
}

/** What the mount may do, or a refusal. */
export function grantMount(
  state: State,
  exports: Exports,
  request: MountRequest & { info: string },
): { rights: SessionRights } | { status: Exclude<Status, 0> } {
  const rule = chooseRule(exports.rules, request)
  if (typeof rule === 'number') return { status: rule }
  const folder = request.meta ? { inode: 0 } : findFolder(state, request.path)
  if ('status' in folder) return folder
  const rights = {
    ...rule.rights,
    exportsChecksum: exports.checksum,
    rootInode: folder.inode,
    peerIp: request.ip,
    info: request.info.replace(/\0+$/, ''),
  }
  return { rights }
}

const since = {
  mapall: versionNumber(1, 6, 1),
  version: versionNumber(1, 6, 21),
  limits: versionNumber(1, 6, 26),
  metaId: versionNumber(3, 0, 11),
  umask: versionNumber(3, 0, 72),
  disables: versionNumber(3, 0, 112),
}

/** The answer to a granted mount, in the layout of the client's version (spec client-master 2.2, 2.3). */
export function welcome(state: State, id: SessionId, rights: SessionRights, version: number): Buffer {
  const out = new Writer()
  const meta = rights.rootInode === 0
  // The first version that has the field is told nothing in it.
  if (version >= since.version) u32.write(out, version === since.version ? 0 : VERSION)
  u32.write(out, id)
  if (version >= since.metaId) u64.write(out, state.metaId)
  u8.write(out, rights.flags)
  if (!meta) {
    if (version >= since.umask) u16.write(out, rights.umask)
    for (const owner of [rights.rootUid, rights.rootGid]) u32.write(out, owner)
    if (version >= since.mapall) for (const owner of [rights.mapallUid, rights.mapallGid]) u32.write(out, owner)
  }
  if (version >= since.limits) {
    u8.write(out, rights.minGoal)
    u8.write(out, rights.maxGoal)
    u32.write(out, rights.minTrashSeconds)
    u32.write(out, rights.maxTrashSeconds)
  }
  if (!meta && version >= since.disables) u32.write(out, rights.disables)
  return out.take()
}

const TELLS_VERSION_AT_RECONNECT = versionNumber(3, 0, 95)
const ANSWERS_CLOSE = versionNumber(1, 7, 29)

/** The answer to RECONNECT. */
export function reconnectAnswer(status: Status, version: number): Buffer {
  const out = new Writer()
  if (version >= TELLS_VERSION_AT_RECONNECT) u32.write(out, VERSION)
  u8.write(out, status)
  return out.take()
}

/** Whether this client waits for an answer to CLOSESESSION. */
export const awaitsClose = (version: number) => version >= ANSWERS_CLOSE
