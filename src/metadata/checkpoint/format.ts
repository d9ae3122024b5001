// The frame of metadata.mfs (spec metadata 2.1):
//
//   signature:8B version:64 metaId:64 { header:8B length:64 body }… "[MFS EOF MARKER]"

export const SIGNATURE = 'MFSM 2.0'
export const NEW_SIGNATURE = 'MFSM NEW'
export const EOF_MARKER = '[MFS EOF MARKER]'
export const HEADER_BYTES = 24
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
}

/** Reads the header. @param bytes the first 24 bytes of the file, or fewer when it is shorter */
export function readHeader(bytes: Buffer): CheckpointHeader {
  const signature = bytes.toString('latin1', 0, 8)
  if (signature === NEW_SIGNATURE) return { version: 1, metaId: 0n, isNew: true }
  if (!/^MFSM [1-9]\.[0-9]$/.test(signature)) throw new CheckpointError('HEAD', 0, 'no signature "MFSM 2.0"')
  if (signature[5] === '1') throw new CheckpointError('HEAD', 5, `version ${signature.slice(5)} is older than 2.0`)
  if (bytes.length < HEADER_BYTES) throw new CheckpointError('HEAD', bytes.length, 'cut off in the header')
  const version = bytes.readBigUInt64BE(8)
  if (version > BigInt(Number.MAX_SAFE_INTEGER)) throw new CheckpointError('HEAD', 8, `absurd version ${version}`)
  return { version: Number(version), metaId: bytes.readBigUInt64BE(16), isNew: false }
}
