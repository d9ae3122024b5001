// What of files lies where: counts of copies, the copies of each chunk, checksums (spec tools-and-admin B.3).
import { createHash } from 'node:crypto'
import { Link } from '../../monitor/link.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { Reader, record, u8, u16, u32, u64n } from '../../protocol/codec.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import * as matocl from '../../protocol/matocl.ts'
import { formatIpv4 } from '../../util/ipv4.ts'
import { ownCaller } from './caller.ts'
import { MSGID } from './master-link.ts'
import { column } from './numbers.ts'
import type { Target } from './targets.ts'
import type { Call, Tool } from './tool.ts'

const CONNECT_WITHIN_MS = 5000

/** Numbers of chunks with 0, 1, ... 9, 10 or more valid copies, and of places of the file without a chunk. */
async function copyCounts({ inode, master }: Target): Promise<number[]> {
  const { body } = await master.query(cltoma.fuseCheck.encode({ msgid: MSGID, inode }), matocl.fuseCheck)
  const input = new Reader(body)
  const counts: number[] = []
  while (input.left >= 4) counts.push(u32.read(input))
  // An older master does not count places without a chunk.
  return counts
}

const COUNTED_COPIES = 11

async function tellCounts(call: Call, target: Target): Promise<void> {
  const counts = await copyCounts(target)
  call.say(`${target.name}:`)
  for (const [copies, count] of counts.entries()) {
    if (count === 0) continue
    const words =
      copies >= COUNTED_COPIES
        ? 'empty (zero) chunks:'
        : `chunks with ${copies === 10 ? '10+' : copies} ${copies === 1 ? 'copy' : 'copies'}:`
    call.say(` ${words.padEnd(23)} ${column(count, 'counter', call.numbers)}`)
  }
}

const checkFile: Tool = {
  about: 'tells how many chunks of files have how many copies',
  hasNumbers: true,
  syntax: '[-nhHkmg] name [name ...]',
  run: call => call.each(call.names(), false, target => tellCounts(call, target)),
}

const chunkHead = record({ chunkId: u64n, version: u32 })
const chunkCopy = record({ ip: u32, port: u16, kind: u8 })
type Copy = ReturnType<(typeof chunkCopy)['read']>
interface Chunk {
  chunkId: number
  version: number
  /** By address. */
  copies: Copy[]
}

/** @returns a chunk with the id 0 when there is none at this place */
async function chunkAt({ inode, master }: Target, index: number): Promise<Chunk> {
  const { body } = await master.query(cltoma.fuseCheck.encode({ msgid: MSGID, inode, index }), matocl.fuseCheck)
  const input = new Reader(body)
  const head = chunkHead.read(input)
  const copies: Copy[] = []
  while (input.left > 0) copies.push(chunkCopy.read(input))
  return { ...head, copies: copies.sort((a, b) => a.ip - b.ip || a.port - b.port) }
}

const KINDS = ['VALID', 'MARKED FOR REMOVAL', 'WRONG VERSION', 'WRONG VERSION , MARKED FOR REMOVAL', 'INVALID']
const isReadable = ({ kind }: Copy) => kind <= 1

interface Checksums {
  blocks: number
  /** CRCs of the blocks that are used, 4 bytes each, big-endian. */
  table: Buffer
}

/** What a server tells of its copy; undefined when it does not. */
async function checksumsOf({ chunkId, version }: Chunk, { ip, port }: Copy): Promise<Checksums | undefined> {
  let server: Link | undefined
  try {
    server = await Link.open(formatIpv4(ip), port, CONNECT_WITHIN_MS)
    const about = { chunkId, version }
    const blocks = cstocl.chunkBlocks.decode((await server.ask(cltocs.getChunkBlocks.encode(about))).payload)
    const sums = cstocl.chunkChecksumTab.decode((await server.ask(cltocs.getChunkChecksumTab.encode(about))).payload)
    if (blocks.status !== 0 || sums.status !== undefined) return undefined
    return { blocks: blocks.blockCount, table: sums.table.subarray(0, 4 * blocks.blockCount) }
  } catch {
    return undefined
  } finally {
    server?.close()
  }
}

