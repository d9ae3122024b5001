// TCP as the daemons see it. Callbacks, not streams: one owner per connection, no event names to mistype.

export interface ConnectionHandlers {
  /** Bytes arrived. The buffer belongs to the callee. */
  data(bytes: Buffer): void
  /** Everything that was written has gone out to the system. */
  drain?(): void
  /** The connection is over, once, whoever ended it. `error` says why when it was not an orderly end. */
  closed(error?: Error): void
}

/** Whether a connection was closed by the peer, or by its system after the peer's death. @param error of closed() */
export function isEndOfPeer(error: Error | undefined): boolean {
  return error === undefined || (error as NodeJS.ErrnoException).code === 'ECONNRESET'
}

export interface Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  /** Bytes accepted by write() and not yet taken by the system: bound this. */
  readonly queuedBytes: number
  /** Sets who hears of data and the end. Data that came before is kept until then. */
  handle(handlers: ConnectionHandlers): void
  write(bytes: Buffer): void
  /**
   * Writes several buffers as one, without joining them. `taken` is called once the system has them all, so that
   * they may be used again; never when the connection ends before.
   */
  writev(buffers: readonly Buffer[], taken?: () => void): void
  /** No data() until resume(): back-pressure on the peer. */
  pause(): void
  resume(): void
  /** Sends what is queued, then closes. */
  end(): void
  /** Closes at once; what is queued is dropped. */
  destroy(error?: Error): void
}

export interface Listener {
  readonly port: number
  /** The system's number of it, where there is one: another process that is given it can go on listening. */
  readonly descriptor?: number
  close(): Promise<void>
}

export interface ConnectOptions {
  timeoutMs: number
  /** Local address to connect from; any when missing. */
  bindHost?: string
}

export interface Net {
  /** @throws Error with code EADDRINUSE, EACCES, … when the address cannot be had. Host `*` is any. */
  listen(host: string, port: number, onConnection: (connection: Connection) => void): Promise<Listener>
  /** @throws Error with code ECONNREFUSED, ETIMEDOUT, … Connections have TCP_NODELAY set. */
  connect(host: string, port: number, options: ConnectOptions): Promise<Connection>
  /** IPv4 addresses of `host`, in the resolver's order. */
  resolve(host: string): Promise<string[]>
}
