// A state as sorted lines of text: equal states give equal lines, whatever their history. For comparing and for people.

import { edgesOf } from '../namespace/tree.ts'
import type { State } from '../state.ts'

/** Every fact of the state, one a line, grouped by section and sorted inside. */
export function canonicalLines(state: State): string[] {
  const lines = [
    ...headLines(state),
    ...sorted(sessionLines(state)),
    ...sorted(nodeLines(state)),
    ...edgeLines(state),
    ...[...state.freeInodes.entries()].map(({ inode, freedAt }) => `FREE ${inode} at ${freedAt}`),
    ...sorted(attributeLines(state)),
    ...sorted(lockLines(state)),
    ...sorted(chunkLines(state)),
  ]
  return lines
}

const sorted = (lines: Iterable<string>) => [...lines].sort()
/** Whatever the order in which the fields came. */
const inOrder = (fields: object) => Object.fromEntries(Object.entries(fields).sort())
const quoted = (text: string) => JSON.stringify(text)

function headLines({ version, metaId, nodes, edges, nextEdgeAge, chunks, sessions }: State): string[] {
  const next = `nextEdge ${edges.idOfAge(nextEdgeAge)} nextChunk ${chunks.nextChunkId} nextSession ${sessions.nextSessionId}`
  return [`HEAD version ${version} metaid ${metaId.toString(16)} maxInode ${nodes.maxInode} ${next}`]
}

function* sessionLines({ sessions, openFiles, knownServers, storageClasses }: State): Generator<string> {
  for (const [id, { currentCounters, lastCounters, exportsChecksum, ...rest }] of sessions.entries()) {
    yield `SESS ${id} ${exportsChecksum} ${quoted(JSON.stringify(inOrder(rest)))}`
  }
  for (const [session, inode] of openFiles.entries()) yield `OPEN ${session} ${inode}`
  for (const server of knownServers.values()) yield `CSDB ${JSON.stringify(server)}`
  for (const [id, sclass] of storageClasses.entries()) yield `SCLA ${id} ${JSON.stringify(sclass)}`
}

function* nodeLines(state: State): Generator<string> {
  const { nodes, chunks } = state
  for (const inode of nodes.inodes()) {
    const columns = [nodes.sclassId, nodes.eattr, nodes.winattr, nodes.mode, nodes.uid, nodes.gid]
    const times = [nodes.atime, nodes.mtime, nodes.ctime, nodes.trashHours]
    const fine = [nodes.atime, nodes.mtime, nodes.ctime].map(column => column.nanoseconds(inode))
    const facts = [...[...columns, ...times].map(column => column.get(inode)), ...fine].join(' ')
    // Holes are left out: a sparse file may have millions of them.
    const ids: string[] = []
    const note = (row: number, index: number) => void ids.push(`${index}:${chunks.id(row).toString(16)}`)
    if (nodes.isFile(inode)) nodes.eachChunk(inode, note)
    const type = nodes.type(inode)
    const special =
      type === 3 ? quoted(nodes.target(inode)) : type === 5 || type === 6 ? `rdev ${nodes.rdev(inode)}` : ''
    yield `NODE ${inode} type ${type} ${facts} length ${nodes.length.get(inode)} [${ids}] ${special}`
  }
}

/** In order, because the order of a directory is part of its state; buckets of unlinked files have none that matters. */
function* edgeLines(state: State): Generator<string> {
  const { nodes, edges } = state
  const line = (parent: number, edge: number) =>
    `EDGE ${parent} ${edges.child.get(edge)} ${edges.id(edge)} ${quoted(edges.name(edge))}`
  for (const inode of nodes.inodes()) {
    if (!nodes.isDirectory(inode)) continue
    for (const edge of edgesOf(state, nodes.directoryRow(inode))) yield line(inode, edge)
  }
  for (const list of [...state.trashLists, ...state.sustainedLists]) {
    if (state.lists.length.get(list) === 0) continue
    yield* sorted([...edgesOf(state, list)].map(edge => line(0, edge)))
  }
}

function* attributeLines({ quotas, xattrs, acls }: State): Generator<string> {
  for (const [inode, quota] of quotas.entries()) yield `QUOT ${inode} ${JSON.stringify(quota)}`
  for (const [inode, attributes] of xattrs.entries()) {
    for (const [name, value] of attributes) yield `XATR ${inode} ${quoted(name)} ${quoted(value)}`
  }
  for (const [inode, type, acl] of acls.entries()) yield `PACL ${inode} ${type} ${JSON.stringify(acl)}`
}

function* lockLines({ flocks, posixLocks }: State): Generator<string> {
  for (const [inode, locks] of flocks.entries()) {
    for (const { session, owner, exclusive } of locks) yield `FLCK ${inode} ${session} ${owner} ${exclusive}`
  }
  for (const [inode, holders] of posixLocks.entries()) {
    for (const { session, owner, ranges } of holders) {
      for (const { start, end, type, pid } of ranges) {
        yield `PLCK ${inode} ${session} ${owner} ${start}-${end} ${type} ${pid}`
      }
    }
  }
}

function* chunkLines({ chunks }: State): Generator<string> {
  for (const row of chunks.rows()) {
    const archived = (chunks.isArchived(row) ? ' archived' : '') + (chunks.isTailUnknown(row) ? ' tail' : '')
    yield `CHNK ${chunks.id(row).toString(16)} version ${chunks.version.get(row)} lockedTo ${chunks.lockedTo.get(row)}${archived}`
  }
}
