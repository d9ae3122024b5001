// The seal of a checkpoint: checksums of all its bytes and the digest of the state that it holds. It lies in the file
// itself, so that it goes wherever the file goes, behind the end mark where the original's programs have stopped
// reading, and is followed by a second end mark, which is what they look for at the end of a file:
//
//   <checkpoint> "[MFS EOF MARKER]" <seal> "[MFS EOF MARKER]"
//
//   seal: magic:8B version:64 digestKind:32 digest:64 blockBytes:32 N:32 N*[crc:32] sealCrc:32 sealBytes:32
//
// A block's CRC is over so many bytes of the checkpoint, its end mark included; sealCrc over the seal before it.
import { CheckpointError, EOF_MARKER } from '../metadata/checkpoint/format.ts'
import { DIGEST_KIND } from '../metadata/digest.ts'
import { crc32 } from '../util/crc32.ts'

const MAGIC = 'ELKFSEAL'
const HEAD_BYTES = 36
const FOOT_BYTES = 8
export const SEAL_BLOCK_BYTES = 1 << 16
/** Seal length and end mark: what is read to find a seal. */
export const SEAL_FOOT_BYTES = 4 + EOF_MARKER.length
/** Of the checksums of 64 TiB. */
const SEAL_BYTES_MAX = 1 << 30

export interface Seal {
  /** Of the state, as its header says too. */
  version: number
  /** Undefined when the digest is of another kind than ours. */
  digest: bigint | undefined
  /** Bytes of the checkpoint before the seal. */
  dataBytes: number
  /** Of blocks of SEAL_BLOCK_BYTES. */
  crcs: Uint32Array
}

/** Makes the seal of a checkpoint whose bytes it sees on their way to the disk. */
export class SealMaker {
  readonly #crcs: number[] = []
  #crc = 0
  #inBlock = 0

  /** The next bytes of the checkpoint. */
  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + SEAL_BLOCK_BYTES - this.#inBlock)
      this.#crc = crc32(part, this.#crc)
      this.#inBlock += part.length
      at += part.length
      if (this.#inBlock === SEAL_BLOCK_BYTES) this.#endBlock()
    }
  }

  /** The seal and the second end mark. */
  finish(version: number, digest: bigint): Buffer {
    if (this.#inBlock > 0) this.#endBlock()
    const bytes = HEAD_BYTES + 4 * this.#crcs.length + FOOT_BYTES
    const seal = Buffer.alloc(bytes + EOF_MARKER.length)
    let at = seal.write(MAGIC, 'latin1')
    at = seal.writeBigUInt64BE(BigInt(version), at)
    at = seal.writeUInt32BE(DIGEST_KIND, at)
    at = seal.writeBigUInt64BE(digest, at)
    at = seal.writeUInt32BE(SEAL_BLOCK_BYTES, at)
    at = seal.writeUInt32BE(this.#crcs.length, at)
    for (const crc of this.#crcs) at = seal.writeUInt32BE(crc, at)
    at = seal.writeUInt32BE(crc32(seal.subarray(0, at)), at)
    at = seal.writeUInt32BE(bytes, at)
    seal.write(EOF_MARKER, at, 'latin1')
    return seal
  }

  #endBlock(): void {
    this.#crcs.push(this.#crc)
    this.#crc = 0
    this.#inBlock = 0
  }
}

/**
 * How many bytes a seal and its foot take at the end of a file, from what SEAL_FOOT_BYTES hold; 0 when there is none.
 * Whether it is one shows parseSeal.
 */
export function sealBytesOf(foot: Buffer, fileBytes: number): number {
  if (foot.length < SEAL_FOOT_BYTES) return 0
  const bytes = foot.readUInt32BE(0)
  const fits =
    bytes >= HEAD_BYTES + FOOT_BYTES && bytes <= SEAL_BYTES_MAX && (bytes - HEAD_BYTES - FOOT_BYTES) % 4 === 0
  return fits && bytes + EOF_MARKER.length <= fileBytes ? bytes + EOF_MARKER.length : 0
}

/**
 * Reads a seal. Undefined when the bytes are no seal at all, but the end of a checkpoint without one.
 * @throws CheckpointError when they are a damaged one
 */
export function parseSeal(bytes: Buffer, fileBytes: number): Seal | undefined {
  if (bytes.toString('latin1', 0, 8) !== MAGIC) return undefined
  const dataBytes = fileBytes - bytes.length
  const crcAt = bytes.length - EOF_MARKER.length - FOOT_BYTES
  if (crc32(bytes.subarray(0, crcAt)) !== bytes.readUInt32BE(crcAt)) {
    throw new CheckpointError('SEAL', dataBytes, 'the seal is damaged')
  }
  const blockBytes = bytes.readUInt32BE(28)
  const count = bytes.readUInt32BE(32)
  if (
    blockBytes !== SEAL_BLOCK_BYTES ||
    count !== Math.ceil(dataBytes / blockBytes) ||
    HEAD_BYTES + 4 * count !== crcAt
  ) {
    throw new CheckpointError('SEAL', dataBytes, `the seal is of ${count} blocks of ${blockBytes} bytes`)
  }
  const digest = bytes.readUInt32BE(16) === DIGEST_KIND ? bytes.readBigUInt64BE(20) : undefined
  const crcs = Uint32Array.from({ length: count }, (_, i) => bytes.readUInt32BE(HEAD_BYTES + 4 * i))
  return { version: Number(bytes.readBigUInt64BE(8)), digest, dataBytes, crcs }
}

/** @param position of `bytes` in the file, at the beginning of a block. @throws CheckpointError naming a damaged block */
export function checkBlocks(seal: Seal, bytes: Buffer, position: number): void {
  const { crcs, dataBytes } = seal
  for (let at = 0; at < bytes.length; at += SEAL_BLOCK_BYTES) {
    const first = position + at
    if (crc32(bytes.subarray(at, at + SEAL_BLOCK_BYTES)) === crcs[first / SEAL_BLOCK_BYTES]) continue
    const last = Math.min(first + SEAL_BLOCK_BYTES, dataBytes) - 1
    throw new CheckpointError('SEAL', first, `bytes ${first} to ${last} are damaged (wrong checksum)`)
  }
}
