// The counters behind the file .stats: `name: value` lines, a name with dots for each level, every level the sum of
// those below it.

export class Statistics {
  readonly #counters = new Map<string, number>()
  readonly #gauges = new Map<string, () => number>()

  /** Names appear in .stats in the order of their declaration. */
  declare(...names: string[]): void {
    for (const name of names) if (!this.#counters.has(name)) this.#counters.set(name, 0)
  }

  count(name: string, by = 1): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by)
  }

  /** A value that is what it is, shown in brackets and not added up. */
  gauge(name: string, read: () => number): void {
    this.#gauges.set(name, read)
  }

  reset(): void {
    for (const name of this.#counters.keys()) this.#counters.set(name, 0)
  }

  text(): string {
    const sums = new Map<string, number>()
    for (const [name, value] of this.#counters) {
      for (let end = name.indexOf('.'); end > 0; end = name.indexOf('.', end + 1)) {
        const level = name.slice(0, end)
        sums.set(level, (sums.get(level) ?? 0) + value)
      }
      sums.set(name, (sums.get(name) ?? 0) + value)
    }
    const lines = [...sums].map(([name, value]) => `${name}: ${value}`)
    for (const [name, read] of this.#gauges) lines.push(`${name}: [${read()}]`)
    return `${lines.join('\n')}\n`
  }
}
