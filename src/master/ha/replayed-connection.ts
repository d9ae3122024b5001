// A connection of which some bytes have been read already.
import type { Connection, ConnectionHandlers } from '../../env/net.ts'
import { WrappedConnection } from '../../env/wrapped-connection.ts'

export class ReplayedConnection extends WrappedConnection {
  #early: readonly Buffer[]

  constructor(inner: Connection, early: readonly Buffer[]) {
    super(inner)
    this.#early = early
  }

  override handle(handlers: ConnectionHandlers): void {
    super.handle(handlers)
    const early = this.#early
    this.#early = []
    for (const bytes of early) handlers.data(bytes)
  }
}
