// One connection to a master, from BEGIN to its end: registration, reports, commands (spec chunkserver 2).
import { createHash } from 'node:crypto'
import type { Env } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import { ProtocolError, Writer } from '../../protocol/codec.ts'
import { EPOCH_OPTION, FOLLOWERS_OPTION, VERSION, versionNumber } from '../../protocol/constants.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import { parseEpoch } from '../../protocol/epoch.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matocs from '../../protocol/matocs.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import type { ChunkStore } from '../disks/chunk-store.ts'
import type { Identity } from '../identity.ts'
import type { Jobs } from '../jobs.ts'
import type { Commands } from './commands.ts'
import type { Reports } from './reports.ts'

const MAX_PAYLOAD_BYTES = 10_000
const MAX_QUEUED_BYTES = 64 << 20
const DEFAULT_TIMEOUT_MS = 10_000
const NOP_EVERY_MS = 1000
const LOAD_EVERY_MS = 5000
/** Commands that wait for their answers; a master that asks for more at once is left. */
const COMMANDS_MAX = 10_000
const NOP = Buffer.alloc(8)
/** Chunks in one message of changes. */
const CHANGES_MAX = 25_000
/** More is not told to a follower while so much has not left. */
const CHANGES_QUEUED_BYTES = 1 << 20
/** How often a leader is asked who follows it. */
const FOLLOWERS_EVERY_MS = 3000
/** What an earlier master ordered is waited for so long before a new one is told what is here. */
const SETTLE_MS = 5000
/** Masters before these know no labels, and no farewell. */
const LABELS_SINCE = versionNumber(2, 1, 0)
const FAREWELL_SINCE = versionNumber(3, 0, 75)
/** These answer questions for options; those before may not. */
const OPTIONS_SINCE = VERSION
const REBALANCE_STATE_SINCE = versionNumber(3, 0, 62)
/** `state` of CURRENT_LOAD. */
const LoadState = { OK: 1, OVERLOADED: 2, REBALANCE: 3 } as const

export interface SessionOptions {
  readonly masterTimeoutSeconds: number
  readonly authCode: string | undefined
  readonly labels: number
  readonly chunksPerRegisterPacket: number
  readonly listenHost: string
  readonly listenPort: number
}

/** What a session works with. */
export interface MasterServices {
  readonly store: ChunkStore
  readonly reports: Reports
  readonly commands: Commands
  readonly jobs: Jobs
  readonly identity: Identity
  /** Whether chunks are being moved between the disks. */
  readonly isRebalancing: () => boolean
}

export interface SessionEvents {
  /** @param leader the address of it, when this master is none and named it */
  closed(leader: string | undefined): void
  /** The leader names those who follow it. */
  followers(addresses: string[]): void
  /** The follower leads now, and is obeyed: no other master is any more. */
  leads(): void
  fatal(error: Error): void
}

/** `told`: a follower knows all that is here, and hears of changes. */
type State = 'connecting' | 'welcomed' | 'listing' | 'told' | 'registered' | 'closed'

export class Session {
  state: State = 'connecting'
  readonly #env: Env
  readonly #services: MasterServices
  readonly #options: SessionOptions
  readonly #connection: Connection
  readonly #on: SessionEvents
  /** Of a follower, until it leads: chunks that became others than it was told. */
  #changes: Set<number> | undefined
  /** It leads, and what another one ordered is done: the registration may end. */
  #mayEnd = true
  #epoch = 0
  #followersAtMs = Number.NEGATIVE_INFINITY
  #masterVersion = 0
  #timeoutMs: number
  #heardMs: number
  #saidMs: number
  #loadAtMs = 0
  #overloaded = false
  #commands = 0
  #leader: string | undefined
  #chunks: Iterator<{ chunkId: number; version: number }> | undefined
  #reporting = false
  /** It is a master of ours. */
  #isOurs = false
  /** Commands that came before it was known whether this master may be obeyed. */
  readonly #early: { type: number; payload: Buffer }[] = []

  /** @param isEarly with a follower, which is told in advance what it must know when it leads */
  constructor(
    env: Env,
    services: MasterServices,
    options: SessionOptions,
    connection: Connection,
    on: SessionEvents,
    isEarly = false,
  ) {
    this.#env = env
    this.#services = services
    this.#options = options
    this.#connection = connection
    this.#on = on
    if (isEarly) {
      this.#changes = new Set()
      this.#mayEnd = false
    }
    this.#timeoutMs = options.masterTimeoutSeconds * 1000 || DEFAULT_TIMEOUT_MS
    this.#heardMs = this.#saidMs = env.clock.monotonicMs()
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => this.#onPacket(type, payload))
    connection.handle({
      data: bytes => {
        this.#heardMs = env.clock.monotonicMs()
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          env.log.warning(`master: ${error.message}: connection closed`)
          this.drop()
        }
      },
      closed: () => {
        this.state = 'closed'
        on.closed(this.#leader)
      },
    })
    this.#sendBegin()
  }

