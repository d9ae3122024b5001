// The newest lines in memory, so that followers that are nearly up to date cost no disk reads.
import type { Batch } from './replica.ts'

const NEWLINE = 0x0a

export class Backlog {
  readonly #limitBytes: number
  readonly #batches: Batch[] = []
  #bytes = 0
  #end: number

  /** @param end number of the next line */
  constructor(end: number, limitBytes: number) {
    this.#end = end
    this.#limitBytes = limitBytes
  }

  /** First line that it holds; `end` when it holds none. */
  get start(): number {
    return this.#batches[0]?.firstVersion ?? this.#end
  }

  get end(): number {
    return this.#end
  }

  push(batch: Batch): void {
    this.#batches.push(batch)
    this.#bytes += batch.lines.length
    this.#end = batch.firstVersion + batch.count
    while (this.#bytes > this.#limitBytes && this.#batches.length > 1) {
      this.#bytes -= (this.#batches.shift() as Batch).lines.length
    }
  }

  /** Lines from `version` on, as one batch; undefined when it lies before `start` or nothing is there yet. */
  from(version: number): Batch | undefined {
    if (version < this.start || version >= this.#end) return undefined
    let low = 0
    let high = this.#batches.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#batches[middle] as Batch).firstVersion <= version) low = middle
      else high = middle - 1
    }
    return withoutFirst(this.#batches[low] as Batch, version)
  }
}

/** The batch without its lines below `version`. */
export function withoutFirst(batch: Batch, version: number): Batch {
  const skipped = version - batch.firstVersion
  if (skipped === 0) return batch
  let position = 0
  for (let i = 0; i < skipped; i++) position = batch.lines.indexOf(NEWLINE, position) + 1
  return { ...batch, firstVersion: version, count: batch.count - skipped, lines: batch.lines.subarray(position) }
}
