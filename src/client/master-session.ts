// The session with the master: registration, questions and answers, reconnecting (spec client-master 1, 2, 7.2).
//
// Questions that were not answered when a connection ended are sent again, unchanged, once the session goes on.
import type { Env, Timer } from '../env/env.ts'
import type { Connection } from '../env/net.ts'
import * as cltoma from '../protocol/cltoma.ts'
import { type Message, ProtocolError, Reader, u8, u16, u32, u64, Writer } from '../protocol/codec.ts'
import { EPOCH_OPTION, EXTENDED_VERSION, EXTENSIONS, EXTENSIONS_OPTION, VERSION } from '../protocol/constants.ts'
import { parseEpoch } from '../protocol/epoch.ts'
import { FrameReader } from '../protocol/frame.ts'
import * as matocl from '../protocol/matocl.ts'
import { Status, statusName } from '../protocol/status.ts'
import { resolveHosts } from '../util/hosts.ts'
import { md5 } from '../util/md5.ts'
import type { SessionParameters } from './cluster.ts'
import { dialFirst } from './dial.ts'

const CONNECT_TIMEOUT_MS = 2000
/** From one master to the next that is said to lead. */
const REDIRECTS_MAX = 3
const REGISTER_TIMEOUT_MS = 5000
const CLOSE_TIMEOUT_MS = 500
const SILENCE_MS = 10_000
const NOP_AFTER_MS = 2000
const RECONNECT_MS = 2000
/** A master that was restarted or has handed over is back within seconds: then every moment counts. */
const FIRST_RECONNECT_MS = 10
const EARLY_RECONNECT_MS = 200
const EARLY_ATTEMPTS = 60
const TICK_MS = 1000
const TIME_SYNC_MS = 60_000
const MAX_PAYLOAD_BYTES = 0xffffffff
const FIRST_ATTEMPTS = 10
const OLDEST_MASTER = 0x02010e

export interface SessionOptions {
  /** Names or addresses of masters, tried in turn; the one that leads is found. */
  hosts: readonly string[]
  port: number
  bindHost: string | undefined
  /** What the master shows of us: the mount point. */
  info: string
  /** Folder of the file system that is our root. */
  folder: string
  /** A session for the trash. */
  meta: boolean
  /** MD5 of the password. */
  passwordDigest: Buffer | undefined
  rememberPassword: boolean
  /** Keep trying for ever to get the first session. */
  patient: boolean
  /** Questions wait so long for an answer across lost connections. */
  giveUpMs: number
}

/** There is no session, and why. */
export class SessionError extends Error {
  override readonly name = 'SessionError'
}

/** This master does not lead; another one may. */
class NotTheLeader extends Error {
  override readonly name = 'NotTheLeader'
  readonly leader: string | undefined

  constructor(leader: string | undefined) {
    super(`this master is not the leader; the leader is ${leader ?? 'unknown'}`)
    this.leader = leader
  }
}

/** What the master tells without being asked. */
export interface MasterNews {
  chunkHasChanged(news: {
    inode: number
    index: number
    chunkId: number
    version: number
    length: number
    truncated: number
  }): void
  lengthHasChanged(inode: number, length: number): void
  /** All that is known of the places of chunks is stale. */
  serversHaveChanged(): void
  /** Somebody else changes names in a folder that was lent. */
  folderRecalled(inode: number): void
  /** The connection is gone, and with it all promises of the master. */
  disconnected(): void
  /** The connection is new; `sameSession` tells whether open files and locks are still ours. */
  renewed(sameSession: boolean): void
}

interface Question {
  /** The packet, in the layouts of the master that it goes to now. */
  encode: () => Buffer
  answerType: number
  since: number
  /** Sent again after a lost connection: it may have been carried out before. */
  repeated: boolean
  resolve: (payload: Buffer | undefined) => void
}

