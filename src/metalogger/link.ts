// One connection to a master: the master is looked at before anything of it is believed, then its changes are written
// as they come, and its checkpoints are fetched (spec metadata 8).
import type { EpochFence } from '../daemon/epoch-fence.ts'
import type { DiskFile } from '../env/disk.ts'
import type { Env } from '../env/env.ts'
import type { Connection } from '../env/net.ts'
import { type CheckpointHeader, HEADER_BYTES, readHeader } from '../metadata/checkpoint/format.ts'
import * as cltocs from '../protocol/cltocs.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { EPOCH_OPTION, VERSION } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { parseEpoch } from '../protocol/epoch.ts'
import { FrameReader } from '../protocol/frame.ts'
import * as matoml from '../protocol/matoml.ts'
import * as mltoma from '../protocol/mltoma.ts'
import { crc32 } from '../util/crc32.ts'
import { CHANGELOG_TEMPORARY, METADATA_TEMPORARY, type MetaloggerFiles } from './files.ts'

const MAX_PAYLOAD_BYTES = 1_500_000
const PIECE_BYTES = 1_000_000
const PIECE_TRIES = 5
/** Changes that may wait for the disk; beyond it the master is not read from. */
const WAITING_MAX = 100_000
const NOP = Buffer.alloc(8)
const HOUR_MS = 3_600_000
/** Checkpoints are fetched so long after the full hour: the master has written its own by then. */
const DOWNLOAD_OFFSET_MS = 630_000

