// The lines of one request count only together: of a request that a crash cut in the middle, nothing is carried out.
// Lines that say that more follow (metadata/changelog/trailer.ts, M) are held back until the last one is there.
import { saysMore } from '../metadata/changelog/trailer.ts'

export class WholeRequests<Line extends { readonly text: string }> {
  #held: Line[] = []

  /** How many lines wait for the rest of their request. */
  get heldCount(): number {
    return this.#held.length
  }

  /** @returns the lines of a request that is whole with this one, in order; none while more of it is to come */
  add(line: Line): readonly Line[] {
    if (saysMore(line.text)) {
      this.#held.push(line)
      return []
    }
    if (this.#held.length === 0) return [line]
    const whole = [...this.#held, line]
    this.#held = []
    return whole
  }
}
