// A master of ours on a simulated machine, and raw clients in the hand of a test: they send any bytes and see any bytes.
import { masterConfigFile } from '../../src/config/mfsmaster.ts'
import { defaultConfig } from '../../src/config/parse.ts'
import { recover } from '../../src/journal/recovery.ts'
import { type Exports, parseExports } from '../../src/master/clients/exports.ts'
import { Master } from '../../src/master/master.ts'
import { type MasterOptions, masterOptions } from '../../src/master/options.ts'
import * as cltoma from '../../src/protocol/cltoma.ts'
import { type Message, u32, u64, Writer } from '../../src/protocol/codec.ts'
import { VERSION } from '../../src/protocol/constants.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import { Talk } from './chunkserver-machines.ts'
import { Freezer } from './ha/freezer.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

export const MASTER = '10.9.9.1'
const CLIENT = '10.9.9.100'
const PORT = 9421
const FOLDER = '/data'
const STORY_MS = 10_000_000

export const OPEN_EXPORTS = '* / rw,alldirs,admin,maproot=0:0\n* . rw\n'

const noNames = { uid: () => undefined, gid: () => undefined }
export const exportsOf = (text: string): Exports => parseExports(text, 'mfsexports.cfg', noNames)

export interface SessionChoice {
  version?: number
  path?: string
  meta?: boolean
  sessionId?: number
  address?: string
}

/** One master and as many clients as a test wants. */
export class MasterAndClients {
  readonly scheduler: Scheduler
  readonly host: SimHost
  /** Stops the master for a while. */
  readonly freezer: Freezer
  readonly failures: string[] = []
  readonly #network: SimNetwork
  readonly #changes: Partial<MasterOptions>
  #master: Master | undefined
  exports = OPEN_EXPORTS

