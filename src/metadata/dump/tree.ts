// Sections NODE, EDGE, FREE and CHNK as text (spec metadata 7.1).
import type { CheckpointInput } from '../checkpoint/input.ts'
import { type NodeRecord, readNodesHead, visitChunks, visitEdges, visitNodes } from '../checkpoint/records.ts'
import { isFileType, NodeType } from '../types.ts'
import { type DumpOutput, hex, octal, right } from './output.ts'

const KINDS = ' -DLFBCSTR'

export async function dumpNodes(input: CheckpointInput, mver: number, output: DumpOutput): Promise<void> {
  const { maxInode, count } = await readNodesHead(input, mver)
  output.line(`# maxinode: ${maxInode}${count === undefined ? '' : ` ; hashelements: ${count}`}`)
  await dumpNodeRecords(input, mver, output)
}

/** NODE of files before 2.0: it begins with the first record. */
export function dumpNodeRecords(input: CheckpointInput, mver: number, output: DumpOutput): Promise<void> {
  return visitNodes(input, mver, node => {
    output.line(nodeLine(node, mver, output))
    return output.flushIfFull()
  })
}

function nodeLine(node: NodeRecord, mver: number, output: DumpOutput): string {
  const winattr = mver >= 0x14 ? `|w:0x${hex(node.winattr, 1)}` : ''
  const attributes = `#:${node.sclassId}|e:0x${hex(node.eattr, 2)}${winattr}|m:0${octal(node.mode, 4)}`
  const owner = `u:${right(node.uid)}|g:${right(node.gid)}`
  const times = `a:${right(node.atime)},m:${right(node.mtime)},c:${right(node.ctime)}`
  const trash = mver >= 0x14 ? `${right(node.trash, 5)}h` : `${right(node.trash)}s`
  const common = `i:${right(node.inode)}|${attributes}|${owner}|${times}|t:${trash}`
  return `NODE|k:${KINDS[node.type]}|${common}${specialFields(node, mver, output)}`
}

function specialFields({ type, rdev, target, length, chunkIds, openBy }: NodeRecord, mver: number, output: DumpOutput) {
  if (isFileType(type)) {
    const chunks = chunkIds.map(id => (id === 0n ? 'N' : hex(id, 16))).join(',')
    return `|l:${right(length, 20)}|c:(${chunks})${mver >= 0x14 ? '' : `|r:(${openBy})`}`
  }
  if (type === NodeType.SYMLINK) return `|p:${output.name(target)}`
  if (type !== NodeType.BLOCKDEV && type !== NodeType.CHARDEV) return ''
  return `|d:${right(rdev >>> 16, 5)},${right(rdev & 0xffff, 5)}`
}

export async function dumpEdges(input: CheckpointInput, mver: number, output: DumpOutput): Promise<void> {
  if (mver >= 0x11) {
    await input.fill(8)
    output.line(`# nextedgeid: ${hex(input.u64(), 16)}`)
  }
  await visitEdges(input, mver, ({ parent, child, id, name }) => {
    const where = parent === 0 ? 'NULL'.padStart(10) : right(parent)
    output.line(`EDGE|p:${where}|c:${right(child)}|i:0x${hex(id, 16)}|n:${output.name(name)}`)
    return output.flushIfFull()
  })
}

export async function dumpFreeInodes(input: CheckpointInput, _mver: number, output: DumpOutput): Promise<void> {
  await input.fill(4)
  const count = input.u32()
  output.line(`# free nodes: ${count}`)
  for (let i = 0; i < count; i++) {
    if (input.left < 8) await input.fill(8)
    output.line(`FREEID|i:${right(input.u32())}|f:${right(input.u32())}`)
    await output.flushIfFull()
  }
}

export async function dumpChunks(input: CheckpointInput, mver: number, output: DumpOutput): Promise<void> {
  await input.fill(8)
  output.line(`# nextchunkid: ${hex(input.u64(), 16)}`)
  await visitChunks(input, mver, ({ id, version, lockedTo, archived }) => {
    output.line(`CHUNK|i:0x${hex(id, 16)}|v:0x${hex(version, 8)}|t:${right(lockedTo)}|a:${archived ? 1 : 0}`)
    return output.flushIfFull()
  })
}
