// What mfsha asks of a running master, and its answers: JSON in MATOMA_ADMIN and MATOMA_ADMIN_ANSWER.
import type { Env } from '../env/env.ts'
import { ProtocolError } from '../protocol/codec.ts'
import * as matoma from '../protocol/matoma.ts'
import { Link, proofOf } from './link.ts'

export type AdminCommand =
  | { readonly command: 'status' }
  | { readonly command: 'promote'; readonly force: boolean }
  | { readonly command: 'demote' }
  | { readonly command: 'switchover'; readonly target?: string }
  /** Of two masters without a third vote, one to the other: nothing of an epoch below counts any more. */
  | { readonly command: 'fence'; readonly epoch: number }
  /** The leader of this epoch goes on without the one that it tells this. */
  | { readonly command: 'outOfSync'; readonly epoch: number }

export interface FollowerStatus {
  readonly name: string
  readonly member: string
  readonly isInSync: boolean
  /** It keeps the log only, and may not lead. */
  readonly isWitness: boolean
  /** Every line below it is on its disk. */
  readonly acknowledged: number
  readonly silentMs: number
}

/** How one master sees itself and the cluster. */
export interface MemberStatus {
  readonly name: string
  readonly member: string
  readonly role: string
  readonly software: string
  readonly epoch: number
  readonly version: number
  /** The last epoch in its log. */
  readonly logEpoch: number
  /** It listens to no leader of an epoch below. */
  readonly fence: number
  /** Whom it handed over to; lines of its log from `version` on were never acknowledged. */
  readonly heir?: { readonly member: string; readonly version: number }
  /** Of a leader: what is committed; of a follower: what the leader told. */
  readonly committed: number
  readonly metaId: string
  readonly leader?: string
  readonly leaderAddress?: string
  /** Of a leader. */
  readonly inSync?: readonly string[]
  /** Of a leader: copies of the log that count too. */
  readonly witnesses?: readonly string[]
  readonly followers?: readonly FollowerStatus[]
  /** Of a follower: lines that it has yet to get, and whether it may be elected. */
  readonly behind?: number
  readonly isInSync?: boolean
  /** Why nobody leads here, for people. */
  readonly waiting?: string
}

export interface AdminAnswer {
  /** False: it was not done; `text` says why. */
  readonly ok: boolean
  readonly text: string
  readonly status?: MemberStatus
}

/** @throws ProtocolError */
export function parseCommand(text: string): AdminCommand {
  let given: Record<string, unknown>
  try {
    given = JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError('the command of mfsha is no JSON', { cause })
  }
  const { command, target, force, epoch } = given
  switch (command) {
    case 'status':
    case 'demote':
      return { command }
    case 'promote':
      return { command, force: force === true }
    case 'switchover':
      return typeof target === 'string' ? { command, target } : { command }
    case 'fence':
    case 'outOfSync':
      if (Number.isSafeInteger(epoch)) return { command, epoch: epoch as number }
      throw new ProtocolError(`${command} without an epoch`)
    default:
      throw new ProtocolError(`mfsha sent an unknown command: ${String(command).slice(0, 40)}`)
  }
}

export interface AdminTarget {
  readonly host: string
  readonly port: number
  readonly cluster: string
  readonly secret: string | undefined
  readonly timeoutMs: number
}

/** It heard the command and will not have anything to do with it. */
export class MasterRefusal extends Error {
  override readonly name = 'MasterRefusal'
}

/** Sends one command to a master. @throws MasterRefusal, Error that names the master and says why there is no answer */
export async function askMaster(env: Env, target: AdminTarget, command: AdminCommand): Promise<AdminAnswer> {
  const { host, port, cluster, secret, timeoutMs } = target
  const connection = await env.net.connect(host, port, { timeoutMs })
  const link = new Link(env.clock, connection)
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`master at ${host}:${port}: ${why}`))
    const timer = env.clock.after(timeoutMs, () => link.close(`no answer in ${timeoutMs} ms`))
    link.open({
      packet(type, payload) {
        switch (type) {
          case matoma.challenge.code: {
            const { nonce } = matoma.challenge.decode(payload)
            const proof = proofOf(secret, nonce)
            const text = JSON.stringify(command)
            return link.send(matoma.admin.encode({ protocol: matoma.HA_PROTOCOL, proof, cluster, command: text }))
          }
          case matoma.refused.code:
            reject(new MasterRefusal(`master at ${host}:${port}: ${matoma.refused.decode(payload).reason}`))
            return link.close('refused')
          case matoma.adminAnswer.code:
            resolve(JSON.parse(matoma.adminAnswer.decode(payload).answer) as AdminAnswer)
            return link.close('done')
          default:
            throw new ProtocolError(`unexpected message ${type}`)
        }
      },
      closed(why) {
        timer.cancel()
        fail(why)
      },
    })
  })
}
