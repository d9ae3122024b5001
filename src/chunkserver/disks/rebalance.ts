// Which disk of this server gives a chunk to which (spec chunkserver 6.7). Pure.
import type { Folder } from './folder.ts'

/** Share of space by which a disk may differ from the average before something is done, and until it is done. */
const TOLERANCE = 0.01
const RUNNING_TOLERANCE = 0.005
/** Fuller disks get nothing. */
const DESTINATION_USAGE_MAX = 0.99
/** Smaller disks are left alone. */
const TOTAL_BYTES_MIN = 1e9

export interface Sides {
  sources: Folder[]
  destinations: Folder[]
}

const usage = ({ totalBytes, availableBytes }: Folder) => (totalBytes - availableBytes) / totalBytes

/** @param running chunks are being moved: go on until the disks are nearer to each other than what begins it */
export function rebalanceSides(folders: readonly Folder[], running: boolean): Sides {
  const usable = folders.filter(({ state, line, totalBytes }) => {
    return state === 'ready' && !line.markedForRemoval && totalBytes > 0
  })
  const withRoom = usable.filter(folder => usage(folder) < DESTINATION_USAGE_MAX)
  const emptying = usable.filter(({ line, chunkCount }) => line.balance === 'empty' && chunkCount > 0)
  const filling = withRoom.filter(({ line }) => line.balance === 'fill')
  if (emptying.length > 0 || filling.length > 0) {
    const sources = emptying.length > 0 ? emptying : usable.filter(({ line }) => line.balance !== 'fill')
    const destinations = filling.length > 0 ? filling : withRoom.filter(({ line }) => line.balance !== 'empty')
    return { sources: sources.filter(({ chunkCount }) => chunkCount > 0), destinations }
  }
  return byUsage(usable, running ? RUNNING_TOLERANCE : TOLERANCE)
}

function byUsage(usable: readonly Folder[], tolerance: number): Sides {
  const large = usable.filter(({ totalBytes }) => totalBytes > TOTAL_BYTES_MIN)
  const average = large.reduce((sum, folder) => sum + usage(folder), 0) / Math.max(1, large.length)
  const above = large.filter(folder => usage(folder) > average + tolerance && folder.chunkCount > 0)
  const below = large.filter(folder => usage(folder) < average - tolerance && usage(folder) < DESTINATION_USAGE_MAX)
  if (above.length === 0 && below.length === 0) return { sources: [], destinations: [] }
  const others = (side: Folder[]) => large.filter(folder => !side.includes(folder))
  return {
    sources: above.length > 0 ? above : others(below).filter(({ chunkCount }) => chunkCount > 0),
    destinations: below.length > 0 ? below : others(above).filter(folder => usage(folder) < DESTINATION_USAGE_MAX),
  }
}
