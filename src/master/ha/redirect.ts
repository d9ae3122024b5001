// What a follower tells those who come to it: where the leader is, in the words that the original's own programs
// understand (spec client-master 2.2, chunkserver 2.3.2). Who cannot be told is let go.
import type { Clock, Random } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { ProtocolError } from '../../protocol/codec.ts'
import { VERSION, VERSION_TEXT } from '../../protocol/constants.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matocl from '../../protocol/matocl.ts'
import * as matocs from '../../protocol/matocs.ts'

const MAX_PAYLOAD_BYTES = 1 << 20
/** Long enough to come and ask. */
const PATIENCE_MS = 10_000
const CHALLENGE_BYTES = 32

export interface RedirectDoors {
  clock: Clock
  random: Random
}

/** @param leader address as a number; 0: not known now */
export type LeaderAddress = () => number

type Answer = (connection: Connection, type: number, payload: Buffer) => void

function attend({ clock }: RedirectDoors, connection: Connection, answer: Answer): void {
  const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => answer(connection, type, payload))
  const timer = clock.after(PATIENCE_MS, () => connection.destroy())
  connection.handle({
    data: bytes => {
      try {
        frames.push(bytes)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        connection.destroy()
      }
    },
    closed: () => timer.cancel(),
  })
}

export const redirectClient =
  (doors: RedirectDoors, leader: LeaderAddress) =>
  (connection: Connection): void =>
    attend(doors, connection, (_, type, payload) => {
      if (type === 0) return
      if (type === cltoma.getVersion.code) {
        const { msgid } = cltoma.getVersion.decode(payload)
        const text = Buffer.from(VERSION_TEXT)
        const packet = matocl.version.encode({ ...(msgid === undefined ? {} : { msgid }), version: VERSION, text })
        return connection.write(packet)
      }
      if (type !== cltoma.fuseRegister.code) return connection.destroy()
      const { kind } = cltoma.fuseRegister.decode(payload)
      const { RegisterCode } = cltoma
      if (kind === RegisterCode.GETRANDOM) {
        return connection.write(matocl.fuseRegister.encode({ body: doors.random.bytes(CHALLENGE_BYTES) }))
      }
      const comes = [RegisterCode.NEWSESSION, RegisterCode.RECONNECT, RegisterCode.NEWMETASESSION] as readonly number[]
      if (!comes.includes(kind)) return connection.destroy()
      const address = Buffer.alloc(4)
      address.writeUInt32BE(leader())
      connection.write(matocl.fuseRegister.encode({ body: address }))
    })

export const redirectChunkserver =
  (doors: RedirectDoors, leader: LeaderAddress) =>
  (connection: Connection): void =>
    attend(doors, connection, (_, type, payload) => {
      if (type === 0) return
      const isBegin =
        type === cstoma.register.code && cstoma.register.decode(payload).form === cstoma.RegisterForm.BEGIN
      if (!isBegin) return connection.destroy()
      connection.write(matocs.masterAck.encode({ kind: 'leaderIs', ip: leader() }))
      connection.end()
    })
