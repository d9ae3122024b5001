// Virtual time. Everything that happens in a simulated cluster is an event of this queue; one seed gives one history.

export type Random = () => number

/** A small, fast, seeded generator (mulberry32). Returns 0 <= n < 1. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

interface Event {
  atMs: number
  order: number
  run: (() => void) | undefined
}

const before = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** Lets every promise that can go on do so. Nothing in a simulation waits for the real world, so one turn is enough. */
const settle = () => new Promise<void>(resolve => setImmediate(resolve))

export class Scheduler {
  readonly random: Random
  nowMs = 0
  #heap: Event[] = []
  #order = 0

  constructor(seed: number) {
    this.random = seeded(seed)
  }

  /** Runs `run` after `delayMs` of virtual time; events of one moment run in the order they were made. */
  at(delayMs: number, run: () => void): { cancel(): void } {
    const event: Event = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#push(event)
    return {
      cancel: () => {
        event.run = undefined
      },
    }
  }

  /** An integer from..to, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1))
  }

  /** Runs until `done` says so. @throws Error when nothing is left to happen or `limitMs` of virtual time went by. */
  async until(done: () => boolean, limitMs: number, what: string): Promise<void> {
    const end = this.nowMs + limitMs
    await settle()
    while (!done()) {
      const event = this.#pop()
      if (!event) throw new Error(`${what}: nothing is left to happen`)
      if (event.atMs > end) throw new Error(`${what}: not within ${limitMs} ms of simulated time`)
      await this.#step(event)
    }
  }

  /** Runs until `work` is done, 100 s of virtual time at most. */
  async finished<T>(work: Promise<T>): Promise<T> {
    let isOver = false
    const over = () => {
      isOver = true
    }
    work.then(over, over)
    await this.until(() => isOver, 100_000, 'the work')
    return work
  }

  /** Lets `ms` of virtual time go by. */
  async run(ms: number): Promise<void> {
    const end = this.nowMs + ms
    await settle()
    for (let event = this.#heap[0]; event && event.atMs <= end; event = this.#heap[0]) {
      this.#pop()
      await this.#step(event)
    }
    this.nowMs = end
  }

  async #step(event: Event): Promise<void> {
    this.nowMs = event.atMs
    if (!event.run) return
    event.run()
    await settle()
  }

  #push(event: Event): void {
    const heap = this.#heap
    let i = heap.length
    heap.push(event)
    while (i > 0) {
      const parent = (i - 1) >> 1
      const above = heap[parent] as Event
      if (!before(event, above)) break
      heap[i] = above
      i = parent
    }
    heap[i] = event
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (!top || !last || heap.length === 0) return top
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[i] = heap[child] as Event
      i = child
    }
    heap[i] = last
    return top
  }
}
