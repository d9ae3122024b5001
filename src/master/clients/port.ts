// The port for clients: connections, registration, dispatch (spec client-master 1, 2).
import type { Charts } from '../../charts/charts.ts'
import type { Networks } from '../../config/kinds.ts'
import type { Env, Timer } from '../../env/env.ts'
import { type Connection, isEndOfPeer, type Listener } from '../../env/net.ts'
import { SessionFlag } from '../../metadata/decision.ts'
import { rightsOf } from '../../metadata/sessions/sessions.ts'
import type { Inode, SessionId } from '../../metadata/types.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import type { Message } from '../../protocol/codec.ts'
import { ProtocolError, Reader } from '../../protocol/codec.ts'
import {
  EPOCH_OPTION,
  EXTENDED_VERSION,
  EXTENSIONS,
  EXTENSIONS_OPTION,
  LENDING_OPTION,
  LENDS_FOLDERS,
  VERSION,
  VERSION_TEXT,
} from '../../protocol/constants.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import type { AnswerLink } from './answer-table.ts'
import { type ClientPeer, type ClientServices, type News, RequestContext } from './context.ts'
import type { Exports } from './exports.ts'
import { fileHandlers } from './file-handlers.ts'
import { knownToSender, lendingHandlers } from './lending-handlers.ts'
import { isMonitorCommand, refusedCommand } from './monitor-commands.ts'
import { answerMonitor, type MasterLife } from './monitoring.ts'
import { namespaceHandlers } from './namespace-handlers.ts'
import { awaitsClose, grantMount, reconnectAnswer, welcome } from './registration.ts'
import { toolHandlers, toolMessages } from './tool-handlers.ts'
import { trashHandlers } from './trash-handlers.ts'
import { treeHandlers } from './tree-handlers.ts'

const MAX_PAYLOAD_BYTES = 50_000_000
/** A client that does not read is let go when this much waits for it. */
const MAX_QUEUED_BYTES = 64 << 20
const SILENCE_MS = 10_000
const NOP_AFTER_MS = 1000
const SWEEP_MS = 10_000
const FIRST_SWEEP_MS = 120_000

const handlers = new Map([
  ...[...namespaceHandlers, ...lendingHandlers, ...fileHandlers, ...toolHandlers, ...treeHandlers, ...trashHandlers],
])

export interface ClientPortOptions {
  /** How long a disconnected session keeps its open files and locks (SESSION_SUSTAIN_TIME). */
  sustainSeconds: number
  /** Where commands of monitors may come from. */
  commandsFrom: Networks
  /** Metaloggers that are connected. */
  metaloggers: () => { version: number; ip: number }[]
  life: MasterLife
  charts: Charts
}

export class ClientPort implements News {
  readonly env: Env
  readonly services: ClientServices
  readonly #sessions = new Map<SessionId, Set<ClientLink>>()
  readonly #options: ClientPortOptions
  readonly #links = new Set<ClientLink>()
  readonly #startedMs: number
  exports: Exports
  #listener: Listener | undefined
  #timers: Timer[] = []
  #isPaused = false

  constructor(env: Env, services: Omit<ClientServices, 'news'>, exports: Exports, options: ClientPortOptions) {
    this.env = env
    this.services = { ...services, news: this }
    this.exports = exports
    this.#options = options
    this.#startedMs = env.clock.monotonicMs()
  }

