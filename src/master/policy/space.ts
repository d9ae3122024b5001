// How much space there is, and how much of it is for everybody (spec master-behaviour 5.1).
import type { Reserve } from '../../config/kinds.ts'

export interface ServerSpace {
  isSound: boolean
  used: number
  total: number
}

export interface SpaceTotals {
  total: number
  /** What plain users may still write. */
  available: number
  /** What is not used. */
  free: number
}

/** @param servers those that are connected; what others have does not count */
export function spaceOf(servers: readonly ServerSpace[], reserve: Reserve): SpaceTotals {
  const sound = servers.filter(({ isSound }) => isSound)
  const total = sound.reduce((sum, server) => sum + server.total, 0)
  const free = total - sound.reduce((sum, server) => sum + server.used, 0)
  return { total, free, available: Math.max(0, Math.floor(free - reservedOf(sound, total, reserve))) }
}

function reservedOf(servers: readonly ServerSpace[], total: number, reserve: Reserve): number {
  switch (reserve.kind) {
    case 'bytes':
      return reserve.bytes
    case 'share':
      return (total * reserve.percent) / 100
    case 'largestUsed':
      return reserve.times * Math.max(0, ...servers.map(({ used }) => used))
    case 'largestCapacity':
      return reserve.times * Math.max(0, ...servers.map(server => server.total))
  }
}
