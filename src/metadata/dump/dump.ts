// A metadata file as text, record by record in the order of the file, as the original's mfsmetadump prints it
// (spec metadata 7.1). Nothing is built in memory, so a file of any size can be looked at, also a damaged one.
import {
  CheckpointError,
  EOF_MARKER,
  FIRST_SECTIONED_VERSION,
  HEADER_BYTES,
  isSignature,
  NEW_SIGNATURE,
  signatureVersion,
  UNKNOWN_LENGTH,
} from '../checkpoint/format.ts'
import { CheckpointInput } from '../checkpoint/input.ts'
import { sectionVersionOf } from '../checkpoint/read.ts'
import { dumpAcls, dumpQuotas, dumpStorageClasses, dumpXattrs } from './attributes.ts'
import { DumpOutput, hex } from './output.ts'
import { dumpFlocks, dumpKnownServers, dumpOpenFiles, dumpPosixLocks, dumpSessions } from './sessions.ts'
import { dumpChunks, dumpEdges, dumpFreeInodes, dumpNodeRecords, dumpNodes } from './tree.ts'

type Dump = (input: CheckpointInput, mver: number, output: DumpOutput) => Promise<void>

const sections: Record<string, Dump> = {
  SESS: dumpSessions,
  LABS: dumpStorageClasses,
  SCLA: dumpStorageClasses,
  NODE: dumpNodes,
  EDGE: dumpEdges,
  FREE: dumpFreeInodes,
  QUOT: dumpQuotas,
  XATR: dumpXattrs,
  PACL: dumpAcls,
  OPEN: dumpOpenFiles,
  FLCK: dumpFlocks,
  PLCK: dumpPosixLocks,
  CSDB: dumpKnownServers,
  CHNK: dumpChunks,
}

const RULE = `# ${'-'.repeat(67)}`
const UNKNOWN_LINE_BYTES = 32

export interface DumpOptions {
  /** Only the section with this name; `HEAD`: only the first lines. */
  section?: string
  /** Dots in place of bytes that are not printable ASCII. */
  dots?: boolean
}

/**
 * Prints a metadata file.
 *
 * @param pull the next bytes of the file, in pieces of any size; undefined at its end
 * @param write takes a piece of text, latin1: names are bytes
 * @throws CheckpointError at the first place where the file is damaged; what came before has been written
 */
export async function dumpMetadata(
  pull: () => Promise<Buffer | undefined>,
  options: DumpOptions,
  write: (latin1: string) => Promise<void>,
): Promise<void> {
  const input = new CheckpointInput(pull)
  const output = new DumpOutput(write, options.dots ?? false)
  try {
    await dumpFile(input, output, options.section)
  } catch (error) {
    if (error instanceof CheckpointError && error.section !== 'HEAD') {
      output.line(error.section === 'TAIL' ? "can't read section header" : `error reading metadata (${error.section})`)
    }
    throw error
  } finally {
    await output.flush()
  }
}

async function dumpFile(input: CheckpointInput, output: DumpOutput, wanted: string | undefined): Promise<void> {
  await input.fill(8)
  const signature = input.text(8)
  const inHead = wanted === undefined || wanted === 'HEAD'
  if (inHead) output.line(`# header: ${signature} (${Buffer.from(signature, 'latin1').toString('hex').toUpperCase()})`)
  if (signature === NEW_SIGNATURE) return output.line('empty file')
  if (!isSignature(signature)) {
    output.line('wrong metadata header (old version ?)')
    input.fail('no signature "MFSM 2.0"')
  }
  const version = signatureVersion(signature)
  if (version < 0x20) return dumpOldFile(input, output, wanted, version)
  await input.fill(HEADER_BYTES - 8)
  const change = input.u64()
  const metaId = input.u64()
  if (inHead) output.line(`# version: ${change} ; fileid: 0x${hex(metaId, 1)}`)
  if (wanted !== 'HEAD') await dumpSections(input, output, wanted, false)
}

/** Files before 2.0 (spec metadata 2.16). */
async function dumpOldFile(
  input: CheckpointInput,
  output: DumpOutput,
  wanted: string | undefined,
  version: number,
): Promise<void> {
  const sectioned = version >= FIRST_SECTIONED_VERSION
  if (wanted !== undefined && !sectioned) {
    input.fail('a file of this age has no sections that could be shown one by one')
  }
  await input.fill(HEADER_BYTES - 8)
  const maxInode = input.u32()
  const change = input.u64()
  const nextSessionId = input.u32()
  if (wanted === undefined || wanted === 'HEAD') {
    output.line(`# maxnodeid: ${maxInode} ; version: ${change} ; nextsessionid: ${nextSessionId}`)
  }
  if (wanted === 'HEAD') return
  if (sectioned) return dumpSections(input, output, wanted, true)
  const parts: [string, Dump][] = [
    ['NODE', dumpNodeRecords],
    ['EDGE', dumpEdges],
    ['FREE', dumpFreeInodes],
    ['CHNK', dumpChunks],
  ]
  for (const [name, dump] of parts) {
    input.section = name
    output.line(RULE)
    await dump(input, 0x10, output)
  }
}

async function dumpSections(
  input: CheckpointInput,
  output: DumpOutput,
  wanted: string | undefined,
  headlessNodes: boolean,
): Promise<void> {
  for (;;) {
    input.section = 'TAIL'
    await input.fill(16)
    if (input.peek(16) === EOF_MARKER) break
    const shown = wanted === undefined || wanted === input.peek(4)
    if (shown) await dumpSection(input, output, headlessNodes)
    else await skipSection(input)
  }
  if (wanted !== undefined) return
  for (const line of [RULE, '# MFS END OF FILE MARKER', RULE]) output.line(line)
}

async function skipSection(input: CheckpointInput): Promise<void> {
  input.section = input.text(8).slice(0, 4)
  const length = input.u64()
  if (length === UNKNOWN_LENGTH) input.fail('a section of unknown length can not be skipped')
  await input.skipFar(length)
}

async function dumpSection(input: CheckpointInput, output: DumpOutput, headlessNodes: boolean): Promise<void> {
  const header = input.text(8)
  const name = header.slice(0, 4)
  const mver = sectionVersionOf(header)
  const length = input.u64()
  output.line(RULE)
  const digits = Buffer.from(header, 'latin1').toString('hex').toUpperCase()
  output.line(`# section header: ${header} (${digits}) ; length: ${length}`)
  output.line(`# section type: ${name} ; version: 0x${hex(mver, 2)}`)
  input.section = name
  const dump = sections[name]
  if (!dump) await dumpUnknown(input, output, length)
  else if (headlessNodes && name === 'NODE') await dumpNodeRecords(input, mver, output)
  else await dump(input, mver, output)
}

/** Bytes of a section that nobody knows, 32 a line. */
async function dumpUnknown(input: CheckpointInput, output: DumpOutput, length: bigint): Promise<void> {
  output.line('unknown file part')
  if (length === UNKNOWN_LENGTH) input.fail('an unknown section of unknown length')
  for (let left = length; left > 0n; ) {
    const bytes = left < BigInt(UNKNOWN_LINE_BYTES) ? Number(left) : UNKNOWN_LINE_BYTES
    if (input.left < bytes) await input.fill(bytes)
    const text = input.text(bytes)
    const digits = Array.from(text, byte => `${hex(byte.charCodeAt(0), 2)} `).join('')
    output.line(`${digits.padEnd(UNKNOWN_LINE_BYTES * 3)} |${output.name(text).padEnd(UNKNOWN_LINE_BYTES)}|`)
    await output.flushIfFull()
    left -= BigInt(bytes)
  }
}
