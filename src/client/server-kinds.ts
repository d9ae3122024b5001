// Which chunkservers are ours and know the messages that the original has not: each is asked once for each connection,
// as another program may have taken over its address.
import type { CopyLocation } from '../protocol/attributes.ts'
import * as cltocs from '../protocol/cltocs.ts'
import { isElkfsVersion } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { askServer } from './ask-server.ts'
import { addressOf, type ServerConnection } from './server-pool.ts'

const MSGID = 1

export class ServerKinds {
  readonly #known = new WeakMap<ServerConnection, boolean>()
  /** What the last one that was asked at an address said. */
  readonly #lastAt = new Map<string, boolean>()

  /** Whether all of them were ours when they were last asked. */
  wereOurs(copies: readonly CopyLocation[]): boolean {
    return copies.every(({ ip, port }) => this.#lastAt.get(addressOf(ip, port)) ?? false)
  }

  /** @throws Error when no answer comes, or another one */
  async isOurs(server: ServerConnection): Promise<boolean> {
    const known = this.#known.get(server)
    if (known !== undefined) return known
    const payload = await askServer(server, cltocs.getVersion.encode({ msgid: MSGID }), cstocl.version.code)
    const isOurs = isElkfsVersion(cstocl.version.decode(payload).text.toString('latin1'))
    this.#known.set(server, isOurs)
    this.#lastAt.set(server.address, isOurs)
    return isOurs
  }
}
