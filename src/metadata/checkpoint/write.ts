// Writing a State as metadata.mfs, in the newest version of every section (spec metadata 2). Where the order of records
// means nothing they come in the order of our tables, not of the original's hash buckets.
import type { LabelMasks } from '../chunks/storage-classes.ts'
import { edgesOf } from '../namespace/tree.ts'
import type { State } from '../state.ts'
import { type Inode, isFileType, NodeType, ROOT } from '../types.ts'
import { FINE_TIMES_SECTION, fineTimesBytes, TAILS_SECTION, tailsBytes, writeFineTimes, writeTails } from './extras.ts'
import { EOF_MARKER, SIGNATURE, STORED_COUNTERS } from './format.ts'
import { CheckpointOutput } from './output.ts'

/** The bytes of a checkpoint, in pieces of about a megabyte. */
export function* writeCheckpoint(state: State): Generator<Buffer> {
  const frame = new CheckpointOutput()
  frame.text(SIGNATURE)
  frame.u64n(state.version)
  frame.u64(state.metaId)
  yield* frame.takeAll()
  yield* small('SESS 1.5', output => writeSessions(output, state))
  yield* small('SCLA 1.6', output => writeStorageClasses(output, state))
  yield* large('NODE 1.4', nodesBytes(state), output => writeNodes(output, state))
  yield* large('EDGE 1.1', edgesBytes(state), output => writeEdges(output, state))
  yield* small('FREE 1.0', output => writeFreeInodes(output, state))
  yield* small('QUOT 1.1', output => writeQuotas(output, state))
  yield* small('XATR 1.0', output => writeXattrs(output, state))
  yield* small('PACL 1.1', output => writeAcls(output, state))
  yield* small('OPEN 1.0', output => writeOpenFiles(output, state))
  yield* small('FLCK 1.0', output => writeFlocks(output, state))
  yield* small('PLCK 1.0', output => writePosixLocks(output, state))
  yield* small('CSDB 1.3', output => writeKnownServers(output, state))
  yield* large('CHNK 1.1', 8 + 17 * (state.chunks.count + 1), output => writeChunks(output, state))
  frame.text(EOF_MARKER)
  yield* frame.takeAll()
  const [times, tails] = [fineTimesBytes(state), tailsBytes(state)]
  if (times === 0 && tails === 0) return
  if (tails > 0) yield* large(TAILS_SECTION, tails, output => writeTails(output, state))
  if (times > 0) yield* large(FINE_TIMES_SECTION, times, output => writeFineTimes(output, state))
  frame.text(EOF_MARKER)
  yield* frame.takeAll()
}

function header(name: string, bytes: number): Buffer[] {
  const output = new CheckpointOutput()
  output.text(name)
  output.u64n(bytes)
  return output.takeAll()
}

/** A section that is put together in memory. */
function* small(name: string, write: (output: CheckpointOutput) => void): Generator<Buffer> {
  const output = new CheckpointOutput()
  write(output)
  yield* header(name, output.bytes)
  yield* output.takeAll()
}

/** A section whose size is known before, written piece by piece. */
function* large(name: string, bytes: number, write: (output: CheckpointOutput) => Generator<void>): Generator<Buffer> {
  const output = new CheckpointOutput()
  yield* header(name, bytes)
  for (const _ of write(output)) yield* output.takeFull()
  yield* output.takeAll()
  if (output.bytes !== bytes) throw new Error(`section ${name}: ${bytes} bytes announced, ${output.bytes} written`)
}

function writeSessions(output: CheckpointOutput, { sessions }: State): void {
  output.u32(sessions.nextSessionId)
  output.u16(STORED_COUNTERS)
  for (const [id, session] of sessions.entries()) {
    output.u32(id)
    output.u64(session.exportsChecksum)
    output.u32(session.info.length)
    output.u32(session.peerIp)
    output.u32(session.rootInode)
    output.u8(session.flags)
    output.u16(session.umask)
    output.u8(session.minGoal)
    output.u8(session.maxGoal)
    output.u32(session.minTrashSeconds)
    output.u32(session.maxTrashSeconds)
    output.u32(session.rootUid)
    output.u32(session.rootGid)
    output.u32(session.mapallUid)
    output.u32(session.mapallGid)
    output.u32(session.disables)
    output.u32(session.disconnectedAt)
    for (const counters of [session.currentCounters, session.lastCounters]) for (const n of counters) output.u32(n)
    output.text(session.info)
  }
  output.zeros(61 + 8 * STORED_COUNTERS)
}

