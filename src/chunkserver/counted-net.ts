// The network with what goes over it added up: for the charts.
import type { Connection, ConnectionHandlers, Net } from '../env/net.ts'
import { WrappedConnection } from '../env/wrapped-connection.ts'

/** Bytes in both directions since the start. */
export interface Traffic {
  received(bytes: number): void
  sent(bytes: number): void
}

/** The same network, whose connections tell of what they carry. */
export function countedNet(net: Net, traffic: Traffic): Net {
  const counted = (connection: Connection) => new CountedConnection(connection, traffic)
  return {
    listen: (host, port, onConnection) => net.listen(host, port, connection => onConnection(counted(connection))),
    connect: async (host, port, options) => counted(await net.connect(host, port, options)),
    resolve: host => net.resolve(host),
  }
}

class CountedConnection extends WrappedConnection {
  readonly #traffic: Traffic

  constructor(inner: Connection, traffic: Traffic) {
    super(inner)
    this.#traffic = traffic
  }

  override handle(handlers: ConnectionHandlers): void {
    super.handle({
      ...handlers,
      data: bytes => {
        this.#traffic.received(bytes.length)
        handlers.data(bytes)
      },
    })
  }

  override write(bytes: Buffer): void {
    this.#traffic.sent(bytes.length)
    super.write(bytes)
  }

  override writev(buffers: readonly Buffer[], taken?: () => void): void {
    for (const { length } of buffers) this.#traffic.sent(length)
    super.writev(buffers, taken)
  }
}
