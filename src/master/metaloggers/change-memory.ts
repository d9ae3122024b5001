// The last changes, kept in memory for metaloggers that come back after a short absence (spec metadata 3.2).

export interface Change {
  id: number
  body: string
}

/** Text that is kept at most, whatever the time: a busy master must not fill its memory for peers that are away. */
const BYTES_MAX = 64 << 20

export class ChangeMemory {
  #keepSeconds: number
  #changes: (Change & { atSecond: number })[] = []
  /** Older ones are forgotten; their places are cleared from time to time. */
  #first = 0
  #bytes = 0

  /** @param keepSeconds CHANGELOG_PRESERVE_SECONDS; 0: nothing is kept */
  constructor(keepSeconds: number) {
    this.#keepSeconds = keepSeconds
  }

  add({ id, body }: Change, atSecond: number): void {
    if (this.#keepSeconds === 0) return
    this.#changes.push({ id, body, atSecond })
    this.#bytes += body.length
    for (let oldest = this.#changes[this.#first]; oldest; oldest = this.#changes[this.#first]) {
      if (this.#bytes <= BYTES_MAX && oldest.atSecond + this.#keepSeconds >= atSecond) break
      this.#bytes -= oldest.body.length
      this.#first++
    }
    if (this.#first > 1000 && this.#first * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#first)
      this.#first = 0
    }
  }

  /** Shorter takes effect with the next change, 0 at once: then what is kept would soon have a gap behind it. */
  keepFor(seconds: number): void {
    this.#keepSeconds = seconds
    if (seconds > 0) return
    this.#changes = []
    this.#first = 0
    this.#bytes = 0
  }

  /** Number of the oldest change that is kept. */
  get oldest(): number | undefined {
    return this.#changes[this.#first]?.id
  }

  /** Up to `count` changes from `id` on; undefined when memory does not reach back so far. */
  from(id: number, count: number): Change[] | undefined {
    const oldest = this.#changes[this.#first]
    if (!oldest || id < oldest.id) return undefined
    const at = this.#first + (id - oldest.id)
    return this.#changes.slice(at, at + count)
  }
}
