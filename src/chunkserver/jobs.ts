/** Counts what is going on, up to a bound: the load that the master is told. */
export class Jobs {
  max: number
  #running = 0
  #peak = 0

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
    this.#peak = Math.max(this.#peak, this.#running)
    return true
  }

  end(): void {
    this.#running--
  }

  /** The most there were since the last call. */
  takePeak(): number {
    const peak = this.#peak
    this.#peak = this.#running
    return peak
  }
}