  async listen(host: string, port: number): Promise<void> {
    this.#listener = await this.env.net.listen(host, port, connection => {
      const link = new ClientLink(this, connection, link => this.#links.delete(link))
      this.#links.add(link)
      if (this.#isPaused) link.setPaused(true)
    })
    this.#timers = [
      this.env.clock.every(1000, () => {
        for (const link of this.#links) link.tick()
        this.services.answers.tick(id => this.#newestLink(id))
      }),
      this.env.clock.every(SWEEP_MS, () => {
        this.sweepSessions()
        this.services.lent.sweep(folder => this.services.ledger.state.nodes.exists(folder))
      }),
    ]
  }

  /** Goes on with what the last master has left half done. Before anybody is heard. */
  resumeJobs(): void {
    const { ledger, answers } = this.services
    for (const { job, once } of answers.takeUnfinished()) {
      const session = ledger.state.sessions.get(job.sessionId)
      const handler = handlers.get(job.type)
      if (!session || !handler) continue
      const payload = Buffer.concat([Buffer.alloc(4), Buffer.from(job.body, 'base64')])
      payload.writeUInt32BE(job.msgid)
      const peer = { sessionId: job.sessionId, version: job.version, isTool: false, saidMs: 0, send: () => {} }
      const request = { type: job.type, payload, version: job.version }
      const context = new RequestContext(this.services, session, peer, { request, once, resumed: job.note })
      this.env.log.notice(`request ${job.type} of session ${job.sessionId} is gone on with`)
      ledger.together(() => handler(context, payload))
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    for (const link of this.#links) link.destroy()
    await this.#listener?.close()
  }

  /** While paused nothing is taken in; what clients send waits in the network. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    for (const link of this.#links) link.setPaused(isPaused)
  }

  /** New rules: clients whose session was granted by other ones must register again. */
  reload(exports: Exports): void {
    this.exports = exports
    const { sessions } = this.services.ledger.state
    for (const link of this.#links) {
      if (link.sessionId !== 0 && sessions.get(link.sessionId)?.exportsChecksum !== exports.checksum) link.destroy()
    }
  }

  takesCommandsFrom(address: string): boolean {
    const ip = parseIpv4(address) ?? 0
    return this.#options.commandsFrom.some(([from, to]) => ip >= from && ip <= to)
  }

  get life(): MasterLife {
    return this.#options.life
  }

  get charts(): Charts {
    return this.#options.charts
  }

  get sustainSeconds(): number {
    return this.#options.sustainSeconds
  }

  metaloggers(): { version: number; ip: number }[] {
    return this.#options.metaloggers()
  }

  clientVersion(id: SessionId): number {
    return this.#newestLink(id)?.version ?? 0
  }

  isConnected(id: SessionId): boolean {
    return this.connections(id) > 0
  }

  connections(id: SessionId): number {
    return this.#sessions.get(id)?.size ?? 0
  }

  #newestLink(id: SessionId): ClientLink | undefined {
    return [...(this.#sessions.get(id) ?? [])].at(-1)
  }

  /** A client has one connection for a session: coming from the same machine, it has given up the one before. */
  attached(link: ClientLink): void {
    for (const older of [...(this.#sessions.get(link.sessionId) ?? [])]) {
      if (older.remoteAddress !== link.remoteAddress) continue
      this.detached(older)
      this.services.lent.gaveUp(older)
      older.supersede()
    }
    const links = this.#sessions.get(link.sessionId)
    if (links) links.add(link)
    else this.#sessions.set(link.sessionId, new Set([link]))
  }

  detached(link: ClientLink): void {
    const links = this.#sessions.get(link.sessionId)
    if (links?.delete(link) && links.size === 0) this.#sessions.delete(link.sessionId)
  }

  tellOpeners<T>(inode: Inode, except: ClientPeer | undefined, message: Message<T>, body: T): void {
    for (const session of this.services.ledger.state.openFiles.sessionsOf(inode)) {
      for (const link of this.#sessions.get(session) ?? []) {
        if (link !== except && link.version >= matocl.V3_0_74) link.send(message.encode(body, link.version))
      }
    }
  }

  /** Chunkservers have come or gone. */
  invalidateChunkCaches(): void {
    const packet = matocl.invalidateChunkCache.encode({ msgid: 0 })
    for (const links of this.#sessions.values()) {
      for (const link of links) if (matocl.knowsInvalidateChunkCache(link.version)) link.send(packet)
    }
  }

  /** Removes sessions that their clients stayed away from for too long. */
  sweepSessions(): void {
    if (this.env.clock.monotonicMs() - this.#startedMs < FIRST_SWEEP_MS) return
    const { ledger } = this.services
    for (const [id, session] of [...ledger.state.sessions.entries()]) {
      if (this.isConnected(id)) continue
      if (session.disconnectedAt + this.#options.sustainSeconds < ledger.now()) this.removeSession(id)
    }
  }

  removeSession(sessionId: SessionId): void {
    const { ledger, locks } = this.services
    const inodes = [...ledger.state.openFiles.inodesOf(sessionId)]
    for (const inode of inodes) locks.release(sessionId, inode)
    ledger.commit({ op: 'SESDEL', ts: ledger.now(), sessionId })
    this.services.answers.forget(sessionId)
    this.services.jobs.forget(sessionId)
    this.services.chunks.sessionEnded(sessionId)
    for (const inode of inodes) locks.wake(inode)
  }
}

/** One connection of a client. */
class ClientLink implements AnswerLink {
  sessionId: SessionId = 0
  version = 0
  isTool = false
  /** Its client said that it will not come back. */
  #closesSession = false
  readonly #port: ClientPort
  readonly #connection: Connection
  #challenge: Buffer | undefined
  seconds = 0
  heardSeconds = 0
  #heardMs: number
  saidMs: number

  constructor(port: ClientPort, connection: Connection, onClosed: (link: ClientLink) => void) {
    this.#port = port
    this.#connection = connection
    this.#heardMs = this.saidMs = port.env.clock.monotonicMs()
    const { statistics } = port.services
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => {
      statistics.receivedPacket()
      this.#onPacket(type, payload)
    })
    connection.handle({
      data: bytes => {
        this.#heardMs = port.env.clock.monotonicMs()
        this.heardSeconds = this.seconds
        statistics.receivedBytes(bytes.length)
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          port.env.log.info(`client ${connection.remoteAddress}: ${error.message}: connection closed`)
          connection.destroy()
        }
      },
      closed: error => {
        onClosed(this)
        this.#leave(isEndOfPeer(error))
      },
    })
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress
  }

  destroy(): void {
    this.#connection.destroy()
  }

  setPaused(isPaused: boolean): void {
    if (isPaused) this.#connection.pause()
    else this.#connection.resume()
  }

  /** Another connection goes on with the session. */
  supersede(): void {
    this.sessionId = 0
    this.destroy()
  }

  /** Once a second. */
  tick(): void {
    this.seconds++
    const now = this.#port.env.clock.monotonicMs()
    if (now - this.#heardMs > SILENCE_MS) return this.#connection.destroy(new Error('it is silent'))
    if (!this.isTool && now - this.saidMs > NOP_AFTER_MS) this.send(matocl.nop.encode({ msgid: 0 }))
  }

  send(packet: Buffer): void {
    this.saidMs = this.#port.env.clock.monotonicMs()
    this.#port.services.statistics.sentPacket(packet)
    if (this.#connection.queuedBytes > MAX_QUEUED_BYTES) this.#connection.destroy(new Error('it does not read'))
    else this.#connection.write(packet)
  }

  get #ledger() {
    return this.#port.services.ledger
  }

  #onPacket(type: number, payload: Buffer): void {
    switch (type) {
      case 0:
      case 1:
      case 2:
        return
      case cltoma.getVersion.code: {
        const { msgid } = cltoma.getVersion.decode(payload)
        const text = Buffer.from(VERSION_TEXT)
        return this.send(matocl.version.encode({ ...(msgid === undefined ? {} : { msgid }), version: VERSION, text }))
      }
      case cltoma.getConfig.code:
        return this.#onGetConfig(cltoma.getConfig.decode(payload))
      case cltoma.fuseRegister.code:
        return this.#onRegister(payload)
      case cltoma.fuseTimeSync.code: {
        if (this.sessionId === 0 || this.isTool) break
        const { msgid } = cltoma.fuseTimeSync.decode(payload)
        const microseconds = Math.floor(this.#port.env.clock.nowMs() * 1000)
        return this.send(matocl.fuseTimeSync.encode({ ...(msgid === undefined ? {} : { msgid }), microseconds }))
      }
    }
    if (isMonitorCommand(type) && !this.#port.takesCommandsFrom(this.remoteAddress)) {
      this.#port.env.log.warning(`monitor ${this.remoteAddress}: MONITOR_COMMANDS_FROM does not allow its commands`)
      return this.send(refusedCommand(type))
    }
    const monitored = answerMonitor(this.#port, type, payload)
    // An order of a monitor is answered when it is durable.
    if (monitored) return this.#ledger.whenCommitted(() => this.send(monitored))
    const session = this.#ledger.state.sessions.get(this.sessionId)
    if (!session) throw new ProtocolError(`message ${type} without a session`)
    const handler = handlers.get(type)
    if (!handler || (this.isTool && !toolMessages.has(type))) throw new ProtocolError(`unknown message ${type}`)
    const { services } = this.#port
    const once = this.isTool ? 'unrecorded' : services.answers.received(this, type, payload)
    if (once === undefined) return
    const request = { type, payload, version: this.version }
    const context = new RequestContext(services, session, this, {
      request,
      once: once === 'unrecorded' ? undefined : once,
    })
    const carryOut = () => services.ledger.together(() => handler(context, payload))
    const run = knownToSender.has(type) && !this.isTool ? () => services.lent.byBorrower(this, carryOut) : carryOut
    if (!services.jobs.parks(context, run)) run()
  }

  /** A client of ours asks whether we are of its kind: from the answer on both use the layouts of their own. */
  #onGetConfig({ msgid, option }: { msgid: number; option: string }): void {
    const extends_ = option === EXTENSIONS_OPTION && this.sessionId !== 0 && !this.isTool
    const values = new Map([
      [EXTENSIONS_OPTION, extends_ ? EXTENSIONS : ''],
      [EPOCH_OPTION, String(this.#port.services.epoch)],
      [LENDING_OPTION, LENDS_FOLDERS],
    ])
    this.#ledger.whenCommitted(() => {
      this.send(matocl.configValue.encode({ msgid, value: values.get(option) ?? '' }))
      if (extends_) this.version = EXTENDED_VERSION
    })
  }

  #onRegister(payload: Buffer): void {
    const { blob, kind, body } = cltoma.fuseRegister.decode(payload)
    const { RegisterCode, registerKinds } = cltoma
    if (blob.toString('latin1') !== cltoma.REGISTER_BLOB_ACL) throw new ProtocolError('registration of an unknown kind')
    const input = new Reader(body)
    if (kind === RegisterCode.CLOSESESSION) {
      if (this.sessionId === 0 || this.isTool) throw new ProtocolError('close without a session')
      return this.#onCloseSession(registerKinds[RegisterCode.CLOSESESSION].read(input))
    }
    if (this.sessionId !== 0) throw new ProtocolError('second registration')
    switch (kind) {
      case RegisterCode.GETRANDOM:
        this.#challenge = this.#port.env.random.bytes(32)
        return this.#answer(this.#challenge)
      case RegisterCode.NEWSESSION:
        return this.#onNewSession({ ...registerKinds[RegisterCode.NEWSESSION].read(input), meta: false })
      case RegisterCode.NEWMETASESSION:
        return this.#onNewSession({ ...registerKinds[RegisterCode.NEWMETASESSION].read(input), path: '', meta: true })
      case RegisterCode.RECONNECT:
        return this.#onReconnect(registerKinds[RegisterCode.RECONNECT].read(input))
      case RegisterCode.TOOLS:
        return this.#onTools(registerKinds[RegisterCode.TOOLS].read(input))
      default:
        throw new ProtocolError(`registration ${kind}`)
    }
  }

  /** Registration answers wait for the log as all others do. */
  #answer(body: Buffer): void {
    const packet = matocl.fuseRegister.encode({ body: Buffer.from(body) })
    this.#ledger.whenCommitted(() => this.send(packet))
  }

  #onNewSession(request: {
    version: number
    info: string
    path: string
    meta: boolean
    tail: { sessionId?: number; metaId?: bigint; passcode?: Buffer }
  }): void {
    const { version, tail, meta } = request
    const { state } = this.#ledger
    if (request.path !== '' && !request.path.endsWith('\0')) throw new ProtocolError('path without its end')
    const granted = grantMount(state, this.#port.exports, {
      ip: parseIpv4(this.#connection.remoteAddress) ?? 0,
      version,
      meta,
      path: request.path.replace(/\0+$/, ''),
      info: request.info,
      challenge: this.#challenge,
      passcode: tail.passcode,
    })
    if ('status' in granted) return this.#answer(Buffer.from([granted.status]))
    const foreign = tail.metaId !== undefined && tail.metaId !== state.metaId
    const old = foreign ? undefined : state.sessions.get(tail.sessionId ?? 0)
    const ts = this.#ledger.now()
    let sessionId = tail.sessionId ?? 0
    if (old) this.#ledger.commit({ op: 'SESCHANGED', ts, sessionId, ...granted.rights })
    else {
      sessionId = state.sessions.nextSessionId
      this.#ledger.commit({ op: 'SESADD', ts, ...granted.rights, sessionId })
    }
    this.#attach(sessionId, version)
    this.#answer(welcome(state, sessionId, granted.rights, version))
  }

  #onReconnect({
    sessionId,
    version,
    metaId,
  }: {
    sessionId: number
    version: number
    metaId?: bigint | undefined
  }): void {
    const status = this.#reconnectStatus(sessionId, metaId)
    if (status === Status.OK) this.#attach(sessionId, version)
    this.#answer(reconnectAnswer(status, version))
  }

  /** A tool acts for a session, but does not keep it alive. */
  #onTools(request: { sessionId: number; version: number; metaId?: bigint | undefined }): void {
    const status = this.#reconnectStatus(request.sessionId, request.metaId)
    if (status === Status.OK) {
      this.sessionId = request.sessionId
      this.version = request.version
      this.isTool = true
    }
    this.#answer(Buffer.from([status]))
  }