export class MasterSession {
  readonly #env: Env
  readonly #options: SessionOptions
  readonly #news: MasterNews
  #password: Buffer | undefined
  #connection: Connection | undefined
  #questions = new Map<number, Question>()
  #nextId = 1
  #timer: Timer | undefined
  #heardMs = 0
  #saidMs = 0
  #askedTimeMs = Number.NEGATIVE_INFINITY
  #timeOffsetMs = 0
  #closing = false
  #served = false
  /** Which master the next attempt begins with. */
  #attempts = 0
  /** The highest that a master named; 0: of a master alone. */
  #epoch = 0
  /** The master is of our kind: it keeps fine times, and knows the flags of renameat2. */
  extended = false
  /** The session goes on at a master that answers a repeated question as it did the first time. */
  #repeatsAnswers = false
  /** When the last question was sent that has been answered on this connection. */
  answeredSinceMs = Number.NEGATIVE_INFINITY
  sessionId = 0
  metaId = 0n
  masterVersion = 0
  parameters: SessionParameters = NO_PARAMETERS

  /** @throws SessionError when the master can't be reached or refuses */
  static async connect(env: Env, options: SessionOptions, news: MasterNews): Promise<MasterSession> {
    const session = new MasterSession(env, options, news)
    await session.#first()
    return session
  }

  private constructor(env: Env, options: SessionOptions, news: MasterNews) {
    this.#env = env
    this.#options = options
    this.#news = news
    this.#password = options.passwordDigest
  }

  /** Seconds since 1970 by the clock of the master. */
  nowSeconds(): number {
    return Math.floor(this.nowMs() / 1000)
  }

  /** Milliseconds since 1970 by the clock of the master, with fractions. */
  nowMs(): number {
    return this.#env.clock.nowMs() + this.#timeOffsetMs
  }

  /** Selects the layouts of attributes and questions. */
  get layoutVersion(): number {
    return this.extended ? EXTENDED_VERSION : this.masterVersion
  }

  /**
   * Asks; undefined when there was no answer in time, or the session is lost.
   * @param onRepeated called before the answer when the question had to be sent again and may have been carried out
   * twice: by a master of the original, or for a session that is not the same any more
   */
  async ask<Q extends { msgid: number }, A>(
    question: Message<Q>,
    body: Omit<Q, 'msgid'>,
    answer: Message<A>,
    onRepeated?: () => void,
  ): Promise<A | undefined> {
    const msgid = this.#newId()
    const encode = () => question.encode({ ...body, msgid } as Q, this.layoutVersion)
    const payload = await this.#ask(msgid, encode, answer.code, onRepeated)
    if (!payload) return undefined
    try {
      return answer.decode(payload, this.extended ? EXTENDED_VERSION : VERSION)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#env.log.error(`master: ${error.message}`)
      this.#connection?.destroy(error)
      return undefined
    }
  }

  /** For questions whose layout somebody else knows: body and answer without msgid. */
  async forward(type: number, body: Buffer): Promise<{ type: number; body: Buffer } | undefined> {
    const msgid = this.#newId()
    const packet = Buffer.allocUnsafe(12 + body.length)
    packet.writeUInt32BE(type, 0)
    packet.writeUInt32BE(4 + body.length, 4)
    packet.writeUInt32BE(msgid, 8)
    body.copy(packet, 12)
    const payload = await this.#ask(msgid, () => packet, type + 1)
    return payload && { type: type + 1, body: payload.subarray(4) }
  }

  /** Sends what has no answer; dropped when there is no connection. */
  tell(packet: Buffer): void {
    this.#write(packet)
  }

  #newId(): number {
    do this.#nextId = (this.#nextId % 0xfffffffe) + 1
    while (this.#questions.has(this.#nextId))
    return this.#nextId
  }

