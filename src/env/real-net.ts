import { lookup } from 'node:dns/promises'
import { createServer, type Socket } from 'node:net'
import type { BusyPoll } from './busy-poll.ts'
import type { Connection, ConnectionHandlers, Net } from './net.ts'
import { adopt, descriptorOf, type SlabSocket, slabSocket } from './slab-socket.ts'

/** Small messages of one turn go out together, when there are as many bytes of them or the turn ends. */
const GATHERED_BYTES_MAX = 64 * 1024
/** Longer ones are not copied. */
const SMALL_BYTES = 8 * 1024

/** Connections with messages that go out at the end of this turn. */
let gathering: RealConnection[] = []

function sendGathered(): void {
  const connections = gathering
  gathering = []
  for (const connection of connections) connection.flush()
}

// Whoever has written and ends the process in the same turn has sent it.
process.on('exit', sendGathered)

class RealConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly #socket: Socket
  readonly #poll: BusyPoll | undefined
  #handlers: ConnectionHandlers | undefined
  #error: Error | undefined
  #closed = false
  /** Small messages of this turn. */
  #gathered: Buffer[] = []
  #gatheredBytes = 0

  constructor(made: SlabSocket, poll?: BusyPoll) {
    const { socket } = made
    this.#socket = socket
    this.#poll = poll
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = socket.localAddress ?? ''
    socket.setNoDelay(true)
    socket.pause()
    made.onData = bytes => {
      poll?.came()
      this.#handlers?.data(bytes)
    }
    socket.on('end', () => this.end())
    socket.on('error', error => {
      this.#error = error
    })
    socket.on('close', () => {
      this.#closed = true
      this.#handlers?.closed(this.#error)
    })
  }

  get queuedBytes(): number {
    return this.#socket.writableLength + this.#gatheredBytes
  }

  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    if (this.#closed) queueMicrotask(() => handlers.closed(this.#error))
    else this.#socket.resume()
  }

  write(bytes: Buffer): void {
    if (this.#closed) return
    if (bytes.length > SMALL_BYTES) {
      this.flush()
      this.#give(bytes)
      return
    }
    if (this.#gathered.length === 0 && gathering.push(this) === 1) process.nextTick(sendGathered)
    this.#gathered.push(bytes)
    this.#gatheredBytes += bytes.length
    if (this.#gatheredBytes > GATHERED_BYTES_MAX) this.flush()
  }

  /** Hands what was gathered to the system: one message as it is, several as one. */
  flush(): void {
    const gathered = this.#gathered
    const bytes = this.#gatheredBytes
    if (gathered.length === 0) return
    this.#gathered = []
    this.#gatheredBytes = 0
    if (!this.#closed) this.#give(gathered.length === 1 ? (gathered[0] as Buffer) : Buffer.concat(gathered, bytes))
  }

  #give(bytes: Buffer, taken?: () => void): void {
    this.#poll?.expect()
    if (!taken && !this.#handlers?.drain) {
      this.#socket.write(bytes)
      return
    }
    // The socket's own event of this kind comes only when very much has waited.
    this.#socket.write(bytes, error => {
      if (error) return
      taken?.()
      if (this.queuedBytes === 0) this.#handlers?.drain?.()
    })
  }

  writev(buffers: readonly Buffer[], taken?: () => void): void {
    if (this.#closed || buffers.length === 0) return
    this.flush()
    const last = buffers.length - 1
    this.#socket.cork()
    for (let i = 0; i < last; i++) this.#socket.write(buffers[i] as Buffer)
    this.#give(buffers[last] as Buffer, taken)
    this.#socket.uncork()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.flush()
    this.#socket.end()
  }

  destroy(error?: Error): void {
    this.#error ??= error
    // What was written before has left this program, as far as the system took it at once.
    this.flush()
    this.#socket.destroy()
  }
}

/** Goes on listening where another process did: `descriptor` is the number of its socket here. */
export function listenOnDescriptor(descriptor: number, onConnection: (connection: Connection) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true }, socket => onConnection(new RealConnection(adopt(socket))))
    server.once('error', reject)
    server.listen({ fd: descriptor }, () => resolve())
  })
}

/**
 * The network of this machine. IPv4 only, as the protocol is (spec chunkserver 1.1).
 *
 * @param poll waits awake for what follows messages that go out
 */
export const netWith = (poll?: BusyPoll): Net => ({
  listen(host, port, onConnection) {
    return new Promise((resolve, reject) => {
      const connections = new Set<RealConnection>()
      const server = createServer({ pauseOnConnect: true }, accepted => {
        const made = adopt(accepted)
        const connection = new RealConnection(made, poll)
        connections.add(connection)
        made.socket.on('close', () => connections.delete(connection))
        onConnection(connection)
      })
      server.once('error', reject)
      server.listen({ host: host === '*' ? '0.0.0.0' : host, port, backlog: 100 }, () => {
        server.off('error', reject)
        const address = server.address()
        const descriptor = descriptorOf(server)
        resolve({
          port: typeof address === 'object' && address !== null ? address.port : port,
          ...(descriptor === undefined ? {} : { descriptor }),
          close: () =>
            new Promise<void>(done => {
              server.close(() => done())
              for (const connection of connections) connection.destroy()
            }),
        })
      })
    })
  },

  connect(host, port, { timeoutMs, bindHost }) {
    return new Promise((resolve, reject) => {
      const made = slabSocket()
      const { socket } = made
      const timer = setTimeout(() => {
        socket.destroy()
        reject(
          Object.assign(new Error(`connect to ${host}:${port}: no answer in ${timeoutMs} ms`), { code: 'ETIMEDOUT' }),
        )
      }, timeoutMs)
      socket.once('error', error => {
        clearTimeout(timer)
        reject(error)
      })
      socket.connect({ host, port, family: 4, ...(bindHost ? { localAddress: bindHost } : {}) }, () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        resolve(new RealConnection(made, poll))
      })
    })
  },

  async resolve(host) {
    const addresses = await lookup(host, { family: 4, all: true })
    return addresses.map(({ address }) => address)
  },
})

export const realNet = netWith()
