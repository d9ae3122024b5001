// The master's commands (spec chunkserver 2.5): what each does, and its answer.
import * as cltocs from '../../protocol/cltocs.ts'
import { ProtocolError } from '../../protocol/codec.ts'
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status } from '../../protocol/status.ts'
import { answerQuery } from '../chunk-queries.ts'
import { statusOf } from '../disks/chunk-error.ts'
import type { ChunkStore } from '../disks/chunk-store.ts'
import type { Jobs } from '../jobs.ts'
import type { Replicator } from '../replicator.ts'

/** `length` of a CHUNKOP that changes no length. */
const NO_LENGTH = 0xffffffff
const REPLICATE_BYTES = 18

export class Commands {
  readonly #store: ChunkStore
  readonly #replicator: Replicator
  readonly #jobs: Jobs
  /** Changes of chunks that are going on, whoever asked for them. */
  readonly #changes = new Set<Promise<unknown>>()

  constructor(store: ChunkStore, replicator: Replicator, jobs: Jobs) {
    this.#store = store
    this.#replicator = replicator
    this.#jobs = jobs
  }

  /** Does a command; its answer comes when it is done. @throws ProtocolError, at once, for anything that is none */
  run(type: number, payload: Buffer): Promise<Buffer> {
    const store = this.#store
    switch (type) {
      case matocs.create.code: {
        const { chunkId, version } = matocs.create.decode(payload)
        return this.#changed(cstoma.create, { chunkId }, () => store.create(chunkId, version))
      }
      case matocs.remove.code: {
        const { chunkId, version } = matocs.remove.decode(payload)
        return this.#changed(cstoma.remove, { chunkId }, () => store.remove(chunkId, version))
      }
      case matocs.duplicate.code: {
        const body = matocs.duplicate.decode(payload)
        return this.#changed(cstoma.duplicate, { chunkId: body.chunkId }, () => store.duplicate(body))
      }
      case matocs.setVersion.code: {
        const { chunkId, version, previousVersion } = matocs.setVersion.decode(payload)
        const action = () => store.setVersion(chunkId, version, previousVersion)
        return this.#changed(cstoma.setVersion, { chunkId }, action)
      }
      case matocs.truncate.code: {
        const { chunkId, length, version, previousVersion } = matocs.truncate.decode(payload)
        const action = () => store.truncate(chunkId, length, version, previousVersion)
        return this.#changed(cstoma.truncate, { chunkId }, action)
      }
      case matocs.duptrunc.code: {
        const body = matocs.duptrunc.decode(payload)
        return this.#changed(cstoma.duptrunc, { chunkId: body.chunkId }, () => store.duplicate(body))
      }
      case matocs.replicate.code:
        return this.#replicate(payload)
      case matocs.chunkOp.code:
        return this.#chunkOp(payload)
      case cltocs.getChunkBlocks.code:
      case cltocs.getChunkChecksum.code:
      case cltocs.getChunkChecksumTab.code:
        return answerQuery(store, type, payload)
      default:
        throw new ProtocolError(`unknown command ${type}`)
    }
  }

  /** Resolves when all changes that were asked for up to now are made. */
  async settled(): Promise<void> {
    await Promise.all(this.#changes)
  }

  async #changed<B>(
    answer: { encode(body: B & { status: number }): Buffer },
    about: B,
    action: () => Promise<void>,
  ): Promise<Buffer> {
    const change = this.#answered(answer, about, action)
    this.#changes.add(change)
    try {
      return await change
    } finally {
      this.#changes.delete(change)
    }
  }

  async #answered<B>(
    answer: { encode(body: B & { status: number }): Buffer },
    about: B,
    action: () => Promise<void>,
  ): Promise<Buffer> {
    if (!this.#jobs.begin()) return answer.encode({ ...about, status: Status.NOTDONE })
    try {
      return answer.encode({ ...about, status: await statusOf(action) })
    } finally {
      this.#jobs.end()
    }
  }

  #replicate(payload: Buffer): Promise<Buffer> {
    if (payload.length === REPLICATE_BYTES) {
      const { chunkId, version, ip, port } = matocs.replicate.decode(payload)
      const action = () => this.#replicator.replicate(chunkId, version, ip, port)
      return this.#answered(cstoma.replicate, { chunkId, version }, action)
    }
    // No master sends this form, and the original's own servers fail on it.
    const { chunkId, version } = matocs.replicateFromMany.decode(payload)
    return Promise.resolve(cstoma.replicate.encode({ chunkId, version, status: Status.EINVAL }))
  }

  #chunkOp(payload: Buffer): Promise<Buffer> {
    const body = matocs.chunkOp.decode(payload)
    const action = this.#chunkOpAction(body)
    if (!action) return Promise.resolve(cstoma.chunkOp.encode({ ...body, status: Status.EINVAL }))
    return this.#changed(cstoma.chunkOp, body, action)
  }

  #chunkOpAction(body: ReturnType<typeof matocs.chunkOp.decode>): (() => Promise<void>) | undefined {
    const { chunkId, version, newVersion, copyChunkId, copyVersion, length } = body
    const store = this.#store
    if (newVersion === 0) {
      return [
        () => store.remove(chunkId, version),
        () => store.create(chunkId, version),
        async () => void (await store.test(chunkId, version)),
      ][length]
    }
    if (length !== NO_LENGTH && length > MFSCHUNKSIZE) return undefined
    if (copyChunkId === 0) {
      if (length === NO_LENGTH) return () => store.setVersion(chunkId, newVersion, version)
      return () => store.truncate(chunkId, length, newVersion, version)
    }
    const request = {
      chunkId: copyChunkId,
      version: copyVersion || newVersion,
      sourceChunkId: chunkId,
      sourceVersion: version,
      sourceNewVersion: newVersion,
    }
    return () => store.duplicate(length === NO_LENGTH ? request : { ...request, length })
  }
}