  /** From now on nothing that the master said counts, not even what has come already. */
  drop(error?: Error): void {
    this.state = 'closed'
    this.#connection.destroy(error)
  }

  get address(): string {
    return this.#connection.remoteAddress
  }

  #send(packet: Buffer): void {
    this.#saidMs = this.#env.clock.monotonicMs()
    if (this.#connection.queuedBytes > MAX_QUEUED_BYTES) this.drop(new Error('the master does not read'))
    else this.#connection.write(packet)
  }

  tick(): void {
    if (this.state === 'closed') return
    const nowMs = this.#env.clock.monotonicMs()
    if (nowMs - this.#heardMs > this.#timeoutMs) {
      this.#env.log.warning(`master: silent for ${this.#timeoutMs / 1000} s: connection closed`)
      return this.drop()
    }
    if (this.state === 'registered') {
      this.#sendState(nowMs)
      this.#askFollowers(nowMs)
    }
    if (this.state === 'told') this.#sendChanges(CHANGES_QUEUED_BYTES)
    if (nowMs - this.#saidMs >= NOP_EVERY_MS && this.#connection.queuedBytes === 0) this.#send(NOP)
  }

  /** Space when it changed, load every few seconds or when it becomes too much. */
  #sendState(nowMs: number): void {
    const { reports, store, jobs } = this.#services
    if (reports.spaceIsNew) {
      reports.spaceIsNew = false
      this.#send(cstoma.space.encode(store.space()))
    }
    const load = jobs.running
    const overloaded = load > jobs.max * (this.#overloaded ? 1 / 2 : 3 / 4)
    if (overloaded === this.#overloaded && nowMs - this.#loadAtMs < LOAD_EVERY_MS) return
    this.#overloaded = overloaded
    this.#loadAtMs = nowMs
    this.#send(cstoma.currentLoad.encode({ load: jobs.takePeak('master'), state: Buffer.from([this.#loadState()]) }))
  }

  /** Only one of several masters has any. */
  #askFollowers(nowMs: number): void {
    if (this.#epoch === 0 || nowMs - this.#followersAtMs < FOLLOWERS_EVERY_MS) return
    this.#followersAtMs = nowMs
    this.#send(cltocs.getConfig.encode({ msgid: 2, option: FOLLOWERS_OPTION }))
  }

  #loadState(): number {
    if (this.#overloaded) return LoadState.OVERLOADED
    const tells = this.#masterVersion >= REBALANCE_STATE_SINCE && this.#services.isRebalancing()
    return tells ? LoadState.REBALANCE : LoadState.OK
  }

  sendLabels(): void {
    if (this.#masterVersion >= LABELS_SINCE) this.#send(cstoma.labels.encode({ mask: this.#options.labels }))
  }

  /** Tells the master that this is no accident, and closes. */
  leave(): void {
    if (this.state === 'registered' && this.#masterVersion >= FAREWELL_SINCE) {
      this.#sendReports()
      this.#send(cstoma.register.encode({ form: cstoma.RegisterForm.DISCONNECT, body: Buffer.alloc(0) }))
      this.state = 'closed'
      this.#connection.end()
    } else this.drop()
  }

  #sendBegin(challenge?: Buffer): void {
    const { store, identity } = this.#services
    const { listenHost, listenPort, masterTimeoutSeconds } = this.#options
    const out = new Writer()
    if (challenge) {
      const at = out.reserve(challenge.length)
      challenge.copy(out.buffer, at)
    }
    cstoma.registerBegin.write(out, {
      version: VERSION,
      ip: parseIpv4(listenHost) ?? 0,
      port: listenPort,
      timeout: masterTimeoutSeconds,
      serverId: identity.serverId,
      ...store.space(),
    })
    const form = this.#changes ? cstoma.RegisterForm.EARLY : cstoma.RegisterForm.BEGIN
    this.#send(cstoma.register.encode({ form, body: out.take() }))
  }

  #onPacket(type: number, payload: Buffer): void {
    // One that was left while its bytes were being read has nothing to say any more.
    if (type <= 2 || this.state === 'closed') return
    if (type === matocs.masterAck.code) return this.#onAck(matocs.masterAck.decode(payload))
    if (this.#changes) return this.#onFollower(type, payload)
    if (this.state === 'welcomed') return this.#onEarly(type, payload)
    if (type === matocs.chunksSure.code) return this.#services.store.vouch(matocs.chunksSure.decode(payload).chunkIds)
    if (type === cstocl.configValue.code) return this.#onFollowers(cstocl.configValue.decode(payload).value)
    if (++this.#commands > COMMANDS_MAX) throw new ProtocolError('too many commands at a time')
    // An answer goes to the connection that asked, or nowhere. A fault of ours is not survived.
    this.#services.commands.run(type, payload).then(
      answer => {
        this.#commands--
        if (this.state !== 'closed') this.#send(answer)
      },
      error => this.#on.fatal(error),
    )
  }

  #onAck(ack: matocs.MasterAck): void {
    switch (ack.kind) {
      case 'welcome':
        return this.#onWelcome(ack)
      case 'goOn':
        if (this.state !== 'listing') throw new ProtocolError('an answer to a list that was not sent')
        return this.#sendChunks()
      case 'leaderIs':
        this.#leader = ack.ip === 0 ? undefined : [24, 16, 8, 0].map(shift => (ack.ip >>> shift) & 255).join('.')
        this.#env.log.notice(`this master is not the leader; the leader is ${this.#leader ?? 'unknown'}`)
        return this.drop()
      case 'wait':
        this.#masterVersion = ack.version
        this.#takeTimeout(ack.timeout)
        return
      case 'challenge': {
        const { authCode } = this.#options
        if (authCode === undefined) throw new ProtocolError('it wants a password, and AUTH_CODE is not set')
        const { random } = ack
        const hash = createHash('md5').update(random.subarray(0, 16)).update(authCode, 'latin1')
        return this.#sendBegin(hash.update(random.subarray(16)).digest())
      }
    }
  }

  #takeTimeout(seconds: number | undefined): void {
    if (this.#options.masterTimeoutSeconds === 0 && seconds) this.#timeoutMs = seconds * 1000
  }

  #onWelcome({ version, timeout, serverId, metaId }: Extract<matocs.MasterAck, { kind: 'welcome' }>): void {
    if (this.state !== 'connecting') throw new ProtocolError('welcomed twice')
    const { identity } = this.#services
    this.#masterVersion = version
    this.#takeTimeout(timeout)
    if (metaId !== undefined && identity.metaId !== undefined && metaId !== 0n && metaId !== identity.metaId) {
      const [ours, its] = [identity.metaId, metaId].map(id => id.toString(16).toUpperCase().padStart(16, '0'))
      this.drop()
      return this.#on.fatal(new Error(`wrong master: our chunks belong to instance ${ours}, it has ${its}`))
    }
    this.state = 'welcomed'
    if (this.#changes) return this.#beginList()
    identity.learn(serverId ?? 0, metaId || undefined).catch(error => this.#on.fatal(error))
    if (version < OPTIONS_SINCE) this.#obey(0)
    else this.#send(cltocs.getConfig.encode({ msgid: 1, option: EPOCH_OPTION }))
  }

  /** A master of the original says nothing of epochs. */
  #onEarly(type: number, payload: Buffer): void {
    if (type === cstocl.configValue.code) {
      const { value } = cstocl.configValue.decode(payload)
      this.#isOurs = value !== ''
      this.#obey(parseEpoch(value))
    } else if (this.#early.push({ type, payload }) > COMMANDS_MAX)
      throw new ProtocolError('too many commands at a time')
  }

  /** Begins to list what is here, unless a later epoch has begun. */
  #obey(epoch: number): void {
    const { identity, commands, reports } = this.#services
    const isReady = Promise.race([commands.settled(), this.#env.clock.sleep(SETTLE_MS)])
    Promise.all([identity.admits(epoch), isReady]).then(
      ([isAdmitted]) => {
        if (this.state !== 'welcomed') return
        if (!isAdmitted) return this.#leaveFormer(epoch)
        this.#epoch = epoch
        this.sendLabels()
        reports.forget()
        this.#beginList()
      },
      error => this.#on.fatal(error),
    )
  }

  #leaveFormer(epoch: number): void {
    this.#env.log.warning(`this master leads epoch ${epoch}, and a later one has begun: connection closed`)
    this.drop()
  }

  #onFollowers(value: string): void {
    this.#on.followers(value.split(' ').filter(address => parseIpv4(address) !== undefined))
  }

  // --- with a follower

  /** A chunk came, went, or has another version. */
  changed(chunkId: number): void {
    if (this.state === 'listing' || this.state === 'told') this.#changes?.add(chunkId)
  }

  /** One that follows has nothing to say but that it leads now. */
  #onFollower(type: number, payload: Buffer): void {
    if (type !== cstocl.configValue.code) throw new ProtocolError(`message ${type} from a follower`)
    const epoch = parseEpoch(cstocl.configValue.decode(payload).value)
    if (epoch === 0) throw new ProtocolError('a follower that leads no epoch')
    this.#obeyFollower(epoch).catch(error => this.#on.fatal(error))
  }

