// What a follower tells those who come to it: where the leader is, in the words that the original's own programs
// understand (spec client-master 2.2, chunkserver 2.3.2). Pure.
import * as cltoma from '../../protocol/cltoma.ts'
import { VERSION, VERSION_TEXT } from '../../protocol/constants.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import * as matocl from '../../protocol/matocl.ts'
import * as matocs from '../../protocol/matocs.ts'

/** How a packet is met. */
export type Reply =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'say'; readonly packet: Buffer }
  /** The last word: the connection ends with it. */
  | { readonly kind: 'sayLast'; readonly packet: Buffer }
  /** Whoever leads shall answer: not before that is known. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'refuse' }
  /** Not the leader's business, but that of a master that follows. */
  | { readonly kind: 'keep' }

/**
 * @param leader address as a number; 0: not known now
 * @param challenge bytes drawn for this connection
 * @throws ProtocolError
 */
export type Reception = (type: number, payload: Buffer, leader: number, challenge: Buffer) => Reply

const NOTHING: Reply = { kind: 'nothing' }
const WAIT: Reply = { kind: 'wait' }
const REFUSE: Reply = { kind: 'refuse' }
const KEEP: Reply = { kind: 'keep' }

/** How long the bytes are that a client of the original expects to its GETRANDOM. */
export const CHALLENGE_BYTES = 32

export const redirectClient: Reception = (type, payload, leader, challenge) => {
  if (type === 0) return NOTHING
  if (type === cltoma.getVersion.code) {
    const { msgid } = cltoma.getVersion.decode(payload)
    const text = Buffer.from(VERSION_TEXT)
    const packet = matocl.version.encode({ ...(msgid === undefined ? {} : { msgid }), version: VERSION, text })
    return { kind: 'say', packet }
  }
  if (type !== cltoma.fuseRegister.code) return REFUSE
  const { kind } = cltoma.fuseRegister.decode(payload)
  const { RegisterCode } = cltoma
  if (kind === RegisterCode.GETRANDOM) return { kind: 'say', packet: matocl.fuseRegister.encode({ body: challenge }) }
  const comes = [RegisterCode.NEWSESSION, RegisterCode.RECONNECT, RegisterCode.NEWMETASESSION] as readonly number[]
  if (!comes.includes(kind)) return REFUSE
  if (leader === 0) return WAIT
  const address = Buffer.alloc(4)
  address.writeUInt32BE(leader)
  return { kind: 'say', packet: matocl.fuseRegister.encode({ body: address }) }
}

export const redirectChunkserver: Reception = (type, payload, leader) => {
  if (type === 0) return NOTHING
  const form = type === cstoma.register.code ? cstoma.register.decode(payload).form : undefined
  if (form === cstoma.RegisterForm.EARLY) return KEEP
  if (form !== cstoma.RegisterForm.BEGIN) return REFUSE
  if (leader === 0) return WAIT
  return { kind: 'sayLast', packet: matocs.masterAck.encode({ kind: 'leaderIs', ip: leader }) }
}

/** Metaloggers know no redirect: they wait until there is a log here. */
export const redirectMetalogger: Reception = (type, _, leader) => (type === 0 ? NOTHING : leader === 0 ? WAIT : REFUSE)
