import { createCipheriv } from 'node:crypto'

/** Bytes without pattern that follow from the seed. */
export function contentsOf(seed: number, length: number): Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32BE(seed >>> 0)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}
