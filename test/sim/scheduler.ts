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

/** Made at once: node lets every promise go on between two immediates, and asks the system for nothing. */
const STEPS_A_TURN = 200

export class Scheduler {
  readonly random: Random
  nowMs = 0
  #heap: Event[] = []
  #order = 0
  /** Calls of until() and run() that are not over: each makes one step in turn. */
  #loops = 0

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
    await this.#stepping(() => {
      while (!done()) {
        const event = this.#pop()
        if (!event) throw new Error(`${what}: nothing is left to happen`)
        if (event.atMs > end) throw new Error(`${what}: not within ${limitMs} ms of simulated time`)
        if (this.#happen(event)) return true
      }
      return false
    })
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
    await this.#stepping(() => {
      for (let event = this.#heap[0]; event && event.atMs <= end; event = this.#heap[0]) {
        this.#pop()
        if (this.#happen(event)) return true
      }
      return false
    })
    this.nowMs = end
  }

  /**
   * Calls `step` until it returns false, each time when every promise that can go on has done so. Nothing in a
   * simulation waits for the real world, so there is nothing else to wait for.
   */
  #stepping(step: () => boolean): Promise<void> {
    this.#loops++
    return new Promise<void>((resolve, reject) => {
      let turn = 0
      let left = 0
      const plan = () => {
        turn++
        left = this.#loops > 1 ? 1 : STEPS_A_TURN
        for (let i = 0; i < left; i++) setImmediate(one, turn)
      }
      const one = (ofTurn: number) => {
        if (ofTurn !== turn) return
        try {
          if (!step()) {
            turn++
            return resolve()
          }
        } catch (error) {
          turn++
          return reject(error)
        }
        if (--left === 0 || this.#loops > 1) plan()
      }
      plan()
    }).finally(() => {
      this.#loops--
    })
  }

  /** @returns whether there was something to do */
  #happen(event: Event): boolean {
    this.nowMs = event.atMs
    if (!event.run) return false
    event.run()
    return true
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
