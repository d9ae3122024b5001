// What is going on: one line that changes on a terminal, lines one below the other elsewhere.

export class Progress {
  readonly #isTerminal = process.stderr.isTTY === true
  #total = 0
  #done = 0
  #startedMs = 0
  #shown = false

  begin(total: number): void {
    this.#total = total
    this.#startedMs = performance.now()
  }

  /** The next step begins. */
  step(text: string, extra = false): void {
    const { minutes } = this
    const left = minutes === undefined ? '' : `, about ${minutes} min left`
    this.say(`[${this.#done + 1}/${this.#total}${left}] ${text}`)
    if (!extra) this.#done++
  }

  /** Whole minutes that are left, once it can be told. */
  get minutes(): number | undefined {
    if (this.#done < 3) return undefined
    const perStepMs = (performance.now() - this.#startedMs) / this.#done
    return Math.ceil((perStepMs * (this.#total - this.#done)) / 60_000)
  }

  say(text: string): void {
    if (!this.#isTerminal) return void process.stderr.write(`${text}\n`)
    const columns = process.stderr.columns || 80
    process.stderr.write(`\r\x1b[K${text.slice(0, columns - 1)}`)
    this.#shown = true
  }

  /** The line goes, for what is printed next. */
  end(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K')
    this.#shown = false
  }
}
