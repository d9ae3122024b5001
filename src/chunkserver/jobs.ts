/** Counts what is going on, up to a bound: the load that the master is told. */
export class Jobs {
  max: number
  #running = 0
  /** Most at a time since each asked last. */
  readonly #peaks = { master: 0, charts: 0 }

  constructor(max: number) {
    this.max = max
  }

  get running(): number {
    return this.#running
  }

  /** False when there are too many; each true needs an end(). */
  begin(): boolean {
    if (this.#running >= this.max) return false
    this.#running++
    this.#peaks.master = Math.max(this.#peaks.master, this.#running)
    this.#peaks.charts = Math.max(this.#peaks.charts, this.#running)
    return true
  }

  end(): void {
    this.#running--
  }

  /** The most there were since the last call for the same asker. */
  takePeak(asker: 'master' | 'charts'): number {
    const peak = this.#peaks[asker]
    this.#peaks[asker] = this.#running
    return peak
  }
}