  constructor(seed: number, changes: Partial<MasterOptions> = {}) {
    this.scheduler = new Scheduler(seed)
    this.freezer = new Freezer(this.scheduler, 1)
    this.#network = new SimNetwork(this.scheduler)
    this.host = new SimHost(this.scheduler, this.#network, MASTER)
    this.#changes = changes
  }

  get master(): Master {
    if (!this.#master) throw new Error('the master does not run')
    return this.#master
  }

  get state() {
    return this.master.ledger.state
  }

  /** Starts it on what lies in its folder; an empty file system at first. */
  async start(): Promise<void> {
    const env = this.freezer.env(this.host.env('mfsmaster'))
    await env.disk.makeFolder(FOLDER)
    if ((await env.disk.list(FOLDER)).length === 0) {
      const file = await env.disk.open(`${FOLDER}/metadata.mfs`, 'w+')
      await file.write(Buffer.from('MFSM NEW'), 0)
      await file.sync()
      await file.close()
      await env.disk.syncFolder(FOLDER)
    }
    const fail = (error: Error) => void this.failures.push(error.message)
    this.#master = await Master.start(env, this.#options(), fail)
  }

  /** What its folder holds. */
  async recovered() {
    return (await recover(this.host.env('reader').disk, FOLDER, { now: 0 })).state
  }

  /** kill -9. */
  kill(): void {
    this.#master = undefined
    this.host.kill()
  }

  /** The power goes, and with it what was not synced. */
  powerCut(): void {
    this.#master = undefined
    this.host.powerCut()
  }

  async stop(): Promise<void> {
    await this.master.stop()
    this.#master = undefined
  }

  reloadExports(text: string): void {
    this.exports = text
    this.reconfigure()
  }

  /** What `mfsmaster reload` does with a changed configuration. */
  reconfigure(changes: Partial<MasterOptions> = {}): void {
    this.master.reconfigure({ ...this.#options(), ...changes })
  }

  /** Runs an async story on virtual time. */
  async play(story: () => Promise<void>): Promise<void> {
    let end: { error?: unknown } | undefined
    story().then(
      () => {
        end = {}
      },
      error => {
        end = { error }
      },
    )
    await this.scheduler.until(() => end !== undefined, STORY_MS, 'the story')
    if (end?.error) throw end.error
  }

  /** Another machine on the same network. */
  machine(address: string): SimHost {
    return new SimHost(this.scheduler, this.#network, address)
  }

  /** A connection that has said nothing. */
  async connect(address = CLIENT): Promise<RawClient> {
    const { net } = new SimHost(this.scheduler, this.#network, address).env('client')
    const connection = await net.connect(MASTER, PORT, { timeoutMs: 1000 })
    return new RawClient(this.scheduler, new Talk(this.scheduler, connection))
  }

  /** A registered client. @throws Error when the master refuses */
  async mount(choice: SessionChoice = {}): Promise<RawClient> {
    const client = await this.connect(choice.address)
    await client.register(choice)
    return client
  }

  #options(): MasterOptions {
    const config = { ...defaultConfig(masterConfigFile), DATA_PATH: FOLDER }
    return {
      ...masterOptions(config, exportsOf(this.exports)),
      clientsHost: MASTER,
      clientsPort: PORT,
      metaloggersHost: MASTER,
      chunkserversHost: MASTER,
      chunkserversPort: 9420,
      ...this.#changes,
    }
  }
}

const ROOT_USER = { uid: 0, gids: [0] }
const NEVER_MS = 30_000

/** A client that sends what a test says. */
export class RawClient {
  readonly talk: Talk
  sessionId = 0
  version = VERSION
  msgid = 0
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler, talk: Talk) {
    this.#scheduler = scheduler
    this.talk = talk
  }

  async register({ version = VERSION, path = '/', meta = false, sessionId }: SessionChoice): Promise<void> {
    this.version = version
    const out = new Writer()
    u32.write(out, version)
    writeText(out, '/mnt\0')
    if (!meta) writeText(out, `${path}\0`)
    if (sessionId !== undefined) u32.write(out, sessionId)
    const { NEWSESSION, NEWMETASESSION } = cltoma.RegisterCode
    const answer = await this.#registration(meta ? NEWMETASESSION : NEWSESSION, out.take())
    if (answer.length === 1) throw new Error(`registration refused with ${answer[0]}`)
    this.sessionId = answer.readUInt32BE(version >= 0x010615 ? 4 : 0)
  }

  /** @returns the status */
  async reconnect(sessionId: number, metaId?: bigint): Promise<number> {
    const out = new Writer()
    u32.write(out, sessionId)
    u32.write(out, this.version)
    if (metaId !== undefined) u64.write(out, metaId)
    const answer = await this.#registration(cltoma.RegisterCode.RECONNECT, out.take())
    const status = answer.at(-1) as number
    if (status === 0) this.sessionId = sessionId
    return status
  }

  async #registration(kind: number, body: Buffer): Promise<Buffer> {
    const blob = Buffer.from(cltoma.REGISTER_BLOB_ACL, 'latin1')
    this.talk.send(cltoma.fuseRegister.encode({ blob, kind, body }))
    const { payload } = await this.talk.next([matocl.fuseRegister.code])
    return payload
  }

  /** Asks with the next msgid and waits for the answer. */
  ask<Q extends { msgid: number }, A>(question: Message<Q>, body: Omit<Q, 'msgid'>, answer: Message<A>): Promise<A> {
    return this.askAs(++this.msgid, question, body, answer)
  }

  async askAs<Q extends { msgid: number }, A>(
    msgid: number,
    question: Message<Q>,
    body: Omit<Q, 'msgid'>,
    answer: Message<A>,
  ): Promise<A> {
    this.talk.send(question.encode({ ...body, msgid } as Q, this.version))
    return this.answerTo(msgid, answer)
  }

  async answerTo<A>(msgid: number, answer: Message<A>): Promise<A> {
    const at = () =>
      this.talk.packets.findIndex(
        ({ type, payload }) => type === answer.code && payload.length >= 4 && payload.readUInt32BE(0) === msgid,
      )
    const over = () => at() >= 0 || this.talk.closed
    await this.#scheduler.until(over, NEVER_MS, `the answer ${answer.name} to ${msgid}`)
    if (at() < 0) throw new Error(`the connection was closed before the answer ${answer.name}`)
    const [packet] = this.talk.packets.splice(at(), 1)
    return answer.decode((packet as { payload: Buffer }).payload, this.version)
  }

  // What most tests need first.

  mkdir(parent: number, name: string) {
    const body = { parent, name, mode: 0o755, umask: 0, caller: ROOT_USER, copySgid: 0 }
    return this.ask(cltoma.fuseMkdir, body, matocl.fuseMkdir)
  }

  create(parent: number, name: string) {
    return this.ask(cltoma.fuseCreate, { parent, name, mode: 0o644, umask: 0, caller: ROOT_USER }, matocl.fuseCreate)
  }

  unlink(parent: number, name: string) {
    return this.ask(cltoma.fuseUnlink, { parent, name, caller: ROOT_USER }, matocl.fuseUnlink)
  }

  lookup(parent: number, name: string) {
    return this.ask(cltoma.fuseLookup, { parent, name, caller: ROOT_USER }, matocl.fuseLookup)
  }

  /** Ends the session as an unmount does, and waits until the master has let it go. */
  async unmount(sessionId = this.sessionId): Promise<void> {
    const out = new Writer()
    u32.write(out, sessionId)
    await this.#registration(cltoma.RegisterCode.CLOSESESSION, out.take())
    await this.talk.end()
  }

  close(): void {
    this.talk.connection.destroy()
  }
}

function writeText(out: Writer, text: string): void {
  u32.write(out, text.length)
  out.buffer.write(text, out.reserve(text.length), 'latin1')
}
