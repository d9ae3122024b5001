// sessions.mfs, where masters before 2.0 kept their sessions (spec metadata 2.16):
//
//   "MFSS 1.5"                            form 0: no mapall ids, 16 counters
//   "MFSS " 1 6 form:8 [counters:16]      form 1: 16 counters, 2: 21, 3: as many as it says, 4: also goal and trash limits
//
// then records to the end of the file.
import type { State } from '../state.ts'
import { CheckpointInput } from './input.ts'
import { INFO_MAX, readCounters } from './read-sessions.ts'

const FIRST_SIGNATURE = 'MFSS 1.5'
const LATER_SIGNATURE = 'MFSS \x01\x06'

/** All count as connected, for there is no other word. @throws CheckpointError when the file is not what a master wrote */
export async function readOldSessions(bytes: Buffer, state: State): Promise<void> {
  const pieces = [bytes]
  const input = new CheckpointInput(async () => pieces.shift())
  input.section = 'sessions.mfs'
  await input.fill(8)
  const signature = input.text(8)
  const form = signature === FIRST_SIGNATURE ? 0 : signature.startsWith(LATER_SIGNATURE) ? signature.charCodeAt(7) : -1
  if (form < 0 || form > 4) input.fail('no signature "MFSS"')
  if (form >= 3) await input.fill(2)
  const counters = form >= 3 ? input.u16() : form === 2 ? 21 : 16
  while (input.left > 0) await readOldSession(input, form, counters, state)
}

async function readOldSession(input: CheckpointInput, form: number, counters: number, state: State): Promise<void> {
  await input.fill((form === 4 ? 43 : form >= 1 ? 33 : 25) + 8 * counters)
  const id = input.u32()
  const infoBytes = input.u32()
  if (infoBytes > INFO_MAX) input.fail(`session ${id}: info of ${infoBytes} bytes`)
  const rights = {
    exportsChecksum: 0n,
    peerIp: input.u32(),
    rootInode: input.u32(),
    flags: input.u8(),
    umask: 0,
    minGoal: form === 4 ? input.u8() : 1,
    maxGoal: form === 4 ? input.u8() : 9,
    minTrashSeconds: form === 4 ? input.u32() : 0,
    maxTrashSeconds: form === 4 ? input.u32() : 0xffffffff,
    rootUid: input.u32(),
    rootGid: input.u32(),
    mapallUid: form >= 1 ? input.u32() : 0,
    mapallGid: form >= 1 ? input.u32() : 0,
    disables: 0,
    info: '',
  }
  const [current, last] = [readCounters(input, counters), readCounters(input, counters)]
  await input.fill(infoBytes)
  rights.info = input.text(infoBytes)
  if (state.sessions.get(id)) input.fail(`session ${id} appears twice`)
  const session = state.sessions.add(id, rights, 0)
  session.currentCounters = current
  session.lastCounters = last
}
