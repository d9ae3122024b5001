// Moves copies from full servers to empty ones while nothing more urgent is to do (spec master-behaviour 6.5).
//
// A cursor walks the chunks as long as servers are uneven and may take copies; when they are alike nothing is done.
import type { ChunkTable } from '../../metadata/chunks/chunks.ts'
import { emptiestFirst, isMovable, isUneven, planMove } from '../policy/rebalance.ts'
import type { RepairChunk, RepairRules } from '../policy/repair.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { Replications } from './replications.ts'
import type { Servers } from './servers.ts'

/** Less than a millisecond of work; and a twentieth of a processor. */
const ROWS_AT_ONCE = 300
const ROWS_PER_SECOND = 20_000

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

/** `wait`: servers that could are at their limits. */
type Found = 'move' | 'wait' | 'nothing'

export class Rebalancer {
  readonly #parts: RebalanceParts
  #cursor = 1
  /** Rows that may still be looked at in this second. */
  #rowsLeft = ROWS_PER_SECOND

  constructor(parts: RebalanceParts) {
    this.#parts = parts
  }

  /** Starts the moves that can be started. */
  run(): void {
    const { chunks, servers } = this.#parts
    const rows = Math.min(ROWS_AT_ONCE, this.#rowsLeft)
    if (rows === 0 || !this.#isWorthwhile()) return
    const targets = emptiestFirst(servers.connected)
    const found = new Set<Found>()
    for (let i = 0; i < rows; i++) {
      if (this.#cursor >= chunks.rowLimit) this.#cursor = 1
      this.#rowsLeft--
      const here = this.#consider(this.#cursor++, targets)
      found.add(here)
      if (here === 'move' && !this.#isWorthwhile()) return
    }
    // Where nothing can be moved at all, a look now and then is enough.
    if (!found.has('move') && !found.has('wait')) this.#rowsLeft = 0
  }

  /** Once a second. */
  tick(): void {
    this.#rowsLeft = ROWS_PER_SECOND
  }

  /** Whether any server may give a copy to one that is emptier. */
  #isWorthwhile(): boolean {
    const { servers, rules, acceptable } = this.#parts
    return isUneven(servers.connected, rules, acceptable)
  }

  #consider(row: number, targets: readonly ChunkServer[]): Found {
    const { chunks, replications, rules, acceptable, view, isIdle, moved } = this.#parts
    if (chunks.id(row) === 0 || chunks.references.get(row) === 0 || !isIdle(row)) return 'nothing'
    const chunk = view(row)
    if (!isMovable(chunk)) return 'nothing'
    const move = planMove(chunk, targets, rules, acceptable)
    if (typeof move === 'string') return move
    replications.start(row, { ...move, blocks: false })
    moved()
    return 'move'
  }
}