const digest = (table: Buffer) => createHash('md5').update(table).digest('hex').toUpperCase()

interface Shown {
  /** The checksums of each copy. */
  checksums: boolean
  signature: boolean
}

/** Tells of the copies of a chunk. @returns the checksums of the first one that could be read */
async function tellCopies(call: Call, chunk: Chunk, shown: Shown): Promise<Buffer | undefined> {
  const tables: Buffer[] = []
  for (const [i, copy] of chunk.copies.entries()) {
    const isAsked = isReadable(copy) && (shown.checksums || (shown.signature && tables.length === 0))
    const sums = isAsked ? await checksumsOf(chunk, copy) : undefined
    if (sums) tables.push(sums.table)
    const told = sums ? ` ; blocks: ${sums.blocks} ; checksum digest: ${digest(sums.table)}` : " - can't get checksum"
    const status = `status:${KINDS[copy.kind] ?? '???'}${shown.checksums && isReadable(copy) ? told : ''}`
    call.say(`\t\tcopy ${i + 1}: ${formatIpv4(copy.ip)}:${copy.port} (${status})`)
  }
  if (!chunk.copies.some(isReadable)) call.say('\t\tno valid copies !!!')
  const [first] = tables
  if (shown.checksums && first && !tables.every(table => table.equals(first))) {
    call.say('\t\tcopies have different checksums !!!')
  }
  return first
}

const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0')

async function tellFile(call: Call, target: Target, shown: Shown): Promise<void> {
  const places = (await copyCounts(target)).reduce((sum, count) => sum + count, 0)
  const signature = createHash('md5')
  call.say(`${target.name}:`)
  if (places === 0) call.say('\tno chunks - empty file')
  for (let index = 0; index < places; index++) {
    const chunk = await chunkAt(target, index)
    const { chunkId, version } = chunk
    if (chunkId === 0) {
      call.say(`\tchunk ${index}: empty`)
      continue
    }
    const id = `${hex(chunkId, 16)}_${hex(version, 8)} / (id:${chunkId} ver:${version})`
    call.say(`\tchunk ${index}: ${id}`)
    const table = await tellCopies(call, chunk, shown)
    if (table) signature.update(table)
    else if (shown.signature) call.say("\t\tcouldn't add this chunk to signature !!!")
  }
  if (shown.signature) call.say(`${target.name} signature: ${signature.digest('hex').toUpperCase()}`)
}

const fileInfo: Tool = {
  about: 'tells which servers have the chunks of files',
  switches: 'qcs',
  syntax: '[-qcs] name [name ...]',
  help: [
    ' -q - only how many chunks have how many copies',
    ' -c - checksums of all copies, as their servers tell them',
    ' -s - a signature of the contents, made of checksums',
  ],
  run: call =>
    call.each(call.names(), false, target =>
      call.has('q')
        ? tellCounts(call, target)
        : tellFile(call, target, { checksums: call.has('c'), signature: call.has('s') }),
    ),
}

const fileRepair: Tool = {
  about: 'makes damaged files readable: takes older versions of lost chunks, and zeros where there is none',
  hasNumbers: true,
  syntax: '[-nhHkmg] name [name ...]',
  help: ['', 'Start all chunkservers first: what is only on a server that is away is lost with this.'],
  run: call =>
    call.each(call.names(), true, async ({ inode, master, name }) => {
      const question = cltoma.fuseRepair.encode({ msgid: MSGID, inode, caller: ownCaller() })
      const { notChanged, erased, repaired } = await master.query(question, matocl.fuseRepair)
      call.say(`${name}:`)
      call.say(` chunks not changed: ${column(notChanged, 'counter', call.numbers)}`)
      call.say(` chunks erased:      ${column(erased, 'counter', call.numbers)}`)
      call.say(` chunks repaired:    ${column(repaired, 'counter', call.numbers)}`)
    }),
}

export const chunkTools: Readonly<Record<string, Tool>> = {
  mfscheckfile: checkFile,
  mfsfileinfo: fileInfo,
  mfsfilerepair: fileRepair,
}
