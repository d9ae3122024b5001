// Sections SESS, OPEN, FLCK, PLCK and CSDB (spec metadata 2.3, 2.11 to 2.14).

import { Maintenance } from '../chunks/known-servers.ts'
import { LockType } from '../locks/posix-locks.ts'
import { SESSION_COUNTERS, type SessionRights } from '../sessions/sessions.ts'
import type { CheckpointInput } from './input.ts'
import type { ReadContext } from './read.ts'

export const INFO_MAX = 1 << 20

/** What stands before the records. The oldest sections have the version of their records inside. */
export async function readSessionsHead(
  input: CheckpointInput,
  sectionVersion: number,
): Promise<{ mver: number; nextSessionId: number; counters: number; recordBytes: number }> {
  let mver = sectionVersion
  await input.fill(8)
  if (mver < 0x12) {
    const inner = input.u16()
    if (inner !== 1 && inner !== 2) input.fail(`unknown inner version ${inner}`)
    mver = inner === 1 ? 0x10 : 0x11
  }
  const nextSessionId = input.u32()
  const counters = input.u16()
  const fixed = mver >= 0x15 ? 61 : mver >= 0x14 ? 57 : mver >= 0x13 ? 55 : mver >= 0x11 ? 47 : 43
  return { mver, nextSessionId, counters, recordBytes: fixed + 8 * counters }
}

export async function readSessions(input: CheckpointInput, context: ReadContext): Promise<void> {
  const { state } = context
  const { mver, nextSessionId, counters, recordBytes } = await readSessionsHead(input, context.mver)
  state.sessions.nextSessionId = nextSessionId
  for (;;) {
    if (input.left < recordBytes) await input.fill(recordBytes)
    if (input.buffer.readUInt32BE(input.position) === 0) {
      input.skip(recordBytes)
      return
    }
    await readSession(input, mver, counters, (id, rights, disconnectedAt) => {
      if (state.sessions.get(id)) input.fail(`session ${id} appears twice`)
      return state.sessions.add(id, rights, disconnectedAt)
    })
  }
}

async function readSession(
  input: CheckpointInput,
  mver: number,
  counters: number,
  add: (
    id: number,
    rights: SessionRights,
    disconnectedAt: number,
  ) => { currentCounters: Uint32Array; lastCounters: Uint32Array },
): Promise<void> {
  const id = input.u32()
  const exportsChecksum = mver >= 0x13 ? input.u64() : 0n
  const infoBytes = input.u32()
  if (infoBytes > INFO_MAX) input.fail(`session ${id}: info of ${infoBytes} bytes`)
  const rights: SessionRights = {
    exportsChecksum,
    peerIp: input.u32(),
    rootInode: input.u32(),
    flags: input.u8(),
    umask: mver >= 0x14 ? input.u16() : 0,
    minGoal: input.u8(),
    maxGoal: input.u8(),
    minTrashSeconds: input.u32(),
    maxTrashSeconds: input.u32(),
    rootUid: input.u32(),
    rootGid: input.u32(),
    mapallUid: input.u32(),
    mapallGid: input.u32(),
    disables: mver >= 0x15 ? input.u32() : 0,
    info: '',
  }
  const disconnectedAt = mver >= 0x11 ? input.u32() : 0
  const [current, last] = [readCounters(input, counters), readCounters(input, counters)]
  if (input.left < infoBytes) await input.fill(infoBytes)
  rights.info = input.text(infoBytes)
  const session = add(id, rights, disconnectedAt)
  session.currentCounters = current
  session.lastCounters = last
}

/** The counters of one hour; those that we do not know are skipped. */
export function readCounters(input: CheckpointInput, count: number): Uint32Array {
  const row = new Uint32Array(SESSION_COUNTERS)
  for (let i = 0; i < count; i++) {
    const value = input.u32()
    if (i < SESSION_COUNTERS) row[i] = value
  }
  return row
}

export async function readOpenFiles(input: CheckpointInput, { state }: ReadContext): Promise<void> {
  for (;;) {
    if (input.left < 8) await input.fill(8)
    const session = input.u32()
    const inode = input.u32()
    if (session === 0 && inode === 0) return
    if (session === 0 || inode === 0) input.fail(`session ${session} with inode ${inode} open`)
    if (state.sessions.get(session)) state.openFiles.acquire(session, inode)
  }
}

export async function readFlocks(input: CheckpointInput, { state }: ReadContext): Promise<void> {
  for (;;) {
    if (input.left < 17) await input.fill(17)
    const inode = input.u32()
    const owner = input.u64()
    const session = input.u32()
    const type = input.u8()
    if (inode === 0 && owner === 0n && session === 0) return
    if (type > 1) input.fail(`unknown lock type ${type}`)
    if (!state.openFiles.has(session, inode)) input.fail(`session ${session} locks inode ${inode} and has it not open`)
    const lock = { session, owner, exclusive: type === 1 }
    if (state.flocks.conflicts(inode, lock)) input.fail(`locks of inode ${inode} contradict each other`)
    state.flocks.set(inode, lock)
  }
}

export async function readPosixLocks(input: CheckpointInput, { state }: ReadContext): Promise<void> {
  for (;;) {
    if (input.left < 37) await input.fill(37)
    if (input.isZero(37)) {
      input.skip(37)
      return
    }
    const inode = input.u32()
    const owner = input.u64()
    const session = input.u32()
    const pid = input.u32()
    const start = input.u64()
    const end = input.u64()
    const type = input.u8()
    if (type !== LockType.READ && type !== LockType.WRITE) input.fail(`unknown lock type ${type}`)
    if (start >= end) input.fail(`lock of inode ${inode} on an empty range`)
    if (!state.openFiles.has(session, inode)) input.fail(`session ${session} locks inode ${inode} and has it not open`)
    const range = { start, end, type, pid }
    if (state.posixLocks.conflict(inode, { session, owner }, range)) {
      input.fail(`locks of inode ${inode} contradict each other`)
    }
    state.posixLocks.set(inode, { session, owner }, range)
  }
}

export async function readKnownServers(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  await input.fill(4)
  const count = input.u32()
  const bytes = [6, 8, 9, 13][Math.min(mver - 0x10, 3)] as number
  for (let i = 0; i < count; i++) {
    if (input.left < bytes) await input.fill(bytes)
    const ip = input.u32()
    const port = input.u16()
    const id = mver >= 0x11 ? input.u16() : 0
    const maintenance = mver >= 0x12 ? input.u8() : 0
    const maintenanceUntil = mver >= 0x13 ? input.u32() : 0
    if (state.knownServers.at(ip, port)) input.fail(`chunkserver ${ip}:${port} appears twice`)
    if (id !== 0 && state.knownServers.byId(id)) input.fail(`chunkserver id ${id} appears twice`)
    if (maintenance > Maintenance.TEMPORARY) input.fail(`unknown maintenance mode ${maintenance}`)
    state.knownServers.add({ ip, port, id, maintenance: maintenance as Maintenance, maintenanceUntil })
  }
}
