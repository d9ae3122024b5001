// The command mfsha: who leads, and who shall.
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { masterConfigFile } from '../config/mfsmaster.ts'
import { findConfigFile, loadConfig } from '../daemon/config-file.ts'
import { realEnv } from '../env/real.ts'
import { type AdminCommand, type AdminTarget, askMaster, type MemberStatus } from '../ha/admin.ts'
import { keepalivedConfig } from '../ha/keepalived-config.ts'
import { findHazards } from '../ha/recipe-hazards.ts'

const USAGE = `usage: mfsha [-c FILE] [-H HOST[:PORT]] COMMAND

  status               how this master (or witness: -H) and its cluster are; --json for programs
  switchover [NAME]    the leader hands over to a follower in sync (NAME, or the one that is furthest); nothing is lost
  demote               the same, for scripts; with HA_MODE = keepalived it leads no more even if nobody can take over
  promote [--force]    this master leads, if nobody does and it is in sync; --force: although changes may be missing.
                       With HA_MODE = keepalived the other master is asked to hand over first
                       promote and demote --address IP[/BITS]: only if this machine has (has not) that address
  keepalived-config    a configuration of keepalived whose virtual address follows the leader:
                       --address IP/BITS --interface DEVICE --peers IP[,IP]... [--priority N] [--router-id N]
  check FILE...        names what can lose data or split the cluster in a keepalived.conf and its scripts

  -c FILE              mfsmaster.cfg with HA_LISTEN_PORT, HA_CLUSTER and HA_AUTH_CODE
  -H HOST[:PORT]       the master to talk to (this machine)

exit code: 0 done (status: there is a leader; check: no hazard), 1 not done, 2 no answer, 64 wrong usage`

const ANSWER_MS = 15_000
/** An address that keepalived moves is there, or gone, by then. */
const ADDRESS_MS = 1000
const ADDRESS_POLL_MS = 50
const Exit = { OK: 0, NOT_DONE: 1, NO_ANSWER: 2, USAGE: 64 } as const

class UsageError extends Error {}

const string = { type: 'string' } as const
const boolean = { type: 'boolean' } as const
const options = {
  config: { ...string, short: 'c' },
  host: { ...string, short: 'H' },
  json: boolean,
  force: boolean,
  address: string,
  interface: string,
  peers: string,
  priority: string,
  'router-id': string,
  help: { ...boolean, short: 'h' },
} as const

type Given = ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>['values']

const print = (text: string) => process.stdout.write(`${text}\n`)
const complain = (text: string) => process.stderr.write(`mfsha: ${text}\n`)

function readConfig(file: string | undefined) {
  return loadConfig(masterConfigFile, findConfigFile('mfsmaster', file).path, new Map()).values
}

function targetOf(given: Given): AdminTarget {
  const config = readConfig(given.config)
  const [, name, port] = /^([^:]+)(?::(\d{1,5}))?$/.exec(given.host ?? '') ?? []
  if (given.host !== undefined && name === undefined) throw new UsageError(`-H ${given.host}: write HOST or HOST:PORT`)
  const listen = config.HA_LISTEN_HOST
  return {
    host: name ?? (listen === '*' ? '127.0.0.1' : listen),
    port: Number(port ?? config.HA_LISTEN_PORT),
    cluster: config.HA_CLUSTER,
    secret: config.HA_AUTH_CODE,
    timeoutMs: ANSWER_MS,
  }
}

function inSyncText({ role, isInSync }: MemberStatus): string {
  if (isInSync) return 'in sync'
  return role === 'witness' ? 'not in sync: it does not count' : 'not in sync: it may not be elected'
}

function statusText(status: MemberStatus): string {
  const { name, role, epoch, version, committed, leader, leaderAddress, waiting } = status
  const lines = [`${name}: ${role}, epoch ${epoch}, version ${version}, committed ${committed}, ${status.software}`]
  if (leader) lines.push(`leader: ${leader} at ${leaderAddress}`)
  if (status.behind !== undefined) {
    lines.push(`${status.behind} changes behind, ${inSyncText(status)}`)
  }
  if (status.inSync) lines.push(`in sync: ${status.inSync.join(', ')}`)
  if (status.witnesses?.length) lines.push(`have all of the log, but do not lead: ${status.witnesses.join(', ')}`)
  for (const { name: follower, isInSync, isWitness, acknowledged, silentMs } of status.followers ?? []) {
    const state = isInSync ? 'in sync' : 'catching up'
    lines.push(
      `${isWitness ? 'witness' : 'follower'} ${follower}: ${state}, ${version - acknowledged} changes behind, heard ${silentMs} ms ago`,
    )
  }
  if (waiting) lines.push(`nobody leads here: ${waiting}`)
  return lines.join('\n')
}

