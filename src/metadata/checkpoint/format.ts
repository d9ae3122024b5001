// The frame of metadata.mfs (spec metadata 2.1):
//
//   signature:8B version:64 metaId:64 { header:8B length:64 body }… "[MFS EOF MARKER]"
//
// and before 2.0, where the sessions lie in sessions.mfs (2.16):
//
//   signature:8B maxInode:32 version:64 nextSession:32 …

export const SIGNATURE = 'MFSM 2.0'
export const NEW_SIGNATURE = 'MFSM NEW'
export const EOF_MARKER = '[MFS EOF MARKER]'
export const HEADER_BYTES = 24
/** File version from which on there are sections and an end mark; before, only zeros end the file. */
export const FIRST_SECTIONED_VERSION = 0x16
const FIRST_VERSION_WITH_ID = 0x20
export const UNKNOWN_LENGTH = 0xffffffffffffffffn
/** Room for the counters of a session, as the original writes them. */
export const STORED_COUNTERS = 16

/** A checkpoint that cannot be what a master wrote: where it was found out, and what is wrong there. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError'
  readonly section: string
  /** Bytes from the beginning of the file. */
  readonly offset: number

  constructor(section: string, offset: number, what: string) {
    super(`section ${section}, byte ${offset}: ${what}`)
    this.section = section
    this.offset = offset
  }
}

/** What a checkpoint says of itself in its first bytes. */
export interface CheckpointHeader {
  /** The number that the next change will get. */
  version: number
  metaId: bigint
  /** `MFSM NEW`: an empty file system that nobody used yet. */
  isNew: boolean
  /** What only files before 2.0 have in their header. */
  old?: { maxInode: number; nextSessionId: number; sectioned: boolean }
}

/** Whether 8 bytes begin a file with contents. */
export function isSignature(signature: string): boolean {
  return /^MFSM [1-9]\.[0-9]$/.test(signature)
}

/** `MFSM 2.0` is 0x20. */
export function signatureVersion(signature: string): number {
  return (Number(signature[5]) << 4) + Number(signature[7])
}

/** Reads the header. @param bytes the first 24 bytes of the file, or fewer when it is shorter */
export function readHeader(bytes: Buffer): CheckpointHeader {
  const signature = bytes.toString('latin1', 0, 8)
  if (signature === NEW_SIGNATURE) return { version: 1, metaId: 0n, isNew: true }
  if (!isSignature(signature)) throw new CheckpointError('HEAD', 0, 'no signature "MFSM 2.0"')
  if (bytes.length < HEADER_BYTES) throw new CheckpointError('HEAD', bytes.length, 'cut off in the header')
  const fileVersion = signatureVersion(signature)
  if (fileVersion >= FIRST_VERSION_WITH_ID) {
    return { version: versionAt(bytes, 8), metaId: bytes.readBigUInt64BE(16), isNew: false }
  }
  const sectioned = fileVersion >= FIRST_SECTIONED_VERSION
  const old = { maxInode: bytes.readUInt32BE(8), nextSessionId: bytes.readUInt32BE(20), sectioned }
  return { version: versionAt(bytes, 12), metaId: 0n, isNew: false, old }
}

function versionAt(bytes: Buffer, offset: number): number {
  const version = bytes.readBigUInt64BE(offset)
  if (version > BigInt(Number.MAX_SAFE_INTEGER)) throw new CheckpointError('HEAD', offset, `absurd version ${version}`)
  return Number(version)
}

/** What the last 16 bytes of a whole file are. */
export function endMark({ old }: CheckpointHeader): string {
  return old && !old.sectioned ? '\0'.repeat(EOF_MARKER.length) : EOF_MARKER
}
