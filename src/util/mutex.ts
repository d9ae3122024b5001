/** One holder at a time; the others wait in the order in which they came. */
export class Mutex {
  #held = false
  readonly #waiting: (() => void)[] = []

  get isFree(): boolean {
    return !this.#held
  }

  /** Runs `action` alone. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#held) await new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#held = true
    try {
      return await action()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#held = false
    }
  }
}
