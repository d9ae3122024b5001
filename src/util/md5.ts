import { createHash } from 'node:crypto'

/** The protocol's password digests are MD5 (spec client-master 2.4). @returns 16 bytes */
export function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}
