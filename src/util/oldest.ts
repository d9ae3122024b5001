/**
 * The oldest keys of a map, from which keys are only added and deleted: those set anew are the newest.
 *
 * A new iterator steps over all that was deleted since the map last grew, for every single key; this one goes on where
 * it stopped. So it must be the only one that deletes at the old end for a reason of age, and reset() follows clear().
 */
export class Oldest<K> {
  readonly #map: ReadonlyMap<K, unknown>
  #keys: MapIterator<K>

  constructor(map: ReadonlyMap<K, unknown>) {
    this.#map = map
    this.#keys = map.keys()
  }

  /** The oldest key, which the caller deletes now; undefined when the map is empty. */
  take(): K | undefined {
    let next = this.#keys.next()
    if (next.done) {
      this.reset()
      next = this.#keys.next()
    }
    return next.done ? undefined : next.value
  }

  reset(): void {
    this.#keys = this.#map.keys()
  }
}