/** The master is not the one whose files are here, or has gone back in time. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}

export interface LinkOptions {
  timeoutSeconds: number
  downloadEveryHours: number
}

const lost = (what: string) => Object.assign(new Error(what), { code: 'ECONNRESET' })

export class MasterLink {
  readonly #env: Env
  readonly #files: MetaloggerFiles
  readonly #fence: EpochFence
  readonly #options: LinkOptions
  readonly #connection: Connection
  /** Changes and rotations not written yet, in order. Written once the master is known to be the right one. */
  #waiting: matoml.Change[] = []
  #trusted = false
  /** The master is one of several: by its epoch it is known not to have gone back in time, whatever files it offers. */
  #isOfCluster = false
  #writing = false
  #expected: number | undefined
  #answer: { code: number; resolve: (payload: Buffer) => void } | undefined
  #heardMs: number
  #saidMs: number
  readonly #ended: Promise<never>
  #end: (error: Error) => void = () => {}
  #work: Promise<void> = Promise.resolve()

  constructor(env: Env, files: MetaloggerFiles, fence: EpochFence, options: LinkOptions, connection: Connection) {
    this.#env = env
    this.#files = files
    this.#fence = fence
    this.#options = options
    this.#connection = connection
    this.#heardMs = this.#saidMs = env.clock.monotonicMs()
    this.#ended = new Promise((_, reject) => {
      this.#end = reject
    })
    this.#ended.catch(() => {})
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => this.#onPacket(type, payload))
    connection.handle({
      data: bytes => this.#take(frames, bytes),
      closed: error => this.#end(error && 'code' in error ? error : lost('connection closed')),
    })
  }

  get following(): boolean {
    return this.#trusted
  }

  close(): void {
    this.#connection.destroy()
  }

  /** Follows the master until the connection ends. @throws Refusal, Error of the system, ProtocolError */
  async run(): Promise<void> {
    const timer = this.#env.clock.every(1000, () => this.#tick())
    const downloads = this.#scheduleDownload()
    try {
      await Promise.race([this.#begin(), this.#ended])
      await this.#ended
    } finally {
      timer.cancel()
      downloads.cancel()
      this.#connection.destroy()
      await this.#work.catch(() => {})
    }
  }

  async #begin(): Promise<void> {
    const { lastId, checkpoint } = this.#files
    const { timeoutSeconds: timeout } = this.#options
    await this.#checkEpoch()
    this.#expected = lastId === undefined ? undefined : lastId + 1
    this.#write(
      mltoma.register.encode(
        this.#expected === undefined
          ? { form: mltoma.RegisterForm.FRESH, version: VERSION, timeout }
          : { form: mltoma.RegisterForm.CONTINUE, version: VERSION, timeout, firstChange: this.#expected },
      ),
    )
    await this.#checkMaster()
    this.#trusted = true
    this.#env.log.notice(
      `following the master at ${this.#connection.remoteAddress}${this.#expected ? ` from change ${this.#expected} on` : ''}`,
    )
    this.#flush()
    // Without a last change it is not known what lies between what is here and what has come meanwhile.
    if (!checkpoint || lastId === undefined || this.#files.incomplete) await this.#download()
  }

  /** A master of the original says nothing of epochs. @throws Error of the system when the master's epoch is over */
  async #checkEpoch(): Promise<void> {
    const question = cltocs.getConfig.encode({ msgid: 1, option: EPOCH_OPTION })
    const { value } = cstocl.configValue.decode(await this.#ask(question, cstocl.configValue.code))
    const epoch = parseEpoch(value)
    if (!(await this.#fence.admits(epoch))) {
      throw lost(`this master knows of epoch ${epoch}, and ${this.#fence.highest} has begun`)
    }
    this.#isOfCluster = epoch > 0
  }

  /** Id and version of the master's metadata against ours. @throws Refusal */
  async #checkMaster(): Promise<void> {
    const size = await this.#open(mltoma.MasterFile.METADATA)
    if (size === undefined) return
    const header = readHeader(await this.#piece(0, Math.min(size, HEADER_BYTES)))
    this.#write(mltoma.downloadEnd.encode({}))
    this.#refuseForeign(header)
  }

  #scheduleDownload(): { cancel(): void } {
    const periodMs = this.#options.downloadEveryHours * HOUR_MS
    const { clock } = this.#env
    const sinceMs = (((clock.nowMs() - DOWNLOAD_OFFSET_MS) % periodMs) + periodMs) % periodMs
    let timer = clock.after(periodMs - sinceMs, () => {
      timer = clock.every(periodMs, () => this.#downloadLater())
      this.#downloadLater()
    })
    return { cancel: () => timer.cancel() }
  }

  #downloadLater(): void {
    if (this.#trusted) this.#download().catch(error => this.#fail(error))
  }

  #downloading = false

  /** Fetches the checkpoint and the two changelogs that go with it. */
  async #download(): Promise<void> {
    if (this.#downloading) return
    this.#downloading = true
    try {
      const size = await this.#open(mltoma.MasterFile.METADATA)
      if (size === undefined) {
        this.#env.log.warning('the master has no checkpoint yet')
        return
      }
      await this.#fetch(METADATA_TEMPORARY, size)
      this.#refuseForeign(await this.#temporaryHeader())
      // Changes between it and the stream come with the changelogs; until then they are missing.
      this.#files.incomplete = true
      const { version } = await this.#files.takeMetadata()
      for (const [age, number] of [mltoma.MasterFile.CHANGELOG_0, mltoma.MasterFile.CHANGELOG_1].entries()) {
        const logSize = (await this.#open(number)) ?? 0
        if (logSize === 0) {
          this.#write(mltoma.downloadEnd.encode({}))
          continue
        }
        await this.#fetch(CHANGELOG_TEMPORARY, logSize)
        await this.#files.takeChangelog(age)
      }
      this.#files.incomplete = false
      this.#env.log.notice(`checkpoint of version ${version} fetched (${size} bytes)`)
    } finally {
      this.#downloading = false
    }
  }

  async #temporaryHeader(): Promise<CheckpointHeader> {
    const file = await this.#env.disk.open(this.#files.path(METADATA_TEMPORARY), 'r')
    try {
      const head = Buffer.alloc(HEADER_BYTES)
      return readHeader(head.subarray(0, await file.read(head, 0)))
    } finally {
      await file.close()
    }
  }

  async #open(number: number): Promise<number | undefined> {
    return matoml.downloadInfo.decode(
      await this.#ask(mltoma.downloadStart.encode({ file: number }), matoml.downloadInfo.code),
    )
  }

  async #fetch(name: string, size: number): Promise<void> {
    const file: DiskFile = await this.#files.create(name)
    try {
      for (let offset = 0; offset < size; ) {
        const data = await this.#piece(offset, Math.min(PIECE_BYTES, size - offset))
        await file.write(data, offset)
        offset += data.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    this.#write(mltoma.downloadEnd.encode({}))
  }

  async #piece(offset: number, length: number): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      const request = mltoma.downloadRequest.encode({ offset, length })
      const { data, crc, ...got } = matoml.downloadData.decode(await this.#ask(request, matoml.downloadData.code))
      if (got.offset !== offset || data.length !== length)
        throw new ProtocolError('another piece than the one asked for')
      if (crc32(data) === crc) return data
      if (attempt === PIECE_TRIES) throw new ProtocolError(`a piece at byte ${offset} is damaged again and again`)
      this.#env.log.warning(`a piece at byte ${offset} came damaged: asked for again`)
    }
  }

  #ask(frame: Buffer, code: number): Promise<Buffer> {
    const answer = new Promise<Buffer>(resolve => {
      this.#answer = { code, resolve }
    })
    this.#write(frame)
    return Promise.race([answer, this.#ended])
  }

  #write(frame: Buffer): void {
    this.#saidMs = this.#env.clock.monotonicMs()
    this.#connection.write(frame)
  }

  #tick(): void {
    const now = this.#env.clock.monotonicMs()
    const timeoutMs = this.#options.timeoutSeconds * 1000
    if (now - this.#heardMs > timeoutMs) this.#fail(lost(`silent for ${this.#options.timeoutSeconds} s`))
    else if (now - this.#saidMs > timeoutMs / 3) this.#write(NOP)
  }

  #fail(error: Error): void {
    this.#end(error)
    this.#connection.destroy()
  }

  #take(frames: FrameReader, bytes: Buffer): void {
    this.#heardMs = this.#env.clock.monotonicMs()
    try {
      frames.push(bytes)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #onPacket(type: number, payload: Buffer): void {
    if (type <= 2) return
    if (type === matoml.metachangesLog.code) {
      this.#waiting.push(matoml.metachangesLog.decode(payload))
      if (this.#waiting.length > WAITING_MAX) this.#connection.pause()
      return this.#flush()
    }
    const expected = this.#answer
    if (!expected || expected.code !== type) throw new ProtocolError(`message ${type} was not expected`)
    this.#answer = undefined
    expected.resolve(payload)
  }

  /** Writes what waits: everything that came while the last was on its way to the disk, with one sync. */
  #flush(): void {
    if (!this.#trusted || this.#writing || this.#waiting.length === 0) return
    this.#writing = true
    this.#work = this.#writeWaiting()
      .catch(error => this.#fail(error))
      .finally(() => {
        this.#writing = false
        this.#flush()
      })
  }

  async #writeWaiting(): Promise<void> {
    const changes = this.#waiting
    this.#waiting = []
    this.#connection.resume()
    let lines: { id: number; body: string }[] = []
    for (const change of changes) {
      if (change !== 'rotate') {
        if (await this.#isNext(change.id, lines)) lines = []
        lines.push(change)
        continue
      }
      await this.#files.append(lines)
      lines = []
      await this.#files.rotate()
    }
    await this.#files.append(lines)
  }

  /** Checks the number of a change. @returns whether a new file was begun, because changes before it are missing */
  async #isNext(id: number, lines: { id: number; body: string }[]): Promise<boolean> {
    const expected = this.#expected
    this.#expected = id + 1
    if (expected === undefined || id === expected) return false
    if (id < expected) {
      await this.#files.append(lines)
      throw new Refusal(
        `the master sent change ${id}, and changes up to ${expected - 1} are here: it went back in time`,
      )
    }
    this.#env.log.warning(`changes ${expected} to ${id - 1} were missed: a checkpoint is fetched`)
    await this.#files.append(lines)
    await this.#files.rotate()
    this.#files.incomplete = true
    this.#downloadLater()
    return true
  }

  /** @throws Refusal when the master's metadata does not belong to what is here, or is older */
  #refuseForeign({ metaId, version }: CheckpointHeader): void {
    const { checkpoint, lastId } = this.#files
    if (!checkpoint) return
    const hex = (id: bigint) => id.toString(16).toUpperCase().padStart(16, '0')
    if (checkpoint.metaId !== 0n && metaId !== checkpoint.metaId) {
      throw new Refusal(
        `the master offers metadata with id ${hex(metaId)}, the one here has id ${hex(checkpoint.metaId)}: another file system`,
      )
    }
    // Each of several masters makes its checkpoints at its own time.
    if (version < checkpoint.version && !this.#isOfCluster) {
      throw new Refusal(
        `the master offers metadata of version ${version}, here are version ${checkpoint.version} and changes up to ` +
          `${lastId ?? 'none'}: it went back in time`,
      )
    }
  }
}