function writeStorageClasses(output: CheckpointOutput, { storageClasses }: State): void {
  const writeMasks = (labels: readonly LabelMasks[]) => {
    for (const masks of labels) for (const mask of masks) output.u32(mask)
  }
  output.u8(4)
  for (const [id, sclass] of storageClasses.entries()) {
    output.u16(id)
    output.u8(sclass.name.length)
    output.u8(sclass.adminOnly ? 1 : 0)
    output.u8(sclass.mode)
    output.u16(sclass.archiveDelayDays)
    for (const labels of [sclass.create, sclass.keep, sclass.archive]) output.u8(labels.length)
    output.text(sclass.name)
    for (const labels of [sclass.create, sclass.keep, sclass.archive]) writeMasks(labels)
  }
  output.zeros(10)
}

/** Chunk ids that are written before what is full is handed on. */
const SLOTS_AT_ONCE = 1 << 17

/** Slots of a file that are written: up to its last chunk. */
function storedSlots({ nodes }: State, inode: Inode): number {
  let slots = 0
  nodes.eachChunk(inode, (_, index) => {
    slots = index + 1
  })
  return slots
}

function nodesBytes(state: State): number {
  const { nodes } = state
  let bytes = 8 + 1
  for (const inode of nodes.inodes()) {
    bytes += 32
    const type = nodes.type(inode)
    if (isFileType(type)) bytes += 12 + 8 * storedSlots(state, inode)
    else if (type === NodeType.SYMLINK) bytes += 4 + nodes.targetBytes(inode)
    else if (type === NodeType.BLOCKDEV || type === NodeType.CHARDEV) bytes += 4
  }
  return bytes
}

function* writeNodes(output: CheckpointOutput, state: State): Generator<void> {
  const { nodes, chunks } = state
  output.u32(nodes.maxInode)
  output.u32(nodes.count)
  for (const inode of nodes.inodes()) {
    const type = nodes.type(inode)
    output.u8(type)
    output.u32(inode)
    output.u8(nodes.sclassId.get(inode))
    output.u8(nodes.eattr.get(inode))
    output.u8(nodes.winattr.get(inode))
    output.u16(nodes.mode.get(inode))
    output.u32(nodes.uid.get(inode))
    output.u32(nodes.gid.get(inode))
    output.u32(nodes.atime.low(inode))
    output.u32(nodes.mtime.low(inode))
    output.u32(nodes.ctime.low(inode))
    output.u16(nodes.trashHours.get(inode))
    if (isFileType(type)) {
      const slots = storedSlots(state, inode)
      output.u64n(nodes.length.get(inode))
      output.u32(slots)
      for (let index = 0; index < slots; index++) {
        output.u64n(chunks.id(nodes.chunkRow(inode, index)))
        // Holes are written too, and there may be gigabytes of them.
        if (index % SLOTS_AT_ONCE === SLOTS_AT_ONCE - 1) yield
      }
    } else if (type === NodeType.SYMLINK) {
      output.u32(nodes.targetBytes(inode))
      output.text(nodes.target(inode))
    } else if (type === NodeType.BLOCKDEV || type === NodeType.CHARDEV) output.u32(nodes.rdev(inode))
    yield
  }
  output.u8(0)
}

/**
 * Every list: the directories depth first from the root, then the trash, then the sustained files. The original's
 * mfsmetadirinfo counts wrong when a directory comes before the one that it lies in.
 */
function* listsOf({ nodes, lists, edges, trashLists, sustainedLists }: State): Generator<number> {
  const stack: Inode[] = [ROOT]
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    const list = nodes.directoryRow(directory)
    yield list
    // Pushed from the last on, so that the first one is next.
    for (let edge = lists.tail.get(list); edge !== 0; edge = edges.previous.get(edge)) {
      if (nodes.isDirectory(edges.child.get(edge))) stack.push(edges.child.get(edge))
    }
  }
  for (const list of [...trashLists, ...sustainedLists]) if (lists.length.get(list) > 0) yield list
}

