// One metalogger on the wire (spec metadata 8).
import type { DiskFile } from '../../env/disk.ts'
import type { Env } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import { changelogName } from '../../journal/changelog-files.ts'
import { CHECKPOINT_BACK } from '../../journal/checkpoint-files.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import { ProtocolError } from '../../protocol/codec.ts'
import { EPOCH_OPTION, VERSION, VERSION_TEXT } from '../../protocol/constants.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matoml from '../../protocol/matoml.ts'
import * as mltoma from '../../protocol/mltoma.ts'
import { crc32 } from '../../util/crc32.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import type { ChangeMemory } from './change-memory.ts'
import type { CommittedLog } from './committed-log.ts'

const MAX_PAYLOAD_BYTES = 1_500_000
/** What one request for data may ask for: the answer must stay below the largest packet. */
const MAX_PIECE_BYTES = 1_400_000
/** A metalogger that takes less than it is sent is let go; it will come back and ask for what it missed. */
const MAX_QUEUED_BYTES = 32 << 20
const OLD_CHANGES_AT_ONCE = 10_000
const UNREGISTERED_TIMEOUT_SECONDS = 10
const TIMEOUT_SECONDS_MIN = 3
const GET_VERSION = 10
const NOP = Buffer.alloc(8)

interface OpenFile {
  file: DiskFile
  /** Bytes that are committed: what is behind may be taken back by a crash. */
  size: number
}

