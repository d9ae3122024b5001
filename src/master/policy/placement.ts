// Which servers get a new chunk or a new copy. Pure: the draw of lots is an argument.

/** A number 0 <= n < 1. */
export type Draw = () => number

export interface Candidate {
  /** Bytes that may still be used. */
  available: number
  total: number
  /** Bit 0 is label A. */
  labels: number
}

/** One wanted copy: an AND of OR-masks of labels; 0 masks ask nothing. */
export type LabelMasks = readonly number[]

export const matches = (labels: number, masks: LabelMasks) => masks.every(mask => mask === 0 || (labels & mask) !== 0)

/**
 * Picks distinct servers for copies, one for each expression, weighted by free space so that servers fill evenly.
 * Where no server matches an expression any other one is taken, unless `strict`. Fewer come back when fewer are there.
 */
export function placeCopies<C extends Candidate>(
  candidates: readonly C[],
  wanted: readonly LabelMasks[],
  strict: boolean,
  draw: Draw,
): C[] {
  const left = new Set(candidates.filter(({ available }) => available > 0))
  const chosen: C[] = []
  const unmatched: LabelMasks[] = []
  const take = (from: C[]) => {
    const server = weighted(from, draw)
    if (!server) return false
    left.delete(server)
    chosen.push(server)
    return true
  }
  for (const masks of wanted) {
    if (!take([...left].filter(({ labels }) => matches(labels, masks)))) unmatched.push(masks)
  }
  if (!strict) for (const _ of unmatched) take([...left])
  return chosen
}

function weighted<C extends Candidate>(candidates: readonly C[], draw: Draw): C | undefined {
  const sum = candidates.reduce((total, { available }) => total + available, 0)
  let ticket = draw() * sum
  for (const candidate of candidates) {
    ticket -= candidate.available
    if (ticket < 0) return candidate
  }
  return candidates.at(-1)
}
