// Reading metadata.mfs into a State (spec metadata 2).

import { countAll } from '../namespace/tree.ts'
import { newState, State } from '../state.ts'
import { ROOT, type Seconds } from '../types.ts'
import { readExtras } from './extras.ts'
import { type CheckpointHeader, EOF_MARKER, HEADER_BYTES, readHeader, UNKNOWN_LENGTH } from './format.ts'
import { CheckpointInput } from './input.ts'
import { readAcls, readQuotas, readStorageClasses, readXattrs } from './read-attributes.ts'
import { readChunks } from './read-chunks.ts'
import { readOldSessions } from './read-old-sessions.ts'
import { readFlocks, readKnownServers, readOpenFiles, readPosixLocks, readSessions } from './read-sessions.ts'
import { readEdges, readFreeInodes, readNodes } from './read-tree.ts'

export interface ReadContext {
  state: State
  header: CheckpointHeader
  /** Section version: major in the high nibble. */
  mver: number
}

interface Section {
  /** Newest version that we know; what is written. */
  mver: number
  read(input: CheckpointInput, context: ReadContext): Promise<void>
}

const sections: Record<string, Section> = {
  SESS: { mver: 0x15, read: readSessions },
  SCLA: { mver: 0x16, read: readStorageClasses },
  LABS: { mver: 0x16, read: readStorageClasses },
  NODE: { mver: 0x14, read: readNodes },
  EDGE: { mver: 0x11, read: readEdges },
  FREE: { mver: 0x10, read: readFreeInodes },
  QUOT: { mver: 0x11, read: readQuotas },
  XATR: { mver: 0x10, read: readXattrs },
  PACL: { mver: 0x11, read: readAcls },
  OPEN: { mver: 0x10, read: readOpenFiles },
  FLCK: { mver: 0x10, read: readFlocks },
  PLCK: { mver: 0x10, read: readPosixLocks },
  CSDB: { mver: 0x13, read: readKnownServers },
  CHNK: { mver: 0x11, read: readChunks },
}

/**
 * Reads a whole checkpoint.
 *
 * @param pull the next bytes of the file, in pieces of any size; undefined at its end
 * @param now time of the root of a new file system
 * @param oldSessions gives the contents of the sessions.mfs beside a file from before 2.0, if there is one
 * @throws CheckpointError naming section and offset of the first thing that is wrong
 */
export async function readCheckpoint(
  pull: () => Promise<Buffer | undefined>,
  now: Seconds,
  oldSessions?: () => Promise<Buffer | undefined>,
): Promise<State> {
  const input = new CheckpointInput(pull)
  await input.tryFill(HEADER_BYTES)
  const header = readHeader(input.buffer)
  if (header.isNew) return newState(now)
  input.skip(HEADER_BYTES)
  const state = new State()
  state.version = header.version
  state.metaId = header.metaId
  if (header.old) {
    state.sessions.nextSessionId = header.old.nextSessionId
    const sessions = await oldSessions?.()
    if (sessions) await readOldSessions(sessions, state)
  }
  const context = { state, header, mver: OLDEST }
  if (header.old && !header.old.sectioned) await readUnsectioned(input, context)
  else await readSections(input, context)
  countAll(state)
  checkWhole(input, state)
  if (!header.old || header.old.sectioned) await readExtras(input, state)
  dropUnknownSessions(state)
  return state
}

const OLDEST = 0x10

/** The oldest files: four parts without headers. */
async function readUnsectioned(input: CheckpointInput, context: ReadContext): Promise<void> {
  for (const name of ['NODE', 'EDGE', 'FREE', 'CHNK']) {
    input.section = name
    await (sections[name] as Section).read(input, context)
  }
}

async function readSections(input: CheckpointInput, context: ReadContext): Promise<void> {
  const seen = new Set<string>()
  for (;;) {
    await input.fill(16)
    if (input.peek(16) === EOF_MARKER) break
    await readSection(input, context, seen)
  }
  input.section = 'TAIL'
  for (const name of ['NODE', 'EDGE', 'CHNK']) if (!seen.has(name)) input.fail(`section ${name} is missing`)
}

/** Version of a section from its header: major in the high nibble. */
export function sectionVersionOf(header: string): number {
  const nibble = (position: number) => (header.charCodeAt(position) - 0x30) & 15
  return (nibble(5) << 4) | nibble(7)
}

async function readSection(input: CheckpointInput, context: ReadContext, seen: Set<string>): Promise<void> {
  const header = input.text(8)
  const match = /^([A-Z]{4}) .\..$/s.exec(header)
  const section = match ? sections[match[1] as string] : undefined
  if (!match || !section) return input.fail(`unknown section "${header.replace(/[^ -~]/g, '?')}"`)
  const name = match[1] as string
  input.section = name
  if (seen.has(name)) input.fail('section appears twice')
  seen.add(name)
  const mver = sectionVersionOf(header)
  if (mver > section.mver) input.fail(`stored by a newer version (${header.slice(5)})`)
  if (mver < OLDEST) input.fail(`unknown version ${header.slice(5)}`)
  const length = input.u64()
  const start = input.offset
  await section.read(input, { ...context, mver })
  if (length !== UNKNOWN_LENGTH && BigInt(input.offset - start) !== length) {
    input.fail(`section says ${length} bytes and has ${input.offset - start}`)
  }
}

function checkWhole(input: CheckpointInput, state: State): void {
  input.section = 'TAIL'
  const { nodes, chunks } = state
  if (!nodes.isDirectory(ROOT)) input.fail('there is no root directory')
  for (const inode of nodes.inodes()) {
    if (inode !== ROOT && nodes.firstLink.get(inode) === 0) input.fail(`inode ${inode} has no name`)
  }
  for (const row of chunks.rows()) {
    if (chunks.version.get(row) === 0)
      input.fail(`chunk ${chunks.id(row).toString(16)} belongs to a file but is not in CHNK`)
  }
}

/** Up to NODE 0x13 each file tells who has it open, also sessions that were forgotten since. */
function dropUnknownSessions({ sessions, openFiles }: State): void {
  for (const [session, inode] of [...openFiles.entries()]) {
    if (!sessions.get(session)) openFiles.release(session, inode)
  }
}
