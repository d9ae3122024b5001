// Which masters there are, and which of them leads (spec tools-and-admin A.6).
import { lookup } from 'node:dns/promises'
import * as cltoma from '../protocol/cltoma.ts'
import { type Body, ProtocolError } from '../protocol/codec.ts'
import { versionNumber } from '../protocol/constants.ts'
import * as matocl from '../protocol/matocl.ts'
import { Daemon, Unanswered, Unreachable } from './daemon.ts'
import { versionText } from './texts.ts'

export type MasterInfo = Body<typeof matocl.info>

/** dead: nobody listens; busy: somebody does, and says nothing, as those of our masters that follow another; strange: what it says makes no sense. */
export type MasterState = 'leads' | 'dead' | 'busy' | 'strange'

export interface Master {
  readonly daemon: Daemon
  readonly state: MasterState
  /** What it says of itself, when it leads. */
  readonly info: MasterInfo | undefined
  /** Why there is no info. */
  readonly problem: string | undefined
}

/** Answers of masters in between have the forms that we know. */
const [KNOWN_FROM, KNOWN_BEFORE] = [versionNumber(3, 0, 112), versionNumber(4, 0, 0)]
const INFO_BYTES = 149

/** No name stands for an address. */
export class UnknownMaster extends Error {
  override readonly name = 'UnknownMaster'
}

async function addressesOf(name: string): Promise<string[]> {
  try {
    return (await lookup(name, { all: true, family: 4 })).map(({ address }) => address)
  } catch {
    return []
  }
}

/**
 * Asks every master that a name stands for.
 *
 * @param names separated by blanks, `,` or `;`; each IPv4 address of each is a master
 * @throws UnknownMaster when none of them can be resolved
 */
export async function findMasters(names: string, port: number): Promise<Master[]> {
  const found = await Promise.all(
    names
      .split(/[ ,;]+/)
      .filter(name => name !== '')
      .map(addressesOf),
  )
  const addresses = [...new Set(found.flat())]
  if (addresses.length === 0) throw new UnknownMaster(names)
  return Promise.all(addresses.map(address => askWho(new Daemon(address, port))))
}

async function askWho(daemon: Daemon): Promise<Master> {
  try {
    const info = await daemon.askRaw(cltoma.info.encode({}), matocl.info.code, readInfo)
    return { daemon, state: 'leads', info, problem: undefined }
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    return { daemon, state: stateOf(error), info: undefined, problem: error.message }
  }
}

function readInfo(payload: Buffer): MasterInfo {
  const version = payload.length < 4 ? 0 : payload.readUInt32BE(0)
  if (payload.length === INFO_BYTES && version >= KNOWN_FROM && version < KNOWN_BEFORE)
    return matocl.info.decode(payload)
  const found = `its answer of ${payload.length} bytes is that of a master of version ${versionText(version)}`
  throw new ProtocolError(`${found}; only those of 3.0.112 and later 3.0.x are understood`)
}

function stateOf(error: Unanswered): MasterState {
  if (error instanceof Unreachable && error.isRefused) return 'dead'
  return error.isNonsense ? 'strange' : 'busy'
}

/** The master to ask and command; undefined when there is none. */
export const leaderOf = (masters: readonly Master[]): Master | undefined =>
  masters.find(({ state }) => state === 'leads')