  #reconnectStatus(sessionId: SessionId, metaId: bigint | undefined): Status {
    const { state } = this.#ledger
    const session = state.sessions.get(sessionId)
    if ((metaId !== undefined && metaId !== state.metaId) || !session || session.peerIp === 0)
      return Status.BADSESSIONID
    const moved = session.peerIp !== (parseIpv4(this.#connection.remoteAddress) ?? 0)
    if (session.exportsChecksum !== this.#port.exports.checksum) return Status.EPERM
    return moved && !(session.flags & SessionFlag.DYNAMICIP) ? Status.EPERM : Status.OK
  }

  #attach(sessionId: SessionId, version: number): void {
    this.sessionId = sessionId
    this.version = version
    this.#port.attached(this)
    this.#port.services.chunks.clientReturned(sessionId)
    const session = this.#ledger.state.sessions.get(sessionId)
    if (!session || session.disconnectedAt === 0) return
    // The changelog has no line for a client that comes back; the same rights again say as much, to the original nothing.
    this.#ledger.commit({ op: 'SESCHANGED', ts: this.#ledger.now(), sessionId, ...rightsOf(session) })
  }

  #onCloseSession({ sessionId, metaId }: { sessionId: number; metaId?: bigint | undefined }): void {
    const { state } = this.#ledger
    const foreign = metaId !== undefined && metaId !== state.metaId
    // Nobody can end the session of another client.
    this.#closesSession = !foreign && sessionId === this.sessionId && this.#port.connections(sessionId) === 1
    if (!awaitsClose(this.version)) return this.#connection.end()
    const packet = matocl.fuseRegister.encode({ body: Buffer.from([foreign ? Status.BADSESSIONID : Status.OK]) })
    this.#ledger.whenCommitted(() => {
      this.send(packet)
      this.#connection.end()
    })
  }

  /** @param byClient its client, or the system of that, closed the connection */
  #leave(byClient: boolean): void {
    const { sessionId } = this
    if (this.isTool) return
    this.#port.detached(this)
    this.sessionId = 0
    if (sessionId === 0 || this.#port.isConnected(sessionId)) return
    if (this.#closesSession) this.#port.removeSession(sessionId)
    else if (this.#ledger.state.sessions.get(sessionId)) {
      this.#ledger.commit({ op: 'SESDISCONNECTED', ts: this.#ledger.now(), sessionId })
      if (byClient) this.#port.services.chunks.clientLeft(sessionId)
    }
  }
}
