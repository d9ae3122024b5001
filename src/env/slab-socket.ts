// Sockets of Node that read into slabs.
import { Socket } from 'node:net'
import koffi from 'koffi'
import { ReceiveSlab } from './receive-slab.ts'

const fcntl = koffi.load(null).func('int fcntl(int, int, int)')
const F_DUPFD_CLOEXEC = 1030

export interface SlabSocket {
  readonly socket: Socket
  /** Hears of what comes; set before anything can. */
  onData: (bytes: Buffer) => void
}

/** Not connected yet, or the connection that `descriptor` is. */
export function slabSocket(descriptor?: number): SlabSocket {
  const slab = new ReceiveSlab()
  const onread = {
    buffer: slab.room,
    callback: (bytes: number): boolean => {
      made.onData(slab.take(bytes))
      return true
    },
  }
  const from = descriptor === undefined ? {} : { fd: descriptor, readable: true, writable: true }
  const made: SlabSocket = { socket: new Socket({ ...from, onread }), onData: () => {} }
  return made
}

/** A connection that a server has accepted, and not read from: sockets that Node makes itself read where it likes. */
export function adopt(accepted: Socket): SlabSocket {
  const descriptor = descriptorOf(accepted)
  const copy = descriptor === undefined ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
  if (copy >= 0) {
    accepted.destroy()
    return slabSocket(copy)
  }
  const made: SlabSocket = { socket: accepted, onData: () => {} }
  accepted.on('data', (bytes: Buffer) => made.onData(bytes))
  return made
}

/** Node tells it nobody but the one object that it calls private. */
export function descriptorOf(owner: object): number | undefined {
  const { fd = -1 } = (owner as { _handle?: { fd?: number } })._handle ?? {}
  return fd < 0 ? undefined : fd
}
