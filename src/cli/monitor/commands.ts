// Orders to the leading master: -C (spec tools-and-admin C.3).
import type { Cluster } from '../../monitor/cluster.ts'
import { ServerCommand } from '../../protocol/cltoma.ts'
import { Status } from '../../protocol/status.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import { UsageError } from '../shared/arguments.ts'

/** What is said of a thing, by status; anything else is that it can't be done. */
interface Order {
  done(name: string): string
  /** What can't be done. */
  attempt(name: string): string
  readonly removes: boolean
}

const maintenance = (mode: string): Order => ({
  done: name => `${name} has been switched to ${mode} mode`,
  attempt: name => `switch ${name} to ${mode} mode`,
  removes: false,
})
const removal: Order = { done: name => `${name} has been removed`, attempt: name => `remove ${name}`, removes: true }

const serverOrders = new Map<string, [command: number, order: Order]>([
  ['RC', [ServerCommand.REMOVE, removal]],
  [
    'BW',
    [
      ServerCommand.BACK_TO_WORK,
      { done: name => `${name} has back to work`, attempt: name => `turn ${name} back to work`, removes: false },
    ],
  ],
  ['M1', [ServerCommand.MAINTENANCE_ON, maintenance('maintenance')]],
  ['M0', [ServerCommand.MAINTENANCE_OFF, maintenance('standard')]],
])

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

function answer(name: string, { done, attempt, removes }: Order, status: number): string {
  if (status === Status.OK) return capitalized(done(name))
  if (status === Status.NOTFOUND) return capitalized(`${name} hasn't been found`)
  if (removes && status === Status.ACTIVE) return capitalized(`${name} can't be removed because is still active`)
  return `Can't ${attempt(name)} (status:${status})`
}

const isNumber = (text: string | undefined, max: number): text is string =>
  text !== undefined && /^\d+$/.test(text) && Number(text) <= max

/**
 * Carries out an order.
 *
 * @param text `RC/ip/port`, `RS/session` and so on
 * @returns what came of it; undefined when there is no such order
 * @throws Unanswered, UsageError when it is not told of what
 */
export async function carryOut(cluster: Cluster, text: string): Promise<string | undefined> {
  const [letters = '', first = '', second] = text.split('/')
  if (letters === 'RS') {
    if (!isNumber(first, 0xffffffff)) throw new UsageError(`-C ${text}: RS wants the number of a session: RS/5`)
    return answer(`session ${first}`, removal, await cluster.removeSession(Number(first)))
  }
  const [command, order] = serverOrders.get(letters) ?? []
  if (command === undefined || !order) return undefined
  const ip = parseIpv4(first)
  if (ip === undefined || !isNumber(second, 0xffff)) {
    throw new UsageError(`-C ${text}: ${letters} wants address and port of a chunkserver: ${letters}/10.1.2.3/9422`)
  }
  return answer(`chunkserver ${first}/${second}`, order, await cluster.commandServer(command, ip, Number(second)))
}
