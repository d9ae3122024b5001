// What pages can order: removing servers and mounts, maintenance. A command changes the cluster, so only a POST from a
// page of this monitor gives one; the same as a GET (the original's links) shows what would be done, with a button.
import type { Cluster } from '../monitor/cluster.ts'
import { ServerCommand } from '../protocol/cltoma.ts'
import { Status, statusName } from '../protocol/status.ts'
import { parseIpv4 } from '../util/ipv4.ts'
import { type Html, html } from './html.ts'
import type { Place } from './place.ts'
import { type Asked, Refusal } from './reply.ts'

const SERVER_COMMANDS = {
  CSremove: {
    code: ServerCommand.REMOVE,
    button: 'remove',
    question:
      'Remove this chunkserver from the list? It must be disconnected; when it comes back it is in the list again.',
  },
  CSbacktowork: {
    code: ServerCommand.BACK_TO_WORK,
    button: 'back to work',
    question: 'Give this chunkserver work again at once, although it was overloaded?',
  },
  CSmaintenanceon: {
    code: ServerCommand.MAINTENANCE_ON,
    button: 'maintenance on',
    question: 'Switch maintenance on? While it is down, its chunks are not copied to other servers.',
  },
  CSmaintenanceoff: {
    code: ServerCommand.MAINTENANCE_OFF,
    button: 'maintenance off',
    question: 'Switch maintenance off? When it is down, its chunks are copied to other servers.',
  },
} as const
const REMOVE_SESSION = {
  button: 'remove',
  question: 'Remove this mount? It must be disconnected; files that it has open are closed and its locks end.',
}

type ServerCommandName = keyof typeof SERVER_COMMANDS
type CommandName = ServerCommandName | 'MSremove'

export interface Command {
  readonly name: CommandName
  /** IP:PORT of a server, or the number of a session. */
  readonly target: string
}

const NAMES: readonly CommandName[] = ['CSremove', 'CSbacktowork', 'CSmaintenanceon', 'CSmaintenanceoff', 'MSremove']

/** The command among parameters; undefined when there is none. */
export function commandOf(parameters: URLSearchParams): Command | undefined {
  const name = NAMES.find(each => parameters.has(each))
  return name && { name, target: parameters.get(name) ?? '' }
}

const textsOf = (name: CommandName) => (name === 'MSremove' ? REMOVE_SESSION : SERVER_COMMANDS[name])

/** A link to the question whether it is really meant. */
export const commandButton = (place: Place, { name, target }: Command): Html =>
  html`<a class="button" href="${place.url({ [name]: target })}">${textsOf(name).button}</a> `

export function confirmation(place: Place, { name, target }: Command): Html {
  const { button, question } = textsOf(name)
  const what = name === 'MSremove' ? `session ${target}` : `chunkserver ${target}`
  return html`<section class="confirm"><h2>${button}: ${what}</h2>
<p>${question}</p>
<form method="post" action="${place.url()}"><input type="hidden" name="${name}" value="${target}">
<button type="submit">${button}</button> <a class="button" href="${place.url()}">back</a></form></section>`
}

/**
 * Whether it comes from a page of this monitor and not from one of somebody else, which a browser may be showing.
 *
 * @throws Refusal when it does not
 */
export function checkOrigin({ headers }: Asked): void {
  const { origin, host, 'sec-fetch-site': site = 'same-origin' } = headers
  if (typeof origin === 'string' && URL.canParse(origin) && new URL(origin).host === host && site === 'same-origin')
    return
  throw new Refusal(
    403,
    `a command must come from a page of this monitor: this one comes from ${origin ?? 'nowhere (no Origin)'}, not ${host}. ` +
      'A proxy in between must pass the headers Host and Origin on.',
  )
}

/** @returns what went wrong; undefined when it is done @throws Refusal when it makes no sense, Unanswered */
export async function perform(cluster: Cluster, { name, target }: Command): Promise<string | undefined> {
  if (name === 'MSremove') {
    if (!/^\d{1,10}$/.test(target)) throw new Refusal(400, `${name}: ${target} is no number of a session`)
    return problem(await cluster.removeSession(Number(target)))
  }
  const [, host = '', port = ''] = /^([\d.]+):(\d{1,5})$/.exec(target) ?? []
  const ip = parseIpv4(host)
  if (ip === undefined || Number(port) > 0xffff) throw new Refusal(400, `${name}: ${target} is no address of a server`)
  return problem(await cluster.commandServer(SERVER_COMMANDS[name].code, ip, Number(port)))
}

function problem(status: number): string | undefined {
  switch (status) {
    case Status.OK:
      return undefined
    case Status.EPERM:
      return 'the master takes no commands from this machine: see MONITOR_COMMANDS_FROM in mfsmaster.cfg'
    case Status.NOTFOUND:
      return 'the master knows none of that name any more'
    case Status.ACTIVE:
      return 'it is still connected'
    default:
      return `the master answers ${statusName(status)}`
  }
}
