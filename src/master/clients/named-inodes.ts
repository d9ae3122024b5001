// Which inodes and names a request of a client is about, whatever its message is.
import * as cltoma from '../../protocol/cltoma.ts'
import type { Message } from '../../protocol/codec.ts'

/** A request as it came. */
export interface RawRequest {
  type: number
  payload: Buffer
  /** Of the client: selects layouts. */
  version: number
}

export interface Named {
  inodes: number[]
  entries: [parent: number, name: string][]
}

// biome-ignore lint/suspicious/noExplicitAny: messages with bodies of every kind side by side
const messages = new Map<number, Message<any>>()
for (const value of Object.values(cltoma)) {
  if (typeof value === 'object' && 'code' in value && 'decode' in value) messages.set(value.code, value)
}

/** @throws ProtocolError */
export function namesIn({ type, payload, version }: RawRequest): Named {
  const body = (messages.get(type)?.decode(payload, version) ?? {}) as Record<string, unknown>
  const number = (key: string) => (typeof body[key] === 'number' ? [body[key]] : [])
  const entry = (parent: string, name: string): [number, string][] =>
    typeof body[parent] === 'number' && typeof body[name] === 'string' ? [[body[parent], body[name]]] : []
  return {
    inodes: ['inode', 'source', 'parent', 'parentSource', 'parentTarget'].flatMap(number),
    entries: [
      ...entry('parent', 'name'),
      ...entry('parentSource', 'nameSource'),
      ...entry('parentTarget', 'nameTarget'),
    ],
  }
}

const changing: ReadonlySet<number> = new Set(
  [
    ...[cltoma.fuseSetattr, cltoma.fuseSymlink, cltoma.fuseMknod, cltoma.fuseMkdir, cltoma.fuseUnlink],
    ...[cltoma.fuseRmdir, cltoma.fuseRename, cltoma.fuseLink, cltoma.fuseCreate, cltoma.fuseTruncate],
    ...[cltoma.fuseSetxattr, cltoma.fuseSetfacl, cltoma.fuseAppendSlice, cltoma.fuseSnapshot, cltoma.fuseRepair],
    ...[cltoma.fuseSettrashtime, cltoma.fuseSetsclass, cltoma.fuseSeteattr, cltoma.fuseArchctl],
    ...[cltoma.fuseWriteChunk, cltoma.fuseWriteChunkEnd],
  ].map(({ code }) => code),
)

/** Whether it may change what it names. */
export function changesTree({ type, payload, version }: RawRequest): boolean {
  if (type !== cltoma.fuseOpen.code) return changing.has(type)
  return (cltoma.fuseOpen.decode(payload, version).flags & cltoma.OpenFlag.TRUNCATE) !== 0
}

const walking: ReadonlySet<number> = new Set(
  [cltoma.fuseSnapshot, cltoma.fuseSettrashtime, cltoma.fuseSetsclass, cltoma.fuseSeteattr, cltoma.fuseArchctl].map(
    ({ code }) => code,
  ),
)

/** Whether it changes what lies below what it names. */
export const walksTree = (type: number) => walking.has(type)