  /** As of a new leader: it is told the rest when nothing of what the old one ordered goes on. */
  async #obeyFollower(epoch: number): Promise<void> {
    const { identity, commands } = this.#services
    const isAdmitted = await identity.admits(epoch)
    if (this.state === 'closed') return
    if (!isAdmitted) return this.#leaveFormer(epoch)
    this.#isOurs = true
    this.#epoch = epoch
    this.#on.leads()
    await Promise.race([commands.settled(), this.#env.clock.sleep(SETTLE_MS)])
    this.#mayEnd = true
    if (this.state === 'told') this.#endEarly()
  }

  /** What became others since they were listed, as they are now. */
  #sendChanges(queuedBytesMax: number): void {
    const changes = this.#changes ?? new Set()
    while (changes.size > 0 && this.state !== 'closed' && this.#connection.queuedBytes <= queuedBytesMax) {
      const chunks: { chunkId: number; version: number }[] = []
      const gone: number[] = []
      for (const chunkId of changes) {
        if (chunks.length + gone.length === CHANGES_MAX) break
        changes.delete(chunkId)
        const entry = this.#services.store.entryOf(chunkId)
        if (entry) chunks.push(entry)
        else gone.push(chunkId)
      }
      if (chunks.length > 0) this.#send(cstoma.chunkNew.encode({ chunks }))
      if (gone.length > 0) this.#send(cstoma.chunkLost.encode({ chunkIds: gone }))
    }
  }

