// The way from a tool to the master: a connection to whatever `.masterinfo` names (spec tools-and-admin B.1), which is a
// mount that passes questions on.
import { setTimeout as sleep } from 'node:timers/promises'
import { BrokenLink, Link } from '../../monitor/link.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { type Message, type StatusOr, u32, Writer } from '../../protocol/codec.ts'
import { VERSION } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import { Failure, Refusal, statusText } from './failure.ts'

const CONNECT_ATTEMPTS = 10
const QUERY_ATTEMPTS = 10
const PAUSE_MS = 1000

/** Of whom `.masterinfo` tells. */
export interface MasterInfo {
  host: string
  port: number
  sessionId: number
}

/** Tools number none of their questions. */
export const MSGID = 0

async function dial({ host, port }: MasterInfo): Promise<Link> {
  for (let attempt = 0; ; attempt++) {
    try {
      // 200, 300, 400, 600, 800, 1200 ms and so on.
      return await Link.open(host, port, (attempt % 2 === 0 ? 200 : 300) << (attempt >> 1))
    } catch (error) {
      if (attempt + 1 === CONNECT_ATTEMPTS)
        throw new Failure(`can't connect to master (.masterinfo): ${messageOf(error)}`)
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') await sleep(100)
    }
  }
}

const messageOf = (error: unknown) => (error as Error).message

/** The master of one mount. It is connected to when the first question is asked. */
export class MasterLink {
  readonly info: MasterInfo
  #link: Link | undefined

  constructor(info: MasterInfo) {
    this.info = info
  }

  /** Asks for data. @throws Failure, and Refusal when there is only a status */
  async query<T>(question: Buffer, answer: Message<StatusOr<T>>): Promise<T> {
    const told = await this.ask(question, answer)
    if (told.status !== undefined) throw new Refusal(told.status)
    return told
  }

  /** Asks for something to be done. @throws Failure, and Refusal when it was not */
  async order(question: Buffer, answer: Message<{ msgid: number; status: number }>): Promise<void> {
    const { status } = await this.ask(question, answer)
    if (status !== Status.OK) throw new Refusal(status)
  }

  /**
   * Asks, and asks again on a new connection when one breaks: whoever changes something asks for what it shall be.
   *
   * @param question with MSGID
   * @throws Failure when no proper answer comes
   */
  async ask<T>(question: Buffer, answer: Message<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#link ??= await this.#register()
        const { type, payload } = await this.#link.ask(question)
        const isIt = type === answer.code && payload.length >= 4 && payload.readUInt32BE(0) === MSGID
        if (!isIt) throw new Failure('master query: unexpected answer')
        return answer.decode(payload)
      } catch (error) {
        this.close()
        if (!(error instanceof BrokenLink)) throw error
        if (attempt === QUERY_ATTEMPTS) throw new Failure(`master query: ${error.message}`)
        await sleep(PAUSE_MS)
      }
    }
  }

  async #register(): Promise<Link> {
    const link = await dial(this.info)
    const body = new Writer()
    u32.write(body, this.info.sessionId)
    u32.write(body, VERSION)
    const registration = { blob: Buffer.from(cltoma.REGISTER_BLOB_ACL, 'latin1'), kind: cltoma.RegisterCode.TOOLS }
    const { type, payload } = await link.ask(cltoma.fuseRegister.encode({ ...registration, body: body.take() }))
    if (type !== matocl.fuseRegister.code || payload.length !== 1)
      throw new Failure('register to master: unexpected answer')
    if (payload[0] !== Status.OK) throw new Failure(`register to master: ${statusText(payload[0] as number)}`)
    return link
  }

  close(): void {
    this.#link?.close()
    this.#link = undefined
  }
}
