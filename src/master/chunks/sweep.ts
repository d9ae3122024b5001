// Walks through all chunks when something about many of them changed at once: a server left, a class became another one.
// In slices, between which everything else goes on.
import type { Clock } from '../../env/env.ts'

export interface SweepParts {
  clock: Clock
  /** Looked at in one slice. */
  rowsAtOnce: number
  /** Every row is below this. */
  rowLimit: () => number
  /** Looks at a row; when not at `every` one, then only if it has to do with servers that are gone. */
  look: (row: number, every: boolean) => void
  /** Every row has been looked at since the last start(). */
  done: () => void
}

export class Sweep {
  readonly #parts: SweepParts
  #cursor = 1
  /** Rows that are still to be looked at, and those of them that are to be looked at in any case. */
  #left = 0
  #leftEvery = 0

  constructor(parts: SweepParts) {
    this.#parts = parts
  }

  /** Looks at every row from now on; a walk that is under way is made longer. */
  startEvery(): void {
    this.#leftEvery = this.#parts.rowLimit()
    this.startGone()
  }

  /** Looks at the rows from now on that have to do with servers that are gone. */
  startGone(): void {
    const wasIdle = this.#left === 0
    this.#left = this.#parts.rowLimit()
    if (wasIdle) this.#parts.clock.soon(() => this.#slice())
  }

  #slice(): void {
    const { rowsAtOnce } = this.#parts
    const limit = this.#parts.rowLimit()
    const end = Math.min(this.#left, rowsAtOnce)
    for (let i = 0; i < end; i++) {
      if (this.#cursor >= limit) this.#cursor = 1
      this.#parts.look(this.#cursor++, i < this.#leftEvery)
    }
    this.#left -= end
    this.#leftEvery = Math.max(0, this.#leftEvery - end)
    if (this.#left > 0) this.#parts.clock.soon(() => this.#slice())
    else this.#parts.done()
  }
}