function edgesBytes(state: State): number {
  let bytes = 8 + 18
  for (const list of listsOf(state)) for (const edge of edgesOf(state, list)) bytes += 18 + state.edges.nameBytes(edge)
  return bytes
}

function* writeEdges(output: CheckpointOutput, state: State): Generator<void> {
  const { edges, lists } = state
  output.u64(edges.idOfAge(state.nextEdgeAge))
  for (const list of listsOf(state)) {
    for (const edge of edgesOf(state, list)) {
      output.u32(lists.owner.get(list))
      output.u32(edges.child.get(edge))
      output.u64(edges.id(edge))
      output.u16(edges.nameBytes(edge))
      output.text(edges.name(edge))
      yield
    }
  }
  output.zeros(18)
}

function writeFreeInodes(output: CheckpointOutput, { freeInodes }: State): void {
  output.u32(freeInodes.count)
  for (const { inode, freedAt } of freeInodes.entries()) {
    output.u32(inode)
    output.u32(freedAt)
  }
}

function writeQuotas(output: CheckpointOutput, { quotas }: State): void {
  output.u32(quotas.size)
  for (const [inode, quota] of quotas.entries()) {
    output.u32(inode)
    output.u32(quota.gracePeriodSeconds)
    output.u8(quota.exceeded ? 1 : 0)
    output.u8(quota.flags)
    output.u32(quota.softSince)
    output.u32(quota.softInodes)
    output.u32(quota.hardInodes)
    for (const kind of ['Length', 'Size', 'Realsize'] as const) {
      output.u64n(quota[`soft${kind}`])
      output.u64n(quota[`hard${kind}`])
    }
  }
}

function writeXattrs(output: CheckpointOutput, { xattrs }: State): void {
  for (const [inode, attributes] of xattrs.entries()) {
    for (const [name, value] of attributes) {
      output.u32(inode)
      output.u8(name.length)
      output.u32(value.length)
      output.text(name)
      output.text(value)
    }
  }
  output.zeros(9)
}

function writeAcls(output: CheckpointOutput, { acls }: State): void {
  for (const [inode, type, acl] of acls.entries()) {
    output.u32(inode)
    output.u8(type)
    for (const perm of [acl.user, acl.group, acl.other, acl.mask]) output.u16(perm)
    output.u16(acl.users.length)
    output.u16(acl.groups.length)
    for (const { id, perm } of [...acl.users, ...acl.groups]) {
      output.u32(id)
      output.u16(perm)
    }
  }
  output.zeros(17)
}

function writeOpenFiles(output: CheckpointOutput, { openFiles }: State): void {
  for (const [session, inode] of openFiles.entries()) {
    output.u32(session)
    output.u32(inode)
  }
  output.zeros(8)
}

function writeFlocks(output: CheckpointOutput, { flocks }: State): void {
  for (const [inode, locks] of flocks.entries()) {
    for (const { owner, session, exclusive } of locks) {
      output.u32(inode)
      output.u64(owner)
      output.u32(session)
      output.u8(exclusive ? 1 : 0)
    }
  }
  output.zeros(17)
}

function writePosixLocks(output: CheckpointOutput, { posixLocks }: State): void {
  for (const [inode, holders] of posixLocks.entries()) {
    for (const { owner, session, ranges } of holders) {
      for (const { start, end, type, pid } of ranges) {
        output.u32(inode)
        output.u64(owner)
        output.u32(session)
        output.u32(pid)
        output.u64(start)
        output.u64(end)
        output.u8(type)
      }
    }
  }
  output.zeros(37)
}

function writeKnownServers(output: CheckpointOutput, { knownServers }: State): void {
  output.u32(knownServers.size)
  for (const server of knownServers.values()) {
    output.u32(server.ip)
    output.u16(server.port)
    output.u16(server.id)
    output.u8(server.maintenance)
    output.u32(server.maintenanceUntil)
  }
}

function* writeChunks(output: CheckpointOutput, { chunks }: State): Generator<void> {
  output.u64n(chunks.nextChunkId)
  for (const row of chunks.rows()) {
    output.u64n(chunks.id(row))
    output.u32(chunks.version.get(row))
    output.u32(chunks.lockedTo.get(row))
    output.u8(chunks.isArchived(row) ? 1 : 0)
    yield
  }
  output.zeros(17)
}