  /** All that a leader must know comes before END: it works with it from then on. */
  #endEarly(): void {
    const { reports, store } = this.#services
    this.#sendChanges(Number.POSITIVE_INFINITY)
    this.#changes = undefined
    this.#sendUnsure()
    this.sendLabels()
    this.#send(cstoma.space.encode(store.space()))
    reports.forget()
    this.#end()
  }

  // ---

  #beginList(): void {
    this.state = 'listing'
    if (this.#isOurs) this.#sendUnsure()
    this.#chunks = this.#services.store.entries()
    this.#sendChunks()
    for (const { type, payload } of this.#early.splice(0)) this.#onPacket(type, payload)
  }

  #sendUnsure(): void {
    const { store } = this.#services
    const chunkIds = [...store.unsureChunks()]
    // More than a master listens to: it takes them as they are.
    store.vouch(chunkIds.splice(cstoma.UNSURE_MAX))
    for (let i = 0; i < chunkIds.length; i += CHANGES_MAX) {
      this.#send(cstoma.chunksUnsure.encode({ chunkIds: chunkIds.slice(i, i + CHANGES_MAX) }))
    }
  }

  /** The next part of the list; after the last one the registration ends. */
  #sendChunks(): void {
    const chunks: { chunkId: number; version: number }[] = []
    while (this.#chunks && chunks.length < this.#options.chunksPerRegisterPacket) {
      const { done, value } = this.#chunks.next()
      if (done) this.#chunks = undefined
      else chunks.push(value)
    }
    if (chunks.length > 0) {
      const out = new Writer()
      cstoma.registerChunks.write(out, chunks)
      return this.#send(cstoma.register.encode({ form: cstoma.RegisterForm.CHUNKS, body: out.take() }))
    }
    if (!this.#changes) return this.#end()
    this.state = 'told'
    if (this.#mayEnd) this.#endEarly()
  }

  #end(): void {
    this.#send(cstoma.register.encode({ form: cstoma.RegisterForm.END, body: Buffer.alloc(0) }))
    this.state = 'registered'
    this.#env.log.notice('registered with the master')
    const { store, reports } = this.#services
    // One of the original takes all copies for good.
    if (!this.#isOurs) store.vouch(store.unsureChunks())
    // What was found damaged before this master counted our copies would else seem good to it.
    for (const chunkId of store.damagedChunks()) reports.damaged(chunkId)
    reports.spaceIsNew = true
    this.#loadAtMs = 0
    this.reportSoon()
    this.tick()
  }

  reportSoon(): void {
    if (this.#reporting) return
    this.#reporting = true
    this.#env.clock.soon(() => {
      this.#reporting = false
      if (this.state === 'registered') this.#sendReports()
    })
  }

  #sendReports(): void {
    for (const packet of this.#services.reports.take(this.#isOurs)) this.#send(packet)
  }
}
