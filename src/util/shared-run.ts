/**
 * Runs an action for all who ask for it at about the same time. Whoever asks while a run is going on needs a later one:
 * it may have begun before what he wants to be in it. So there is one run at a time and at most one that waits.
 */
export class SharedRun {
  readonly #action: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(action: () => Promise<void>) {
    this.#action = action
  }

  /** Resolves or rejects as a run does that begins after this call. */
  run(): Promise<void> {
    if (!this.#running) return this.#begin()
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    )
    return this.#next
  }

  #begin(): Promise<void> {
    this.#next = undefined
    const running = this.#action().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}