async function ask(given: Given, command: AdminCommand): Promise<number> {
  const nothing = () => {}
  const log = { debug: nothing, info: nothing, notice: nothing, warning: nothing, error: nothing }
  const target = targetOf(given)
  let answer: Awaited<ReturnType<typeof askMaster>>
  try {
    answer = await askMaster(realEnv(log), target, command)
  } catch (error) {
    complain(`${target.host}:${target.port}: ${(error as Error).message}`)
    return Exit.NO_ANSWER
  }
  const { ok, text, status } = answer
  if (status) {
    print(given.json ? JSON.stringify(status, null, 2) : statusText(status))
    return status.role === 'leading' || status.leader !== undefined ? Exit.OK : Exit.NOT_DONE
  }
  if (ok) print(text)
  else complain(text)
  return ok ? Exit.OK : Exit.NOT_DONE
}

/** Whether the address that this command is about has gone elsewhere, or come back, since keepalived called. */
async function isOvertaken({ address }: Given, isWantedHere: boolean): Promise<boolean> {
  if (address === undefined) return false
  const [ip] = address.split('/')
  const isHere = () => Object.values(networkInterfaces()).some(all => all?.some(({ address }) => address === ip))
  for (const untilMs = performance.now() + ADDRESS_MS; performance.now() < untilMs; await sleep(ADDRESS_POLL_MS)) {
    if (isHere() === isWantedHere) return false
  }
  print(`${ip} is ${isWantedHere ? 'not here any more' : 'here again'}: nothing to do`)
  return true
}

function whole(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 255) throw new UsageError(`--${name} ${text}: write 1 to 255`)
  return value
}

/** How keepalived calls this program: it has no PATH and no working directory to rely on. */
function ownCommand(config: string | undefined): string {
  const { path } = findConfigFile('mfsmaster', config)
  return `${process.execPath} ${resolve(process.argv[1] ?? 'mfsha')} -c ${resolve(path ?? '')}`
}

function printKeepalivedConfig(given: Given): number {
  const { HA_ADDRESS, HA_MODE, DATA_PATH } = readConfig(given.config)
  const { address, interface: device, peers } = given
  if (!address || !device || !peers) throw new UsageError('keepalived-config needs --address, --interface and --peers')
  if (!HA_ADDRESS) throw new UsageError('mfsmaster.cfg does not set HA_ADDRESS: the own address of this machine')
  const peerList = peers.split(',').filter(peer => peer !== HA_ADDRESS)
  print(
    keepalivedConfig({
      virtualAddress: address,
      device,
      ownAddress: HA_ADDRESS,
      peers: peerList,
      priority: whole('priority', given.priority, 100),
      routerId: whole('router-id', given['router-id'], 51),
      dataFolder: DATA_PATH,
      ...(HA_MODE === 'keepalived' ? { mfsha: ownCommand(given.config) } : {}),
    }),
  )
  return Exit.OK
}

function check(files: readonly string[]): number {
  if (files.length === 0) throw new UsageError('check needs the keepalived.conf and the scripts that it calls')
  const texts = files.map(path => ({ path, text: readFileSync(path, 'utf8') }))
  const hazards = findHazards(texts)
  for (const { path, line, what, instead } of hazards) print(`${path}:${line}: ${what}\n    instead: ${instead}`)
  print(hazards.length === 0 ? 'no hazard found' : `${hazards.length} hazards`)
  return hazards.length === 0 ? Exit.OK : Exit.NOT_DONE
}

async function run(args: string[]): Promise<number> {
  const { values: given, positionals } = parseArgs({ args, options, allowPositionals: true })
  const [command, ...others] = positionals
  if (given.help) {
    print(USAGE)
    return Exit.OK
  }
  if (command !== 'check' && command !== 'switchover' && others.length > 0)
    throw new UsageError(`${others[0]}: what is it?`)
  switch (command) {
    case 'status':
      return ask(given, { command: 'status' })
    case 'switchover':
      return ask(given, { command: 'switchover', ...(others[0] === undefined ? {} : { target: others[0] }) })
    case 'demote':
      return (await isOvertaken(given, false)) ? Exit.OK : ask(given, { command: 'demote' })
    case 'promote':
      return (await isOvertaken(given, true))
        ? Exit.OK
        : ask(given, { command: 'promote', force: given.force ?? false })
    case 'keepalived-config':
      return printKeepalivedConfig(given)
    case 'check':
      return check(others)
    default:
      throw new UsageError(command === undefined ? 'a command is missing' : `unknown command ${command}`)
  }
}

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')
  complain(`${(error as Error).message}${isUsage ? `\n\n${USAGE}` : ''}`)
  process.exitCode = isUsage ? Exit.USAGE : Exit.NOT_DONE
}
