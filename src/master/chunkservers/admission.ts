// Which chunkservers may register, and under which address clients are told of them (spec chunkserver 2.3.1,
// daemons-and-config: AUTH_CODE, REMAP_BITS). Pure.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MasterConfig } from '../../config/mfsmaster.ts'
import { parseIpv4 } from '../../util/ipv4.ts'

export interface Admission {
  /** What chunkservers must know (AUTH_CODE), latin1; undefined: nothing. */
  authCode: string | undefined
  /** Addresses that share so many leading bits with `source` get those of `destination`. 0 bits: none do. */
  remap: { bits: number; source: number; destination: number }
}

export const DIGEST_BYTES = 16

export function admissionRules(config: MasterConfig): Admission {
  const { AUTH_CODE, REMAP_BITS, REMAP_SOURCE_IP_CLASS, REMAP_DESTINATION_IP_CLASS } = config
  const [source, destination] = [REMAP_SOURCE_IP_CLASS, REMAP_DESTINATION_IP_CLASS].map(ip => parseIpv4(ip ?? '') ?? 0)
  return { authCode: AUTH_CODE, remap: { bits: REMAP_BITS, source: source ?? 0, destination: destination ?? 0 } }
}

/** @param challenge the 32 random bytes that were sent to the chunkserver */
export function knowsCode(authCode: string, challenge: Buffer, digest: Buffer): boolean {
  const hash = createHash('md5').update(challenge.subarray(0, 16)).update(authCode, 'latin1')
  return timingSafeEqual(hash.update(challenge.subarray(16)).digest(), digest)
}

/** The address under which clients and other servers reach it. */
export function remapped(ip: number, { remap: { bits, source, destination } }: Admission): number {
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
  if (bits === 0 || ((ip ^ source) & mask) !== 0) return ip
  return ((destination & mask) | (ip & ~mask)) >>> 0
}
