// Which folder gets a new chunk (spec chunkserver 6.2): a round robin in proportion to their sizes.
import type { Folder } from './folder.ts'

/** Folders with less than this share of their space free are used only when all are so full. */
const FULL_SHARE = 0.001

/** The folder whose turn it is; undefined when none can take a chunk. */
export function chooseFolder(folders: readonly Folder[]): Folder | undefined {
  const usable = folders.filter(
    ({ state, line, totalBytes, availableBytes }) =>
      state === 'ready' && !line.markedForRemoval && line.balance !== 'empty' && totalBytes > 0 && availableBytes > 0,
  )
  const roomy = usable.filter(({ availableBytes, totalBytes }) => availableBytes >= totalBytes * FULL_SHARE)
  const candidates = roomy.length > 0 ? roomy : usable
  const sum = candidates.reduce((bytes, { totalBytes }) => bytes + totalBytes, 0)
  let best: { folder: Folder; expected: number; score: number } | undefined
  for (const folder of candidates) {
    const { turn } = folder
    turn.distance++
    const expected = sum / folder.totalBytes
    const score = turn.used ? (expected + turn.correction) / turn.distance : 1
    if (!best || score < best.score) best = { folder, expected, score }
  }
  if (!best) return undefined
  const { turn } = best.folder
  if (turn.used) turn.correction += best.expected - turn.distance
  turn.used = true
  turn.distance = 0
  return best.folder
}