  #ask(msgid: number, encode: () => Buffer, answerType: number, onRepeated?: () => void): Promise<Buffer | undefined> {
    return new Promise(resolve => {
      if (this.#closing) return resolve(undefined)
      const question = { encode, answerType, since: this.#env.clock.monotonicMs(), repeated: false }
      const finish = (payload: Buffer | undefined) => {
        if (question.repeated && !this.#repeatsAnswers) onRepeated?.()
        resolve(payload)
      }
      this.#questions.set(msgid, Object.assign(question, { resolve: finish }))
      if (this.#connection) this.#write(encode())
    })
  }

  #write(packet: Buffer): void {
    if (!this.#connection) return
    this.#saidMs = this.#env.clock.monotonicMs()
    this.#connection.write(packet)
  }

  // --- a connection

  async #first(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#register(false)
        break
      } catch (error) {
        if (error instanceof SessionError) throw error
        const text = (error as Error).message
        if (attempt >= FIRST_ATTEMPTS && !this.#options.patient)
          throw new SessionError(`can't connect to mfsmaster (${text})`)
        if (attempt === 1) this.#env.log.warning(`can't connect to mfsmaster (${text}), trying again`)
        await this.#env.clock.sleep(RECONNECT_MS)
      }
    }
    this.#timer = this.#env.clock.every(TICK_MS, () => this.#tick())
  }

  /** All addresses of all masters; another one first each time, because one that answers may not be the right one. */
  async #addresses(): Promise<string[]> {
    const { hosts } = this.#options
    const addresses = await resolveHosts(host => this.#env.net.resolve(host), hosts)
    const first = this.#attempts++ % addresses.length
    return [...addresses.slice(first), ...addresses.slice(0, first)]
  }

  /** @throws Error when none answers */
  async #dial(addresses: readonly string[]): Promise<Registration> {
    const { port, bindHost } = this.#options
    const bind = bindHost === undefined ? {} : { bindHost }
    const connection = await dialFirst(this.#env, addresses, port, { timeoutMs: CONNECT_TIMEOUT_MS, ...bind })
    return new Registration(this.#env, connection)
  }

  /**
   * Makes a session, or goes on with ours, at the master that leads.
   * @param again we have a session
   * @throws SessionError when the master refuses, other Errors when it can't be reached
   */
  async #register(again: boolean): Promise<void> {
    let addresses = await this.#addresses()
    for (let hop = 0; ; hop++) {
      const registration = await this.#dial(addresses)
      try {
        return await this.#registerAt(registration, again)
      } catch (error) {
        registration.destroy()
        if (!(error instanceof NotTheLeader) || error.leader === undefined || hop === REDIRECTS_MAX) throw error
        addresses = [error.leader]
      }
    }
  }

  async #registerAt(registration: Registration, again: boolean): Promise<void> {
    const same = again && (await this.#reconnect(registration))
    if (!same) await this.#newSession(registration)
    this.extended = (await registration.askOption(EXTENSIONS_OPTION)) === EXTENSIONS
    if (this.extended) this.#checkEpoch(parseEpoch(await registration.askOption(EPOCH_OPTION)))
    this.#repeatsAnswers = same && this.extended
    this.#attempts--
    this.#serve(registration)
    if (again) this.#news.renewed(same)
  }

  /** A leader that was replaced and has not noticed is not listened to. @throws Error */
  #checkEpoch(epoch: number): void {
    if (epoch < this.#epoch) throw new Error(`this master leads epoch ${epoch}, and ${this.#epoch} has begun`)
    this.#epoch = epoch
  }

  /** @returns whether the old session goes on */
  async #reconnect(registration: Registration): Promise<boolean> {
    const out = new Writer()
    u32.write(out, this.sessionId)
    u32.write(out, VERSION)
    if (this.metaId !== 0n) u64.write(out, this.metaId)
    const answer = await registration.ask(cltoma.RegisterCode.RECONNECT, out.take())
    refuseRedirect(answer)
    const input = new Reader(answer)
    const version = input.left === 5 ? u32.read(input) : this.masterVersion
    const status = u8.read(input)
    if (status === Status.OK) {
      this.masterVersion = version
      return true
    }
    // The rules have changed, or our address: the session may be kept with new parameters.
    if (status !== Status.EPERM) {
      this.#env.log.warning(`the master does not know our session any more (${statusName(status)}): making a new one`)
      this.sessionId = 0
    }
    return false
  }

