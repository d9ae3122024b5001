// Finding the zeros at both ends of what is written, so that they become a hole (spec chunkserver 5.5).

const SECTOR_BYTES = 512
const zeros = Buffer.alloc(1 << 20)

export interface Range {
  /** Within the block. */
  readonly from: number
  readonly to: number
  readonly parts: readonly Buffer[]
}

function isZero(parts: readonly Buffer[]): boolean {
  return parts.every(part => part.equals(zeros.subarray(0, part.length)))
}

/** Whether neither the first nor the last byte is zero: nothing can be left out at the ends. */
export function hasSolidEnds(parts: readonly Buffer[]): boolean {
  const last = parts.at(-1)
  return parts[0]?.[0] !== 0 && last?.[last.length - 1] !== 0
}

/** @returns the part of a piece of a block that must be written: all of it, or without the zeros at its ends */
export function nonZeroRange(parts: readonly Buffer[], offset: number, size: number, sparsify: boolean): Range {
  const first = parts[0]
  const all = { from: offset, to: offset + size, parts }
  if (!sparsify || !first || hasSolidEnds(parts)) return all
  if (isZero(parts)) return { from: offset, to: offset, parts: [] }
  const bytes = parts.length === 1 ? first : Buffer.concat(parts)
  let [from, to] = [0, bytes.length]
  while (bytes[from] === 0) from++
  while (bytes[to - 1] === 0) to--
  // Whole sectors, counted from the start of the block.
  from = Math.max(0, Math.floor((offset + from) / SECTOR_BYTES) * SECTOR_BYTES - offset)
  to = Math.min(bytes.length, Math.ceil((offset + to) / SECTOR_BYTES) * SECTOR_BYTES - offset)
  return { from: offset + from, to: offset + to, parts: [bytes.subarray(from, to)] }
}
