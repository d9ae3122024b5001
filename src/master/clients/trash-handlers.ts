// The trash and the sustained files, for meta sessions (spec client-master 5.10).
import { resolve } from '../../metadata/namespace/decide.ts'
import { decidePurge, decideSetTrashPath, decideUndelete } from '../../metadata/namespace/decide-trash.ts'
import { edgesOf } from '../../metadata/namespace/tree.ts'
import { NodeType, TRASH_BUCKETS } from '../../metadata/types.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import { attributesOf } from './attributes.ts'
import type { RequestContext } from './context.ts'

type Handler = (context: RequestContext, payload: Buffer) => void

const ROOT_USER = { uid: 0, gids: [0] }
const NAME_MAX = 240
const NAME_TAIL = 235

/** A path as one name: bars for slashes, and only the end of a long one. */
function asName(path: string): string {
  const name = path.replaceAll('/', '|')
  return name.length > NAME_MAX ? `(...)${name.slice(-NAME_TAIL)}` : name
}

function entriesIn({ state }: RequestContext, lists: readonly number[]) {
  return lists.flatMap(list =>
    [...edgesOf(state, list)].map(edge => ({
      name: asName(state.edges.name(edge)),
      inode: state.edges.child.get(edge),
    })),
  )
}

const isMeta = ({ session }: RequestContext) => session.rootInode === 0

function onGettrash(context: RequestContext, payload: Buffer): void {
  const { msgid, bucket } = context.decode(cltoma.fuseGettrash, payload)
  if (!isMeta(context)) return context.answer(matocl.fuseGettrash, { msgid, status: Status.EPERM })
  const { trashLists } = context.state
  const one = bucket !== undefined && bucket < TRASH_BUCKETS
  const lists = one ? [trashLists[bucket] as number] : trashLists
  context.answer(matocl.fuseGettrash, { msgid, entries: entriesIn(context, lists) })
}

function onGetsustained(context: RequestContext, payload: Buffer): void {
  const { msgid } = context.decode(cltoma.fuseGetsustained, payload)
  if (!isMeta(context)) return context.answer(matocl.fuseGetsustained, { msgid, status: Status.EPERM })
  context.answer(matocl.fuseGetsustained, { msgid, entries: entriesIn(context, context.state.sustainedLists) })
}

const Kind = { ANY: 0, TRASH: 1, SUSTAINED: 2 } as const

function onGetdetachedattr(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, kind = Kind.ANY } = context.decode(cltoma.fuseGetdetachedattr, payload)
  const fail = (status: number) => context.answer(matocl.fuseGetdetachedattr, { msgid, status })
  if (!isMeta(context)) return fail(Status.EPERM)
  if (kind > Kind.SUSTAINED) return fail(Status.EINVAL)
  const asker = context.asker(ROOT_USER)
  const type = context.state.nodes.type(inode)
  const wanted = kind === Kind.ANY || (kind === Kind.TRASH) === (type === NodeType.TRASH)
  if (resolve(context.state, asker, inode) === 0 || !wanted) return fail(Status.ENOENT)
  context.answer(matocl.fuseGetdetachedattr, { msgid, attributes: attributesOf(context.state, asker, inode) })
}

function onGettrashpath(context: RequestContext, payload: Buffer): void {
  const { msgid, inode } = context.decode(cltoma.fuseGettrashpath, payload)
  const { nodes, edges } = context.state
  const fail = (status: number) => context.answer(matocl.fuseGettrashpath, { msgid, status })
  if (!isMeta(context)) return fail(Status.EPERM)
  if (nodes.type(inode) !== NodeType.TRASH) return fail(Status.ENOENT)
  context.answer(matocl.fuseGettrashpath, { msgid, path: `${edges.name(nodes.firstLink.get(inode))}\0` })
}

function onSettrashpath(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, path } = context.decode(cltoma.fuseSettrashpath, payload)
  const asker = context.asker(ROOT_USER)
  const decision = decideSetTrashPath(context.state, asker, inode, path.replace(/\0+$/, ''), context.now())
  context.granted(decision)
  context.answerStatus(matocl.fuseSettrashpath, msgid, decision.status)
}

function onUndel(context: RequestContext, payload: Buffer): void {
  const { msgid, inode } = context.decode(cltoma.fuseUndel, payload)
  const decision = decideUndelete(context.state, context.asker(ROOT_USER), inode, context.now())
  context.granted(decision)
  context.answerStatus(matocl.fuseUndel, msgid, decision.status)
}

function onPurge(context: RequestContext, payload: Buffer): void {
  const { msgid, inode } = context.decode(cltoma.fusePurge, payload)
  const decision = decidePurge(context.state, context.asker(ROOT_USER), inode, context.now())
  context.granted(decision)
  context.answerStatus(matocl.fusePurge, msgid, decision.status)
}

export const trashHandlers: [number, Handler][] = [
  [cltoma.fuseGettrash.code, onGettrash],
  [cltoma.fuseGetdetachedattr.code, onGetdetachedattr],
  [cltoma.fuseGettrashpath.code, onGettrashpath],
  [cltoma.fuseSettrashpath.code, onSettrashpath],
  [cltoma.fuseUndel.code, onUndel],
  [cltoma.fusePurge.code, onPurge],
  [cltoma.fuseGetsustained.code, onGetsustained],
]
