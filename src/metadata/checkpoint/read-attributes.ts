// Sections SCLA, QUOT, XATR and PACL (spec metadata 2.4, 2.8 to 2.10).
import { ACL_UNSET, type Acl, type AclEntry, AclType } from '../acl/acls.ts'
import { CLASS_LIMIT, type LabelMasks, OR_GROUPS, PREDEFINED_CLASSES } from '../chunks/storage-classes.ts'
import { XATTR_VALUE_MAX } from '../xattr/xattrs.ts'
import type { CheckpointInput } from './input.ts'
import type { ReadContext } from './read.ts'

const ACL_ENTRIES_MAX = 131070
const LABEL_TEXT_MAX = 128
/** Grace period of a quota from a file that has none, seconds. */
export const QUOTA_GRACE_UNSTORED = 604800

/** What labels A to Z once were described with. */
export async function readLabelDescriptions(input: CheckpointInput): Promise<string[]> {
  const descriptions: string[] = []
  while (descriptions.length < 26) {
    await input.fill(1)
    const bytes = input.u8()
    if (bytes > LABEL_TEXT_MAX) input.fail(`label description of ${bytes} bytes`)
    await input.fill(bytes)
    descriptions.push(input.text(bytes))
  }
  return descriptions
}

export async function readStorageClasses(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  if (mver < 0x16) await readLabelDescriptions(input)
  await input.fill(1)
  const groups = mver === 0x10 ? 1 : input.u8()
  if (groups < 1 || groups > OR_GROUPS) input.fail(`${groups} label groups`)
  const head = mver >= 0x16 ? 10 : mver === 0x15 ? 8 : mver === 0x14 ? 5 : mver === 0x12 ? 11 : 3
  for (;;) {
    if (input.left < head) await input.fill(head)
    if (input.isZero(head)) {
      input.skip(head)
      return
    }
    await readStorageClass(input, state, mver, groups)
  }
}

async function readStorageClass(
  input: CheckpointInput,
  state: ReadContext['state'],
  mver: number,
  groups: number,
): Promise<void> {
  const id = input.u16()
  if (id === 0 || id > CLASS_LIMIT) input.fail(`storage class number ${id}`)
  const nameBytes = mver >= 0x16 ? input.u8() : 0
  const adminOnly = mver >= 0x16 ? input.u8() !== 0 : false
  const mode = mver >= 0x14 ? input.u8() : 1
  const archiveDelayDays = mver >= 0x15 ? input.u16() : 0
  const createCount = input.u8()
  const keepCount = mver >= 0x14 ? input.u8() : createCount
  const archiveCount = mver >= 0x15 ? input.u8() : keepCount
  let chunkLists = 0
  if (mver === 0x12) {
    chunkLists = input.u32()
    input.skip(4)
  }
  for (const count of [createCount, keepCount, archiveCount]) {
    if (count < 1 || count > 9) input.fail(`storage class ${id} wants ${count} copies`)
  }
  const stored = createCount + (mver >= 0x14 ? keepCount : 0) + (mver >= 0x15 ? archiveCount : 0)
  const bytes = nameBytes + stored * groups * 4
  if (input.left < bytes) await input.fill(bytes)
  const name = mver >= 0x16 ? input.text(nameBytes) : id > PREDEFINED_CLASSES ? `sclass_${id - 9}` : String(id)
  if (name === '') input.fail(`storage class ${id} has no name`)
  const create = readMasks(input, createCount, groups)
  const keep = mver >= 0x14 ? readMasks(input, keepCount, groups) : create
  const archive = mver >= 0x15 ? readMasks(input, archiveCount, groups) : keep
  if (id > PREDEFINED_CLASSES && state.storageClasses.get(id)) input.fail(`storage class ${id} appears twice`)
  for (let i = 0; i < chunkLists; i++) {
    if (input.left < 8) await input.fill(8)
    input.skip(8)
  }
  state.storageClasses.set(id, { name, adminOnly, mode, archiveDelayDays, create, keep, archive })
}

function readMasks(input: CheckpointInput, count: number, groups: number): LabelMasks[] {
  return Array.from({ length: count }, () => {
    const masks = [0, 0, 0, 0]
    for (let group = 0; group < groups; group++) masks[group] = input.u32()
    return masks
  })
}

export async function readQuotas(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  await input.fill(4)
  const count = input.u32()
  const bytes = mver >= 0x11 ? 70 : 66
  for (let i = 0; i < count; i++) {
    if (input.left < bytes) await input.fill(bytes)
    const inode = input.u32()
    if (!state.nodes.isDirectory(inode)) input.fail(`quota of inode ${inode}, which is no directory`)
    state.quotas.set(inode, {
      gracePeriodSeconds: mver >= 0x11 ? input.u32() : QUOTA_GRACE_UNSTORED,
      exceeded: input.u8() !== 0,
      flags: input.u8(),
      softSince: input.u32(),
      softInodes: input.u32(),
      hardInodes: input.u32(),
      softLength: input.sum64(),
      hardLength: input.sum64(),
      softSize: input.sum64(),
      hardSize: input.sum64(),
      softRealsize: input.sum64(),
      hardRealsize: input.sum64(),
    })
  }
}

export async function readXattrs(input: CheckpointInput, { state }: ReadContext): Promise<void> {
  for (;;) {
    if (input.left < 9) await input.fill(9)
    const inode = input.u32()
    const nameBytes = input.u8()
    const valueBytes = input.u32()
    if (inode === 0 && nameBytes === 0 && valueBytes === 0) return
    if (nameBytes === 0) input.fail(`attribute of inode ${inode} without name`)
    if (valueBytes > XATTR_VALUE_MAX) input.fail(`attribute of inode ${inode} with ${valueBytes} bytes`)
    if (input.left < nameBytes + valueBytes) await input.fill(nameBytes + valueBytes)
    const name = input.text(nameBytes)
    const value = input.text(valueBytes)
    if (state.nodes.exists(inode)) state.xattrs.set(inode, name, value)
  }
}

export async function readAcls(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  for (;;) {
    if (input.left < 17) await input.fill(17)
    if (input.isZero(17)) {
      input.skip(17)
      return
    }
    const inode = input.u32()
    const type = input.u8()
    const perms = { user: input.u16(), group: input.u16(), other: input.u16(), mask: input.u16() }
    const users = input.u16()
    const groups = input.u16()
    if (users + groups > ACL_ENTRIES_MAX) input.fail(`ACL of inode ${inode} with ${users + groups} entries`)
    if (input.left < (users + groups) * 6) await input.fill((users + groups) * 6)
    const acl: Acl = { ...perms, users: readEntries(input, users), groups: readEntries(input, groups) }
    if (type !== AclType.ACCESS && type !== AclType.DEFAULT) input.fail(`unknown ACL type ${type}`)
    if (!state.nodes.exists(inode)) continue
    if (state.acls.get(inode, type)) input.fail(`ACL of inode ${inode} appears twice`)
    const lostMask = mver === 0x10 && acl.mask === 0
    state.acls.set(inode, type, lostMask ? withMask(acl, state.nodes.mode.get(inode)) : acl)
  }
}

function readEntries(input: CheckpointInput, count: number): AclEntry[] {
  return Array.from({ length: count }, () => ({ id: input.u32(), perm: input.u16() }))
}

/** The oldest form lost the mask (spec metadata 2.10). */
function withMask(acl: Acl, mode: number): Acl {
  return { ...acl, user: (mode >> 6) & 7, other: mode & 7, mask: acl.group === ACL_UNSET ? ACL_UNSET : 7 }
}
