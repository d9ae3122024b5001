// What waits for the log: actions in the order of the versions that they depend on.

const COMPACT_AFTER = 4096

export class CommitQueue {
  readonly #versions: number[] = []
  readonly #actions: (() => void)[] = []
  #head = 0

  get isEmpty(): boolean {
    return this.#head === this.#actions.length
  }

  /** @param version not below that of any action before */
  push(version: number, action: () => void): void {
    this.#versions.push(version)
    this.#actions.push(action)
  }

  /** Runs what depends on nothing at or above `committed`, as long as `mayRun` says so before each. */
  run(committed: number, mayRun: () => boolean): void {
    while (this.#head < this.#actions.length && (this.#versions[this.#head] as number) <= committed && mayRun()) {
      const action = this.#actions[this.#head] as () => void
      this.#head++
      action()
    }
    if (this.#head < COMPACT_AFTER && !this.isEmpty) return
    this.#versions.splice(0, this.#head)
    this.#actions.splice(0, this.#head)
    this.#head = 0
  }

  /** Nothing that waits will ever run. */
  clear(): void {
    this.#head = 0
    this.#versions.length = 0
    this.#actions.length = 0
  }
}
