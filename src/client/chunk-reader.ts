// Reading a range of one chunk from one of its copies, and from another one when that fails (spec chunkserver 3.2).
import { constants } from 'node:os'
import type { Env } from '../env/env.ts'
import type { CopyLocation } from '../protocol/attributes.ts'
import * as cltocs from '../protocol/cltocs.ts'
import { MFSBLOCKSIZE, MFSCHUNKSIZE } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { Status, statusName } from '../protocol/status.ts'
import { crc32 } from '../util/crc32.ts'
import type { ChunkLocator, Located } from './chunk-locator.ts'
import { patientPauseMs, pauseMs, type RetryOptions, reactionTo } from './retry.ts'
import type { ServerPool } from './server-pool.ts'

const { errno } = constants
/** No copy: the servers may come back, but hardly at once. */
const NO_COPY_PAUSE_MS = 10_000
const ZEROS = Buffer.alloc(MFSBLOCKSIZE)

export type ReadResult = { buffers: Buffer[]; length: number } | number

export class ChunkReader {
  readonly #env: Env
  readonly #locator: ChunkLocator
  readonly #pool: ServerPool
  readonly #options: RetryOptions

  constructor(env: Env, locator: ChunkLocator, pool: ServerPool, options: RetryOptions) {
    this.#env = env
    this.#locator = locator
    this.#pool = pool
    this.#options = options
  }

  /**
   * Bytes `from` to `to` of a chunk of a file. What lies behind the end of the file comes as zeros or not at all: the
   * length of the file comes along.
   * @returns an errno when it can't be read
   */
  async read(inode: number, index: number, from: number, to: number): Promise<ReadResult> {
    const tried = new Set<string>()
    for (let failures = 0, waits = 0; ; ) {
      const located = await this.#locator.locate(inode, index)
      if ('status' in located) {
        const reaction = reactionTo(located.status, this.#options)
        if ('errno' in reaction) return reaction.errno
        if ('patient' in reaction) await this.#env.clock.sleep(patientPauseMs(++waits))
        else if (++failures >= this.#options.ioRetries) return reaction.lastErrno
        else await this.#env.clock.sleep(pauseMs(failures))
        continue
      }
      const end = Math.min(to, Math.max(from, located.length - index * MFSCHUNKSIZE))
      if (end === from) return { buffers: [], length: located.length }
      if (located.chunkId === 0) return { buffers: zeros(end - from), length: located.length }
      const copy = chooseCopy(located, tried)
      if (!copy) {
        this.#locator.forgetChunk(inode, index)
        if (++failures >= this.#options.ioRetries) return errno.ENXIO
        await this.#env.clock.sleep(tried.size > 0 ? pauseMs(failures) : NO_COPY_PAUSE_MS)
        tried.clear()
        continue
      }
      try {
        return { buffers: await this.#readFrom(copy, located, from, end), length: located.length }
      } catch (error) {
        this.#env.log.warning(
          `inode ${inode}, chunk ${index}: ${placeOf(copy)} can't be read: ${(error as Error).message}`,
        )
        tried.add(placeOf(copy))
        this.#locator.forgetChunk(inode, index)
        if (++failures >= this.#options.ioRetries) return errno.EIO
        if (failures > 2) await this.#env.clock.sleep(pauseMs(failures - 2))
      }
    }
  }

  async #readFrom(copy: CopyLocation, { chunkId, version }: Located, from: number, to: number): Promise<Buffer[]> {
    const server = await this.#pool.connect(copy.ip, copy.port)
    return new Promise((resolve, reject) => {
      const buffers: Buffer[] = []
      let at = from
      const fail = (message: string) => server.destroy(new Error(message))
      server.use({
        failed: reject,
        packet: (type, payload) => {
          if (type === cstocl.readStatus.code) {
            const { chunkId: told, status } = cstocl.readStatus.decode(payload)
            if (told !== chunkId) return fail('answer about another chunk')
            if (status !== Status.OK) {
              server.release()
              return reject(new Error(statusName(status)))
            }
            if (at !== to) return fail(`${to - at} bytes are missing`)
            server.release()
            return resolve(buffers)
          }
          if (type !== cstocl.readData.code) return fail(`unexpected message ${type}`)
          const { chunkId: told, data, crc, blockIndex, offset } = cstocl.readData.decode(payload)
          const inPlace = told === chunkId && blockIndex * MFSBLOCKSIZE + offset === at
          if (!inPlace || at + data.length > to) return fail('bytes of another place')
          if (crc32(data) !== crc) return fail('the bytes do not fit their CRC')
          at += data.length
          buffers.push(data)
        },
      })
      server.write(cltocs.read.encode({ protocol: cltocs.PROTOCOL, chunkId, version, offset: from, size: to - from }))
    })
  }
}

const placeOf = ({ ip, port }: CopyLocation) =>
  `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}:${port}`

/** The first copy that has not failed us. */
function chooseCopy({ copies }: Located, tried: ReadonlySet<string>): CopyLocation | undefined {
  return copies.find(copy => !tried.has(placeOf(copy)))
}

export function zeros(bytes: number): Buffer[] {
  const buffers: Buffer[] = []
  for (let left = bytes; left > 0; left -= ZEROS.length) buffers.push(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
  return buffers
}
