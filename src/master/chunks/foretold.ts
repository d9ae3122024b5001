// Copies that servers told of before this master led. The table of copies gets them little by little; whoever looks at the
// copies of a chunk before that finds them there (Copies.beforeLook), so nothing is ever decided on a part of them.
import type { Clock } from '../../env/env.ts'
import type { ChunkId } from '../../metadata/types.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { Copies } from './copies.ts'
import type { ToldCopies } from './told-copies.ts'

interface Source {
  readonly server: ChunkServer
  readonly told: ToldCopies
  readonly rest: Iterator<ChunkId>
}

export interface ForetoldParts {
  clock: Clock
  copies: Copies
  /** Entered in one slice. */
  copiesAtOnce: number
  /** Id of the chunk in a row; 0: there is none. */
  idOf: (row: number) => ChunkId
  /** A server has a copy. */
  present: (server: ChunkServer, chunkId: ChunkId, version: number) => void
}

export class Foretold {
  readonly #parts: ForetoldParts
  #sources: Source[] = []

  constructor(parts: ForetoldParts) {
    this.#parts = parts
  }

  add(server: ChunkServer, told: ToldCopies): void {
    const { clock, copies } = this.#parts
    this.#sources.push({ server, told, rest: told.ids() })
    copies.beforeLook = row => this.#enter(this.#parts.idOf(row))
    if (this.#sources.length === 1) clock.soon(() => this.#slice())
  }

  /** The server is gone: what it has is told anew when it comes back. */
  drop(server: ChunkServer): void {
    this.#keep(this.#sources.filter(source => source.server !== server))
  }

  #keep(sources: Source[]): void {
    this.#sources = sources
    if (sources.length === 0) this.#parts.copies.beforeLook = undefined
  }

  /** Each copy is taken out before it is entered, which looks at the copies of its chunk again. */
  #enter(chunkId: ChunkId): void {
    if (chunkId === 0) return
    for (const { server, told } of this.#sources) {
      const version = told.take(chunkId)
      if (version !== undefined) this.#parts.present(server, chunkId, version)
    }
  }

  #slice(): void {
    for (let left = this.#parts.copiesAtOnce; left > 0 && this.#sources.length > 0; left--) {
      const { done, value } = (this.#sources[0] as Source).rest.next()
      if (done) this.#keep(this.#sources.slice(1))
      else this.#enter(value)
    }
    if (this.#sources.length > 0) this.#parts.clock.soon(() => this.#slice())
  }
}
