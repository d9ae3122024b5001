// Clients that closed their connection, as the system does for a program that died, and do not come back. A living one
// that is cut off closes nothing, and one that closes its connection makes another at once.
//
// A server of ours tells when the connection on which a chunk was being written was closed in the middle. When the client
// that has the lease closed its connection to the master, too, its write is over for good long before the lease is.
// All of this is known to this master only: the next one waits for the ends of leases.
import type { Clock } from '../../env/env.ts'
import type { SessionId } from '../../metadata/types.ts'

/** Within this time mounts that live are connected again, also when the master did not answer for a while. */
const GONE_MS = 10_000

export class Departures {
  readonly #clock: Clock
  /** Monotonic milliseconds of when clients closed their connections. */
  readonly #left = new Map<SessionId, number>()
  /** Chunks whose writers closed the connection in the middle, by row. */
  readonly #cutShort = new Set<number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The client of the session closed its last connection. */
  left(session: SessionId): void {
    this.#left.set(session, this.#clock.monotonicMs())
  }

  /** The client is here again, or its session is no more. */
  forget(session: SessionId): void {
    this.#left.delete(session)
  }

  /** Whether the client has left, and is not likely to be alive. */
  isGone(session: SessionId): boolean {
    const leftMs = this.#left.get(session)
    return leftMs !== undefined && this.#clock.monotonicMs() - leftMs >= GONE_MS
  }

  /** Another write of the chunk begins, or the last one has ended. */
  writeChanged(row: number): void {
    this.#cutShort.delete(row)
  }

  /** The client that has the lease closed the connection on which it was writing the chunk. */
  cutShort(row: number): void {
    this.#cutShort.add(row)
  }

  /** Chunks whose writers are gone for good, once each. @param writer who has the lease */
  *abandoned(writer: (row: number) => SessionId | undefined): Generator<number> {
    if (this.#left.size === 0) return
    for (const row of this.#cutShort) {
      const session = writer(row)
      if (session === undefined || !this.isGone(session)) continue
      this.#cutShort.delete(row)
      yield row
    }
  }
}
