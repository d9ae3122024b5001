import { crc32 as zlibCrc32 } from 'node:zlib'

/**
 * CRC-32 (polynomial 0xEDB88320, the one of zlib, ethernet and MooseFS) of `bytes`, continued from `previous`.
 * @returns 0..2^32-1
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous)
}

// A CRC is a polynomial over GF(2) modulo the one above, bit 31 being x^0: a byte more multiplies it by x^8.

const POLYNOMIAL = 0xedb88320
const ONE = 0x80000000

function product(a: number, b: number): number {
  let sum = 0
  for (let bit = ONE, shifted = b; bit !== 0; bit >>>= 1) {
    if (a & bit) sum ^= shifted
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1
  }
  return sum
}

/** x^(8 * 2^i) for each i. */
const bytePowers: readonly number[] = (() => {
  const powers = [0x00800000]
  for (let i = 1; i < 32; i++) powers.push(product(powers[i - 1] as number, powers[i - 1] as number))
  return powers
})()

/** x^(8 * bytes). */
function bytePower(bytes: number): number {
  let power = ONE
  for (let i = 0, left = bytes; left > 0; i++, left >>>= 1) {
    if (left & 1) power = product(power, bytePowers[i] as number)
  }
  return power
}

/**
 * The CRC of bytes of which a part is changed, without a look at the others.
 *
 * @param crc of all bytes before
 * @param before CRC of the part before
 * @param after CRC of the part now
 * @param behind how many bytes follow the part
 */
export function patchedCrc32(crc: number, before: number, after: number, behind: number): number {
  return (crc ^ product(bytePower(behind), before ^ after)) >>> 0
}