  async #newSession(registration: Registration): Promise<void> {
    const passcode =
      this.#password && passcodeFor(await registration.ask(cltoma.RegisterCode.GETRANDOM), this.#password)
    const { info, folder, meta } = this.#options
    const out = new Writer()
    u32.write(out, VERSION)
    writeText(out, info)
    if (!meta) writeText(out, folder)
    if (this.sessionId !== 0) {
      u32.write(out, this.sessionId)
      if (this.metaId !== 0n) u64.write(out, this.metaId)
    }
    passcode?.copy(out.buffer, out.reserve(passcode.length))
    const { NEWSESSION, NEWMETASESSION } = cltoma.RegisterCode
    const answer = await registration.ask(meta ? NEWMETASESSION : NEWSESSION, out.take())
    this.#accept(answer)
    if (!this.#options.rememberPassword) this.#password = undefined
  }

  #accept(answer: Buffer): void {
    refuseRedirect(answer)
    const input = new Reader(answer)
    if (input.left === 1) throw new SessionError(refusalText(u8.read(input)))
    const { meta } = this.#options
    if (!(meta ? [19, 27] : [35, 43, 45, 49]).includes(answer.length)) {
      throw new SessionError(`mfsmaster answered with ${answer.length} bytes: its version is not understood`)
    }
    this.masterVersion = u32.read(input)
    if (this.masterVersion < OLDEST_MASTER) throw new SessionError('incompatible mfsmaster version')
    this.sessionId = u32.read(input)
    this.metaId = answer.length === 27 || answer.length >= 43 ? u64.read(input) : 0n
    const flags = u8.read(input)
    const umask = answer.length >= 45 ? u16.read(input) : 0
    const owners = meta ? [0, 0, 0, 0] : [u32.read(input), u32.read(input), u32.read(input), u32.read(input)]
    const [rootUid = 0, rootGid = 0, mapAllUid = 0, mapAllGid = 0] = owners
    this.parameters = {
      ...{ flags, umask, rootUid, rootGid, mapAllUid, mapAllGid },
      minGoal: u8.read(input),
      maxGoal: u8.read(input),
      minTrashSeconds: u32.read(input),
      maxTrashSeconds: u32.read(input),
      disables: input.left >= 4 ? u32.read(input) : 0,
    }
  }

  #serve(registration: Registration): void {
    const { connection } = registration
    const wasServed = this.#served
    this.#served = true
    this.#connection = connection
    this.#heardMs = this.#env.clock.monotonicMs()
    registration.handOver(
      (type, payload) => {
        this.#heardMs = this.#env.clock.monotonicMs()
        this.#onPacket(type, payload)
      },
      error => this.#onClosed(connection, error),
    )
    this.#syncTime()
    for (const question of this.#questions.values()) {
      question.repeated = wasServed
      this.#write(question.encode())
    }
  }

  #onClosed(connection: Connection, error: Error | undefined): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.answeredSinceMs = Number.NEGATIVE_INFINITY
    this.#news.disconnected()
    if (this.#closing) return
    this.#env.log.warning(`the connection to mfsmaster is lost${error ? ` (${error.message})` : ''}`)
    this.#news.serversHaveChanged()
    void this.#comeBack()
  }

  async #comeBack(): Promise<void> {
    let refusals = 0
    for (let attempt = 0; !this.#closing; attempt++) {
      const early = attempt === 0 ? FIRST_RECONNECT_MS : EARLY_RECONNECT_MS
      await this.#env.clock.sleep(attempt < EARLY_ATTEMPTS ? early : RECONNECT_MS)
      if (this.#closing) return
      try {
        await this.#register(true)
        this.#env.log.notice('the connection to mfsmaster is back')
        return
      } catch (error) {
        if (!(error instanceof SessionError)) continue
        if (refusals++ === 0) this.#env.log.error(`mfsmaster refuses us: ${error.message}`)
        this.#failAll()
      }
    }
  }

  #failAll(): void {
    const questions = [...this.#questions.values()]
    this.#questions.clear()
    for (const { resolve } of questions) resolve(undefined)
  }

  #onPacket(type: number, payload: Buffer): void {
    if (payload.length < 4) throw new ProtocolError(`message ${type} of ${payload.length} bytes`)
    const msgid = payload.readUInt32BE(0)
    if (msgid === 0) return this.#onNews(type, payload)
    const question = this.#questions.get(msgid)
    if (type === 1 && question) {
      this.#questions.delete(msgid)
      return question.resolve(Buffer.concat([payload.subarray(0, 4), Buffer.from([Status.ENOTSUP])]))
    }
    if (question?.answerType !== type) throw new ProtocolError(`unexpected answer ${type} to ${msgid}`)
    this.#questions.delete(msgid)
    this.answeredSinceMs = Math.max(this.answeredSinceMs, question.since)
    question.resolve(payload)
  }

  #onNews(type: number, payload: Buffer): void {
    switch (type) {
      case matocl.chunkHasChanged.code:
        return this.#news.chunkHasChanged(matocl.chunkHasChanged.decode(payload))
      case matocl.lengthHasChanged.code: {
        const { inode, length } = matocl.lengthHasChanged.decode(payload)
        return this.#news.lengthHasChanged(inode, length)
      }
      case matocl.recallFolder.code:
        return this.#news.folderRecalled(matocl.recallFolder.decode(payload).inode)
      case matocl.invalidateChunkCache.code:
        return this.#news.serversHaveChanged()
      case matocl.fuseTimeSync.code: {
        const { microseconds } = matocl.fuseTimeSync.decode(payload)
        const roundTripMs = this.#env.clock.monotonicMs() - this.#askedTimeMs
        const leastMs = microseconds / 1000 - this.#env.clock.nowMs()
        if (roundTripMs < 100) this.#timeOffsetMs = offsetBetween(leastMs, leastMs + roundTripMs, this.#timeOffsetMs)
        return
      }
      default:
        return
    }
  }

  #syncTime(): void {
    this.#askedTimeMs = this.#env.clock.monotonicMs()
    this.#write(cltoma.fuseTimeSync.encode({ msgid: 0 }))
  }

  #tick(): void {
    const now = this.#env.clock.monotonicMs()
    for (const [msgid, { since, resolve }] of this.#questions) {
      if (this.#connection || now - since < this.#options.giveUpMs) continue
      this.#questions.delete(msgid)
      resolve(undefined)
    }
    if (!this.#connection) return
    if (now - this.#heardMs > SILENCE_MS) return this.#connection.destroy(new Error('it is silent'))
    if (now - this.#askedTimeMs > TIME_SYNC_MS) this.#syncTime()
    if (now - this.#saidMs > NOP_AFTER_MS) this.#write(matocl.nop.encode({ msgid: 0 }))
  }

  /** Ends the session: the master forgets it. */
  async close(): Promise<void> {
    this.#closing = true
    this.#timer?.cancel()
    this.#failAll()
    const connection = this.#connection
    if (!connection) return
    const body = new Writer()
    u32.write(body, this.sessionId)
    if (this.metaId !== 0n) u64.write(body, this.metaId)
    const blob = Buffer.from(cltoma.REGISTER_BLOB_ACL, 'latin1')
    connection.write(cltoma.fuseRegister.encode({ blob, kind: cltoma.RegisterCode.CLOSESESSION, body: body.take() }))
    for (let waited = 0; waited < CLOSE_TIMEOUT_MS && this.#connection; waited += 10) await this.#env.clock.sleep(10)
    connection.destroy()
  }
}

/**
 * By how much the master's clock is ahead of ours, when that lies between `least` and `most`: what was believed before
 * or nothing, where the answer does not speak against it. Clocks that agree must not seem to differ by what an answer took.
 */
export function offsetBetween(leastMs: number, mostMs: number, believedMs: number): number {
  for (const offsetMs of [believedMs, 0]) if (offsetMs >= leastMs && offsetMs <= mostMs) return offsetMs
  return (leastMs + mostMs) / 2
}

const NO_PARAMETERS: SessionParameters = {
  ...{ flags: 0, umask: 0, rootUid: 0, rootGid: 0, mapAllUid: 0, mapAllGid: 0 },
  ...{ minGoal: 1, maxGoal: 9, minTrashSeconds: 0, maxTrashSeconds: 0xffffffff, disables: 0 },
}

function writeText(out: Writer, text: string): void {
  const bytes = Buffer.from(`${text}\0`)
  u32.write(out, bytes.length)
  bytes.copy(out.buffer, out.reserve(bytes.length))
}

/** An answer of four bytes is the address of the leader, zero when it is not known. @throws NotTheLeader */
function refuseRedirect(answer: Buffer): void {
  if (answer.length !== 4) return
  throw new NotTheLeader(answer.readUInt32BE(0) === 0 ? undefined : [...answer].join('.'))
}

/** The answer to the challenge (spec client-master 2.4). */
function passcodeFor(challenge: Buffer, digest: Buffer): Buffer {
  if (challenge.length !== 32) throw new SessionError('mfsmaster sent no challenge for the password')
  return md5(Buffer.concat([challenge.subarray(0, 16), digest, challenge.subarray(16)]))
}

function refusalText(status: number): string {
  const hints: Record<number, string> = {
    [Status.EACCES]: 'no line of mfsexports.cfg on the master lets this address mount this folder',
    [Status.NOPASSWORD]: 'the master wants a password: give it with -p or mfspassword',
    [Status.BADPASSWORD]: 'the password is wrong',
    [Status.ENOENT]: 'the folder to mount does not exist',
    [Status.ENOTDIR]: 'what shall be mounted is not a folder',
  }
  const hint = hints[status]
  return `mfsmaster register error: ${statusName(status)}${hint ? ` (${hint})` : ''}`
}

/** A fresh connection until the master has said who we are. */
class Registration {
  readonly connection: Connection
  readonly #env: Env
  #answered: ((payload: Buffer) => void) | undefined
  #failed: ((error: Error) => void) | undefined
  #over: Error | undefined
  #onPacket: (type: number, payload: Buffer) => void
  #onClosed: (error?: Error) => void

  constructor(env: Env, connection: Connection) {
    this.#env = env
    this.connection = connection
    this.#onPacket = (type, payload) => {
      // Nothing else matters on a connection that is not used yet.
      if (type !== matocl.fuseRegister.code && type !== matocl.configValue.code) return
      const answered = this.#answered
      this.#answered = undefined
      answered?.(payload)
    }
    this.#onClosed = error => {
      this.#over = error ?? new Error('the connection was closed')
      this.#failed?.(this.#over)
    }
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => this.#onPacket(type, payload))
    connection.handle({
      data: bytes => {
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          connection.destroy(error)
        }
      },
      closed: error => this.#onClosed(error),
    })
  }

  ask(kind: number, body: Buffer = Buffer.alloc(0)): Promise<Buffer> {
    const blob = Buffer.from(cltoma.REGISTER_BLOB_ACL, 'latin1')
    return this.#ask(cltoma.fuseRegister.encode({ blob, kind, body }))
  }

  /** What the master says of an option of ours; nothing when it is the original. */
  async askOption(option: string): Promise<string> {
    const answer = await this.#ask(cltoma.getConfig.encode({ msgid: 1, option }))
    return matocl.configValue.decode(answer).value
  }

  #ask(packet: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(this.#over)
      const timer = this.#env.clock.after(REGISTER_TIMEOUT_MS, () => reject(new Error('no answer to the registration')))
      this.#answered = payload => {
        timer.cancel()
        resolve(payload)
      }
      this.#failed = error => {
        timer.cancel()
        reject(error)
      }
      this.connection.write(packet)
    })
  }

  /** From now on somebody else listens. */
  handOver(onPacket: (type: number, payload: Buffer) => void, onClosed: (error?: Error) => void): void {
    this.#onPacket = onPacket
    this.#onClosed = onClosed
    if (this.#over) onClosed(this.#over)
  }

  destroy(): void {
    this.connection.destroy()
  }
}
