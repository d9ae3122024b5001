import { crc32 as zlibCrc32 } from 'node:zlib'

/**
 * CRC-32 (polynomial 0xEDB88320, the one of zlib, ethernet and MooseFS) of `bytes`, continued from `previous`.
 * @returns 0..2^32-1
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous)
}
