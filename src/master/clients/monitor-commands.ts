// Commands of monitors change the cluster and come without a password, so that an address is all there is to judge by.
import { Status } from '../../protocol/status.ts'

/** CSSERV_COMMAND and SESSION_COMMAND. */
const commands: ReadonlySet<number> = new Set([524, 526])

export const isMonitorCommand = (type: number) => commands.has(type)

/** The answer to one that is not taken: a status, in every form of these commands. */
export function refusedCommand(type: number): Buffer {
  const packet = Buffer.alloc(9)
  packet.writeUInt32BE(type + 1, 0)
  packet.writeUInt32BE(1, 4)
  packet.writeUInt8(Status.EPERM, 8)
  return packet
}
