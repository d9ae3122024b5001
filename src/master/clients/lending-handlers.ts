// Folders that mounts of ours borrow (lent-folders.ts).
import { Disable, SessionFlag } from '../../metadata/decision.ts'
import { MODE_R, MODE_X } from '../../metadata/namespace/access.ts'
import { may, resolve } from '../../metadata/namespace/decide.ts'
import { edgesOf } from '../../metadata/namespace/tree.ts'
import { Eattr, type Inode } from '../../metadata/types.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { LENT_NAMES_MAX } from '../../protocol/lending.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import type { RequestContext } from './context.ts'

type Handler = (context: RequestContext, payload: Buffer) => void

/** Requests whose sender knows what they change of folders: names, rights. */
export const knownToSender: ReadonlySet<number> = new Set(
  [
    ...[cltoma.fuseCreate, cltoma.fuseMknod, cltoma.fuseMkdir, cltoma.fuseSymlink, cltoma.fuseLink],
    ...[cltoma.fuseUnlink, cltoma.fuseRmdir, cltoma.fuseRename, cltoma.fuseSetattr],
  ].map(({ code }) => code),
)

function onLendFolder(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, caller } = context.decode(cltoma.fuseLendFolder, payload)
  const { state } = context
  const asker = context.asker(caller)
  const refuse = (status: number) => context.answer(matocl.fuseLendFolder, { msgid, status })
  const folder = resolve(state, asker, inode)
  if (folder === 0) return refuse(Status.ENOENT)
  if (!state.nodes.isDirectory(folder)) return refuse(Status.ENOTDIR)
  // Who may not list a folder shall not learn its names this way.
  if (asker.disables & Disable.READDIR) return refuse(Status.EPERM)
  if (!may(state, asker, folder, MODE_R | MODE_X)) return refuse(Status.EACCES)
  // Its kernel tests who may step in, which it can't where callers are not who they say.
  if (asker.sessionFlags & (SessionFlag.MAPALL | SessionFlag.IGNOREGID)) return refuse(Status.EPERM)
  if (state.nodes.eattr.get(folder) & Eattr.NOENTRYCACHE) return refuse(Status.EPERM)
  const names = namesIn(context, folder)
  if (!names || !context.lend(folder)) return refuse(Status.NOSPACE)
  context.answer(matocl.fuseLendFolder, { msgid, names })
}

/** All names; undefined when there are too many. */
function namesIn({ state }: RequestContext, folder: Inode): string[] | undefined {
  const names: string[] = []
  for (const edge of edgesOf(state, state.nodes.directoryRow(folder))) {
    if (names.push(state.edges.name(edge)) > LENT_NAMES_MAX) return undefined
  }
  return names
}

function onFolderReturned(context: RequestContext, payload: Buffer): void {
  context.returned(context.decode(cltoma.folderReturned, payload).inode)
}

export const lendingHandlers: [number, Handler][] = [
  [cltoma.fuseLendFolder.code, onLendFolder],
  [cltoma.folderReturned.code, onFolderReturned],
]
