// Sections SCLA (LABS), QUOT, XATR and PACL as text (spec metadata 7.1).
import type { CheckpointInput } from '../checkpoint/input.ts'
import { QUOTA_GRACE_UNSTORED, readLabelDescriptions } from '../checkpoint/read-attributes.ts'
import { type DumpOutput, hex, octal, right } from './output.ts'

const LABELS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

export async function dumpStorageClasses(input: CheckpointInput, mver: number, output: DumpOutput): Promise<void> {
  if (mver < 0x16) {
    const descriptions = await readLabelDescriptions(input)
    descriptions.forEach((text, i) => {
      output.line(`LABELDESC|l:${LABELS[i]}|n:${output.name(text)}`)
    })
  }
  await input.fill(1)
  const groups = mver === 0x10 ? 1 : input.u8()
  const head = mver >= 0x16 ? 10 : mver === 0x15 ? 8 : mver === 0x14 ? 5 : mver === 0x12 ? 11 : 3
  for (;;) {
    if (input.left < head) await input.fill(head)
    if (input.takeZeros(head)) return
    output.line(await storageClass(input, mver, groups))
    await output.flushIfFull()
  }
}

async function storageClass(input: CheckpointInput, mver: number, groups: number): Promise<string> {
  const id = input.u16()
  const nameBytes = mver >= 0x16 ? input.u8() : 0
  const adminOnly = mver >= 0x16 ? input.u8() : 0
  const mode = mver >= 0x14 ? input.u8() : 1
  const delay = mver >= 0x15 ? input.u16() : 0
  const counts = [input.u8()]
  if (mver >= 0x14) counts.push(input.u8())
  if (mver >= 0x15) counts.push(input.u8())
  const chunkCount = mver === 0x12 ? input.u32() : 0
  if (mver === 0x12) input.skip(4)
  const bytes = nameBytes + counts.reduce((sum, count) => sum + count, 0) * groups * 4
  if (input.left < bytes) await input.fill(bytes)
  const name = input.text(nameBytes)
  const lists = counts.map(count => copies(input, count, groups))
  for (let i = 0; i < chunkCount; i++) {
    if (input.left < 8) await input.fill(8)
    input.skip(8)
  }
  const titles = [['c+k+a'], ['c', 'k+a'], ['c', 'k', 'a']][lists.length - 1] as string[]
  const labels = lists.map((list, i) => `${titles[i]}: ${list}`).join(' |')
  const head = `SCLASS|#:${right(id, 5)}|x:${adminOnly === 0 ? 0 : 1}|m:${mode}|d:${right(delay, 5)}`
  return `${head}|${labels}${mver >= 0x16 ? ` |n:${name}` : ''}`
}

/** One expression a copy, `:` between; `*` is any server. */
function copies(input: CheckpointInput, count: number, groups: number): string {
  return Array.from({ length: count }, () => {
    const masks = Array.from({ length: groups }, () => input.u32()).filter(mask => mask !== 0)
    return masks.map(mask => [...LABELS].filter((_, bit) => mask & (1 << bit)).join('')).join('+') || '*'
  }).join(':')
}

export async function dumpQuotas(input: CheckpointInput, mver: number, output: DumpOutput): Promise<void> {
  await input.fill(4)
  const count = input.u32()
  output.line(`# quota nodes: ${count}`)
  const bytes = mver >= 0x11 ? 70 : 66
  for (let i = 0; i < count; i++) {
    if (input.left < bytes) await input.fill(bytes)
    output.line(quota(input, mver))
    await output.flushIfFull()
  }
}

function quota(input: CheckpointInput, mver: number): string {
  const inode = right(input.u32())
  const grace = mver >= 0x11 ? input.u32() : QUOTA_GRACE_UNSTORED
  const exceeded = input.u8()
  const flags = input.u8()
  const since = right(input.u32())
  // The soft limits have the lower four bits, in the order of the fields; the hard ones the upper four.
  const limit = (key: string, bit: number, width: number, read: () => number | bigint) => {
    const value = read()
    return `${key}:${flags & bit ? right(value, width) : '-'.padStart(width)}`
  }
  const limits = [limit('si', 0x01, 10, () => input.u32()), limit('hi', 0x10, 10, () => input.u32())]
  ;['l', 's', 'r'].forEach((kind, i) => {
    limits.push(limit(`s${kind}`, 0x02 << i, 20, () => input.u64()))
    limits.push(limit(`h${kind}`, 0x20 << i, 20, () => input.u64()))
  })
  const head = `QUOTA|i:${inode}|g:${grace}|e:${exceeded === 0 ? 0 : 1}|f:0x${hex(flags, 2)}|s:${since}`
  return `${head}|${limits.join('|')}`
}

export async function dumpXattrs(input: CheckpointInput, _mver: number, output: DumpOutput): Promise<void> {
  for (;;) {
    if (input.left < 9) await input.fill(9)
    if (input.takeZeros(9)) return
    const inode = right(input.u32())
    const nameBytes = input.u8()
    const valueBytes = input.u32()
    if (input.left < nameBytes + valueBytes) await input.fill(nameBytes + valueBytes)
    const name = output.name(input.text(nameBytes))
    const value = Buffer.from(input.text(valueBytes), 'latin1').toString('hex').toUpperCase()
    output.line(`XATTR|i:${inode}|n:${name}|v:${value}`)
    await output.flushIfFull()
  }
}

export async function dumpAcls(input: CheckpointInput, _mver: number, output: DumpOutput): Promise<void> {
  const perm = () => `0${octal(input.u16(), 5)}`
  for (;;) {
    if (input.left < 17) await input.fill(17)
    if (input.takeZeros(17)) return
    const inode = right(input.u32())
    const type = input.u8()
    const perms = `u:${perm()}|g:${perm()}|o:${perm()}|m:${perm()}`
    const users = input.u16()
    const groups = input.u16()
    const named: string[] = []
    for (let i = 0; i < users + groups; i++) {
      if (input.left < 6) await input.fill(6)
      named.push(`${i < users ? 'u' : 'g'}(${input.u32()}):${perm()}`)
    }
    output.line(`POSIXACL|i:${inode}|t:${type}|${perms}|n:(${named.join(',')})`)
    await output.flushIfFull()
  }
}
