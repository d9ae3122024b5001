import { lookup } from 'node:dns/promises'
import { createServer, type Server, Socket } from 'node:net'
import type { Connection, ConnectionHandlers, Net } from './net.ts'

class RealConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly #socket: Socket
  #handlers: ConnectionHandlers | undefined
  #error: Error | undefined
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = socket.localAddress ?? ''
    socket.setNoDelay(true)
    socket.pause()
    socket.on('data', (bytes: Buffer) => this.#handlers?.data(bytes))
    socket.on('drain', () => this.#handlers?.drain?.())
    socket.on('end', () => socket.end())
    socket.on('error', error => {
      this.#error = error
    })
    socket.on('close', () => {
      this.#closed = true
      this.#handlers?.closed(this.#error)
    })
  }

  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    if (this.#closed) queueMicrotask(() => handlers.closed(this.#error))
    else this.#socket.resume()
  }

  write(bytes: Buffer): void {
    if (!this.#closed) this.#socket.write(bytes)
  }

  writev(buffers: readonly Buffer[], taken?: () => void): void {
    if (this.#closed || buffers.length === 0) return
    this.#socket.cork()
    buffers.forEach((buffer, i) => {
      if (taken && i === buffers.length - 1) this.#socket.write(buffer, error => error || taken())
      else this.#socket.write(buffer)
    })
    this.#socket.uncork()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(error?: Error): void {
    this.#error ??= error
    this.#socket.destroy()
  }
}

/** Node tells it nobody but the one object that it calls private. */
function descriptorOf(server: Server): { descriptor?: number } {
  const { fd = -1 } = (server as { _handle?: { fd?: number } })._handle ?? {}
  return fd < 0 ? {} : { descriptor: fd }
}

/** Goes on listening where another process did: `descriptor` is the number of its socket here. */
export function listenOnDescriptor(descriptor: number, onConnection: (connection: Connection) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true }, socket => onConnection(new RealConnection(socket)))
    server.once('error', reject)
    server.listen({ fd: descriptor }, () => resolve())
  })
}

/** The network of this machine. IPv4 only, as the protocol is (spec chunkserver 1.1). */
export const realNet: Net = {
  listen(host, port, onConnection) {
    return new Promise((resolve, reject) => {
      const server = createServer({ pauseOnConnect: true }, socket => onConnection(new RealConnection(socket)))
      const sockets = new Set<Socket>()
      server.on('connection', socket => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
      server.once('error', reject)
      server.listen({ host: host === '*' ? '0.0.0.0' : host, port, backlog: 100 }, () => {
        server.off('error', reject)
        const address = server.address()
        resolve({
          port: typeof address === 'object' && address !== null ? address.port : port,
          ...descriptorOf(server),
          close: () =>
            new Promise<void>(done => {
              server.close(() => done())
              for (const socket of sockets) socket.destroy()
            }),
        })
      })
    })
  },

  connect(host, port, { timeoutMs, bindHost }) {
    return new Promise((resolve, reject) => {
      const socket = new Socket()
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
        resolve(new RealConnection(socket))
      })
    })
  },

  async resolve(host) {
    const addresses = await lookup(host, { family: 4, all: true })
    return addresses.map(({ address }) => address)
  },
}
