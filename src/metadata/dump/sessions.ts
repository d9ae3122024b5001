// Sections SESS, OPEN, FLCK, PLCK and CSDB as text (spec metadata 7.1).
import type { CheckpointInput } from '../checkpoint/input.ts'
import { readSessionsHead } from '../checkpoint/read-sessions.ts'
import { address, type DumpOutput, hex, octal, right } from './output.ts'

const INFO_MAX = 1 << 20

export async function dumpSessions(input: CheckpointInput, sectionVersion: number, output: DumpOutput): Promise<void> {
  const { mver, nextSessionId, counters, recordBytes } = await readSessionsHead(input, sectionVersion)
  const inner = sectionVersion < 0x12 ? `dver: ${mver === 0x10 ? 1 : 2} ; ` : ''
  output.line(`# ${inner}nextsessionid: ${nextSessionId} ; statscount: ${counters}`)
  for (;;) {
    if (input.left < recordBytes) await input.fill(recordBytes)
    if (input.buffer.readUInt32BE(input.position) === 0) {
      input.skip(recordBytes)
      return
    }
    output.line(await session(input, mver, counters, output))
    await output.flushIfFull()
  }
}

async function session(input: CheckpointInput, mver: number, counters: number, output: DumpOutput): Promise<string> {
  const fields = [`s:${right(input.u32())}`]
  if (mver >= 0x13) fields.push(`e:#${input.u64()}`)
  const infoBytes = input.u32()
  if (infoBytes > INFO_MAX) input.fail(`session info of ${infoBytes} bytes`)
  fields.push(`p:${address(input.u32())}`, `r:${right(input.u32())}`)
  fields.push(`f:${mver >= 0x14 ? '0x' : ''}${hex(input.u8(), 2)}`)
  if (mver >= 0x14) fields.push(`u:0${octal(input.u16(), 3)}`)
  fields.push(`g:${input.u8()}-${input.u8()}`, `t:${right(input.u32())}-${right(input.u32())}`)
  fields.push(`m:${[input.u32(), input.u32(), input.u32(), input.u32()].map(id => right(id)).join(',')}`)
  if (mver >= 0x15) fields.push(`x:0x${hex(input.u32(), 8)}`)
  if (mver >= 0x11) fields.push(`d:${right(input.u32())}`)
  for (const hour of ['c', 'l']) fields.push(`${hour}:[${Array.from({ length: counters }, () => input.u32())}]`)
  if (input.left < infoBytes) await input.fill(infoBytes)
  fields.push(`i:${output.name(input.text(infoBytes))}`)
  return `SESSION|${fields.join('|')}`
}

export async function dumpOpenFiles(input: CheckpointInput, _mver: number, output: DumpOutput): Promise<void> {
  for (;;) {
    if (input.left < 8) await input.fill(8)
    if (input.takeZeros(8)) return
    output.line(`OPENFILE|s:${right(input.u32())}|i:${right(input.u32())}`)
    await output.flushIfFull()
  }
}

/** The original takes session and owner in the wrong order and shows bytes of both as one; so does this. */
export async function dumpFlocks(input: CheckpointInput, _mver: number, output: DumpOutput): Promise<void> {
  for (;;) {
    if (input.left < 17) await input.fill(17)
    if (input.takeZeros(17)) return
    const inode = right(input.u32())
    const shownSession = right(input.u32())
    const shownOwner = hex(input.u64(), 16)
    output.line(`FLOCK|i:${inode}|s:${shownSession}|o:${shownOwner}|t:${lockType(input.u8() + 1)}`)
    await output.flushIfFull()
  }
}

export async function dumpPosixLocks(input: CheckpointInput, _mver: number, output: DumpOutput): Promise<void> {
  for (;;) {
    if (input.left < 37) await input.fill(37)
    if (input.takeZeros(37)) return
    const inode = right(input.u32())
    const owner = hex(input.u64(), 16)
    const session = right(input.u32())
    const pid = right(input.u32())
    const range = `<${right(input.u64(), 20)},${right(input.u64(), 20)})`
    const type = lockType(input.u8())
    output.line(`POSIXLOCK|i:${inode}|s:${session}|o:0x${owner}|p:${pid}|r:${range}|t:${type}`)
    await output.flushIfFull()
  }
}

const lockType = (type: number) => ['?', 'R', 'W'][type] ?? '?'

export async function dumpKnownServers(input: CheckpointInput, mver: number, output: DumpOutput): Promise<void> {
  await input.fill(4)
  const count = input.u32()
  output.line(`# chunk servers: ${count}`)
  const bytes = [6, 8, 9, 13][Math.min(mver - 0x10, 3)] as number
  for (let i = 0; i < count; i++) {
    if (input.left < bytes) await input.fill(bytes)
    const fields = [`i:${address(input.u32())}`, `p:${right(input.u16(), 5)}`]
    if (mver >= 0x11) fields.push(`#:${right(input.u16(), 5)}`)
    if (mver === 0x12) fields.push(`m:${input.u8() === 0 ? 0 : 1}`)
    if (mver >= 0x13) {
      fields.push(`m:${(['off', 'on', 'temp'][input.u8()] ?? '???').padStart(4)}`, `t:${right(input.u32())}`)
    }
    output.line(`CHUNKSERVER|${fields.join('|')}`)
  }
}
