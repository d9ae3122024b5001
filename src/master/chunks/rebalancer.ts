// Moves copies from full servers to empty ones while nothing more urgent is to do (spec master-behaviour 6.5).
//
// A cursor walks the chunks as long as servers are uneven and may take copies; when they are alike nothing is done.
import type { ChunkTable } from '../../metadata/chunks/chunks.ts'
import { isMovable, isUneven, planMove } from '../policy/rebalance.ts'
import { LimitClass, type RepairChunk, type RepairRules } from '../policy/repair.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { Replications } from './replications.ts'
import type { Servers } from './servers.ts'

/** Less than a millisecond of work. */
const ROWS_AT_ONCE = 300

export interface RebalanceParts {
  chunks: ChunkTable
  servers: Servers
  replications: Replications
  rules: RepairRules
  /** Difference of the used share, 0..1, that is not worth a move. */
  acceptable: number
  view: (row: number) => RepairChunk<ChunkServer>
  /** Whether nobody works with the chunk. */
  isIdle: (row: number) => boolean
  moved: () => void
}

export class Rebalancer {
  readonly #parts: RebalanceParts
  #cursor = 1
  /** The last look found nothing to move: the next is worth its cost only a moment later. */
  #isResting = false

  constructor(parts: RebalanceParts) {
    this.#parts = parts
  }

  /** Starts the moves that can be started. */
  run(): void {
    const { servers, chunks, acceptable } = this.#parts
    if (this.#isResting || !this.#isAnyFree() || !isUneven(servers.connected, acceptable)) return
    let moves = 0
    for (let i = 0; i < ROWS_AT_ONCE && this.#isAnyFree(); i++) {
      if (this.#cursor >= chunks.rowLimit) this.#cursor = 1
      if (this.#consider(this.#cursor++)) moves++
    }
    this.#isResting = moves === 0
  }

  /** Once a second. */
  tick(): void {
    this.#isResting = false
  }

  #isAnyFree(): boolean {
    const limit = this.#parts.rules.writeLimits[LimitClass.REBALANCE]
    return this.#parts.servers.connected.some(({ incoming }) => incoming < limit)
  }

  /** @returns whether a copy of the chunk is being moved now */
  #consider(row: number): boolean {
    const { chunks, servers, replications, rules, acceptable, view, isIdle, moved } = this.#parts
    if (chunks.id(row) === 0 || chunks.references.get(row) === 0 || !isIdle(row)) return false
    const chunk = view(row)
    if (!isMovable(chunk)) return false
    const move = planMove(chunk, servers.connected, rules, acceptable)
    if (!move) return false
    replications.start(row, { ...move, blocks: false })
    moved()
    return true
  }
}