export class MetaloggerLink {
  readonly #env: Env
  readonly #log: CommittedLog
  readonly #memory: ChangeMemory
  readonly #folder: string
  readonly #connection: Connection
  readonly #onClosed: () => void
  readonly #name: string
  #registered = false
  /** Of the metalogger; 0 before it has registered. */
  version = 0
  /** IPv4 address as a big-endian number. */
  readonly ip: number
  /** Next change to be sent out of memory; undefined once it follows. */
  #catchingUp: number | undefined
  /** It came with changes that were not known to be committed here yet: those before this one it has; 0: none. */
  #wanted = 0
  #timeoutMs = UNREGISTERED_TIMEOUT_SECONDS * 1000
  #heardMs: number
  #saidMs: number
  /** Opened together, so that they fit to each other. */
  #files = new Map<number, OpenFile>()
  #current: OpenFile | undefined
  /** Requests for files are carried out one after the other. */
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    env: Env,
    log: CommittedLog,
    memory: ChangeMemory,
    folder: string,
    connection: Connection,
    onClosed: () => void,
  ) {
    this.#env = env
    this.#log = log
    this.#memory = memory
    this.#folder = folder
    this.#connection = connection
    this.#onClosed = onClosed
    this.#name = `metalogger ${connection.remoteAddress}`
    this.ip = parseIpv4(connection.remoteAddress) ?? 0
    this.#heardMs = this.#saidMs = env.clock.monotonicMs()
  }

  /** Listens to the metalogger, which may be gone already. */
  open(): void {
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => this.#onPacket(type, payload))
    this.#connection.handle({
      data: bytes => this.#take(frames, bytes),
      drain: () => this.#catchUp(),
      closed: error => this.#ended(error),
    })
  }

  get isRegistered(): boolean {
    return this.#registered
  }

  /** A change that is committed. While older ones come out of memory, so does this one. */
  follow(change: matoml.Change, frame: Buffer): void {
    if (!this.#registered || this.#closed) return
    if (change !== 'rotate' && (this.#catchingUp !== undefined || change.id < this.#wanted)) return
    this.#write(frame)
  }

  /** Once a second. */
  tick(): void {
    const now = this.#env.clock.monotonicMs()
    if (now - this.#heardMs > this.#timeoutMs) return this.close('it is silent')
    // A log that hears of nothing gives no sign of life, so that metaloggers look for another master.
    if (this.#registered && now - this.#saidMs > this.#timeoutMs / 3 && this.#log.isCurrent) this.#write(NOP)
  }

  /** Sends what is queued, then ends the connection. */
  finish(): void {
    this.#connection.end()
  }

  close(why: string): void {
    if (this.#closed) return
    this.#env.log.notice(`${this.#name}: connection closed: ${why}`)
    this.#connection.destroy()
  }

  #take(frames: FrameReader, bytes: Buffer): void {
    this.#heardMs = this.#env.clock.monotonicMs()
    try {
      frames.push(bytes)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.close(error.message)
    }
  }

  #ended(error: Error | undefined): void {
    this.#closed = true
    this.#onClosed()
    if (this.#registered) this.#env.log.notice(`${this.#name} has left${error ? `: ${error.message}` : ''}`)
    this.#work = this.#work.then(() => this.#closeFiles())
  }

  #write(frame: Buffer): void {
    if (this.#closed) return
    this.#saidMs = this.#env.clock.monotonicMs()
    this.#connection.write(frame)
    if (this.#connection.queuedBytes > MAX_QUEUED_BYTES) this.close('it does not take what it is sent')
  }

  #onPacket(type: number, payload: Buffer): void {
    if (this.#closed || type <= 2) return
    if (type === GET_VERSION) return this.#answerVersion(payload)
    if (type === cltocs.getConfig.code) return this.#answerOption(cltocs.getConfig.decode(payload))
    if (type === mltoma.register.code) return this.#register(mltoma.register.decode(payload))
    if (!this.#registered) throw new ProtocolError(`message ${type} before the registration`)
    switch (type) {
      case mltoma.downloadStart.code: {
        const { file } = mltoma.downloadStart.decode(payload)
        return this.#do(() => this.#start(file))
      }
      case mltoma.downloadRequest.code: {
        const { offset, length } = mltoma.downloadRequest.decode(payload)
        return this.#do(() => this.#sendPiece(offset, length))
      }
      case mltoma.downloadEnd.code:
        mltoma.downloadEnd.decode(payload)
        this.#current = undefined
        return
      default:
        throw new ProtocolError(`unknown message ${type}`)
    }
  }

  #answerVersion(payload: Buffer): void {
    const version = { version: VERSION, text: Buffer.from(VERSION_TEXT) }
    if (payload.length === 0) this.#write(cstocl.plainVersion.encode(version))
    else if (payload.length === 4) this.#write(cstocl.version.encode({ msgid: payload.readUInt32BE(0), ...version }))
    else throw new ProtocolError(`question for the version with ${payload.length} bytes`)
  }

  #answerOption({ msgid, option }: { msgid: number; option: string }): void {
    const value = option === EPOCH_OPTION ? String(this.#log.epoch) : ''
    this.#write(cstocl.configValue.encode({ msgid, value }))
  }

  #register({ form, version, timeout, firstChange }: ReturnType<typeof mltoma.register.decode>): void {
    const known = form === mltoma.RegisterForm.FRESH || form === mltoma.RegisterForm.CONTINUE
    if (this.#registered || !known || (form === mltoma.RegisterForm.CONTINUE) !== (firstChange !== undefined)) {
      throw new ProtocolError(`registration of form ${form}`)
    }
    this.#registered = true
    this.version = version
    this.#timeoutMs = Math.max(TIMEOUT_SECONDS_MIN, timeout) * 1000
    this.#env.log.notice(
      `${this.#name} registered${firstChange === undefined ? '' : `, wants changes from ${firstChange} on`}`,
    )
    // Where memory does not reach back so far it begins later: the metalogger sees the gap at once and fetches files.
    if (this.#log.mayLag) this.#wanted = firstChange ?? 0
    this.#catchingUp = firstChange && Math.max(firstChange, this.#memory.oldest ?? firstChange)
    this.#catchUp()
  }

  /** Sends changes out of memory, as many as fit; with the last one the metalogger follows. */
  #catchUp(): void {
    while (this.#catchingUp !== undefined && !this.#closed && this.#connection.queuedBytes === 0) {
      const changes = this.#memory.from(this.#catchingUp, OLD_CHANGES_AT_ONCE)
      if (!changes || changes.length === 0) {
        // Nothing more. What memory lost meanwhile is a gap in what comes next.
        this.#catchingUp = undefined
        return
      }
      for (const change of changes) this.#write(matoml.metachangesLog.encode(change))
      this.#catchingUp += changes.length
    }
  }

  #do(work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#closed) return
      try {
        await work()
      } catch (error) {
        this.close(error instanceof Error ? error.message : String(error))
      }
    })
  }

  async #start(number: number): Promise<void> {
    const known: number[] = Object.values(mltoma.MasterFile)
    if (!known.includes(number)) throw new ProtocolError(`unknown file ${number}`)
    if (number === mltoma.MasterFile.METADATA) await this.#openFiles()
    this.#current = this.#files.get(number)
    const missing = number >= mltoma.MasterFile.CHANGELOG_0 ? 0 : undefined
    this.#write(matoml.downloadInfo.encode(this.#current?.size ?? missing))
  }

  async #openFiles(): Promise<void> {
    await this.#closeFiles()
    const names: [number, string][] = [
      [mltoma.MasterFile.METADATA, CHECKPOINT_BACK],
      [mltoma.MasterFile.CHANGELOG_0, changelogName(0)],
      [mltoma.MasterFile.CHANGELOG_1, changelogName(1)],
    ]
    for (const [number, name] of names) {
      const file = await this.#env.disk.open(`${this.#folder}/${name}`, 'r').catch(error => {
        if (error.code !== 'ENOENT') throw error
        return undefined
      })
      if (file) this.#files.set(number, { file, size: (await file.stat()).size })
    }
    // What was in the files when their sizes were taken is committed after this.
    await new Promise<void>(resolve => this.#log.whenCommitted(resolve))
  }

  async #closeFiles(): Promise<void> {
    const files = [...this.#files.values()]
    this.#files = new Map()
    this.#current = undefined
    for (const { file } of files) await file.close().catch(() => {})
  }

  async #sendPiece(offset: number, length: number): Promise<void> {
    const open = this.#current
    if (!open || length > MAX_PIECE_BYTES || offset + length > open.size) {
      throw new ProtocolError(`request for ${length} bytes at ${offset}`)
    }
    const data = Buffer.alloc(length)
    const count = await open.file.read(data, offset)
    if (count < length) throw new Error(`a file ends before byte ${offset + length}`)
    this.#write(matoml.downloadData.encode({ offset, length, crc: crc32(data), data }))
  }
}
