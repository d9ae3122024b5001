// Which chunkservers may register, and under which address clients are told of them (spec chunkserver 2.3.1,
// daemons-and-config: AUTH_CODE, REMAP_BITS).
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MasterConfig } from '../../config/mfsmaster.ts'
import type { Random } from '../../env/env.ts'
import { ProtocolError, Reader } from '../../protocol/codec.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import * as matocs from '../../protocol/matocs.ts'
import { parseIpv4 } from '../../util/ipv4.ts'

export interface Admission {
  /** What chunkservers must know (AUTH_CODE), latin1; undefined: nothing. */
  authCode: string | undefined
  /** Addresses that share so many leading bits with `source` get those of `destination`. 0 bits: none do. */
  remap: { bits: number; source: number; destination: number }
}

export type RegisterBegin = ReturnType<typeof cstoma.registerBegin.read>

const DIGEST_BYTES = 16
/** Less is no time for a pause (spec chunkserver 2.3). */
const SHORTEST_TIMEOUT_SECONDS = 10

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

/** The beginning of one registration. With AUTH_CODE there are two, the second with a digest of what it was challenged with. */
export class AdmissionGate {
  readonly #random: Random
  #challenge: Buffer | undefined

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * @param body of BEGIN or EARLY
   * @returns undefined when it was challenged just now
   * @throws ProtocolError when it does not know the code, or makes no sense
   */
  begin(body: Buffer, authCode: string | undefined, send: (packet: Buffer) => void): RegisterBegin | undefined {
    if (authCode !== undefined && this.#challenge === undefined) {
      this.#challenge = this.#random.bytes(cstoma.CHALLENGE_BYTES)
      send(matocs.masterAck.encode({ kind: 'challenge', random: this.#challenge }))
      return undefined
    }
    const begin = cstoma.registerBegin.read(new Reader(this.#proven(body, authCode)))
    const { timeout } = begin
    if (timeout > 0 && timeout < SHORTEST_TIMEOUT_SECONDS) throw new ProtocolError(`time-out of ${timeout} s`)
    return begin
  }

  /** @returns the body without the digest */
  #proven(body: Buffer, authCode: string | undefined): Buffer {
    if (authCode === undefined || this.#challenge === undefined) return body
    const digest = body.subarray(0, DIGEST_BYTES)
    if (digest.length < DIGEST_BYTES || !knowsCode(authCode, this.#challenge, digest)) {
      throw new ProtocolError('it does not know AUTH_CODE')
    }
    return body.subarray(DIGEST_BYTES)
  }
}
