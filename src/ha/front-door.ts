// The port for other masters, witnesses and mfsha: whoever comes is heard only after a proof that it knows HA_AUTH_CODE.
import type { Env } from '../env/env.ts'
import type { Connection, Listener } from '../env/net.ts'
import * as matoma from '../protocol/matoma.ts'
import { type AdminAnswer, type AdminCommand, parseCommand } from './admin.ts'
import { isProof, Link } from './link.ts'

const HELLO_MS = 5000

export interface DoorOptions {
  cluster: string
  /** HA_AUTH_CODE. */
  secret: string | undefined
}

type Hello = ReturnType<(typeof matoma.hello)['decode']>
type Claim = ReturnType<(typeof matoma.claim)['decode']>
type Admin = ReturnType<(typeof matoma.admin)['decode']>

interface Visitor {
  readonly protocol: number
  readonly proof: Buffer
  readonly cluster: string
}

export interface DoorHandlers {
  /** Somebody of this cluster wants to follow. */
  hello?(link: Link, hello: Hello): void
  /** A master wants to lead by what a witness has. */
  claim?(link: Link, claim: Claim): void
  /** What mfsha asks. @throws Error: it is refused, and told why */
  admin(command: AdminCommand): Promise<AdminAnswer>
}

/** Tells why, and closes. */
export const refuse = (link: Link, reason: string): void => link.sendLast(matoma.refused.encode({ reason }), reason)

export class FrontDoor {
  readonly #env: Env
  readonly #options: DoorOptions
  readonly #handlers: DoorHandlers
  readonly #visitors = new Set<Link>()
  #listener: Listener | undefined

  constructor(env: Env, options: DoorOptions, handlers: DoorHandlers) {
    this.#env = env
    this.#options = options
    this.#handlers = handlers
  }

  async listen(host: string, port: number): Promise<void> {
    this.#listener = await this.#env.net.listen(host, port, connection => this.#onConnection(connection))
  }

  /** Sends away who has not said yet what it wants. */
  dismiss(why: string): void {
    for (const link of this.#visitors) link.close(why)
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }

  #onConnection(connection: Connection): void {
    const { clock, random } = this.#env
    const nonce = random.bytes(matoma.NONCE_BYTES)
    const link = new Link(clock, connection)
    this.#visitors.add(link)
    link.open({
      packet: (type, payload) => this.#onFirstPacket(link, nonce, type, payload),
      closed: () => void this.#visitors.delete(link),
    })
    link.send(matoma.challenge.encode({ protocol: matoma.HA_PROTOCOL, nonce }))
    clock.after(HELLO_MS, () => {
      if (this.#visitors.has(link)) link.close('it has not said who it is')
    })
  }

  #onFirstPacket(link: Link, nonce: Buffer, type: number, payload: Buffer): void {
    this.#visitors.delete(link)
    const { hello, claim } = this.#handlers
    if (type === matoma.hello.code && hello) return this.#admit(link, nonce, matoma.hello.decode(payload), hello)
    if (type === matoma.claim.code && claim) return this.#admit(link, nonce, matoma.claim.decode(payload), claim)
    if (type === matoma.admin.code) return void this.#onAdmin(link, nonce, matoma.admin.decode(payload))
    link.close(`message ${type} from somebody who has just come`)
  }

  #whyNot(nonce: Buffer, visitor: Visitor): string | undefined {
    const { secret, cluster } = this.#options
    const { protocol } = visitor
    if (protocol !== matoma.HA_PROTOCOL) return `protocol ${matoma.HA_PROTOCOL} is spoken here, not ${protocol}`
    if (!isProof(secret, nonce, visitor.proof)) return 'HA_AUTH_CODE is another one here'
    return visitor.cluster === cluster ? undefined : `this is cluster ${cluster}, not ${visitor.cluster}`
  }

  #admit<T extends Visitor>(link: Link, nonce: Buffer, visitor: T, handler: (link: Link, visitor: T) => void): void {
    const why = this.#whyNot(nonce, visitor)
    if (why !== undefined) return refuse(link, why)
    handler(link, visitor)
  }

  async #onAdmin(link: Link, nonce: Buffer, asked: Admin): Promise<void> {
    const why = this.#whyNot(nonce, asked)
    if (why !== undefined) return refuse(link, why)
    try {
      const command = parseCommand(asked.command)
      if (command.command !== 'status' && this.#options.secret === undefined && !link.isLocal) {
        return refuse(link, 'without HA_AUTH_CODE only mfsha on the same machine may change who leads')
      }
      const answer = await this.#handlers.admin(command)
      link.sendLast(matoma.adminAnswer.encode({ answer: JSON.stringify(answer) }), 'answered')
    } catch (error) {
      refuse(link, (error as Error).message)
    }
  }
}
