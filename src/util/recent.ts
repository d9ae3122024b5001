// Things remembered for a while: a map that never holds more than it was told; what came first goes first, also when it
// was told anew meanwhile.
import { Oldest } from '../util/oldest.ts'

interface Kept<V> {
  value: V
  untilMs: number
}

export class Recent<K, V> {
  readonly #map = new Map<K, Kept<V>>()
  readonly #max: number
  readonly #nowMs: () => number
  readonly #oldest = new Oldest(this.#map)

  constructor(max: number, nowMs: () => number) {
    this.#max = max
    this.#nowMs = nowMs
  }

  get(key: K): V | undefined {
    const kept = this.#map.get(key)
    if (kept === undefined) return undefined
    if (this.#nowMs() < kept.untilMs) return kept.value
    this.#map.delete(key)
    return undefined
  }

  set(key: K, value: V, keepMs: number): void {
    if (keepMs <= 0) return
    const kept = this.#map.get(key)
    if (kept) {
      kept.value = value
      kept.untilMs = this.#nowMs() + keepMs
      return
    }
    if (this.#map.size >= this.#max) {
      const oldest = this.#oldest.take()
      if (oldest !== undefined) this.#map.delete(oldest)
    }
    this.#map.set(key, { value, untilMs: this.#nowMs() + keepMs })
  }

  delete(key: K): void {
    this.#map.delete(key)
  }

  clear(): void {
    this.#map.clear()
    this.#oldest.reset()
  }
}
