// IM: the masters that the name stands for.
import { MasterPlace } from '../../protocol/matocl.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import type { Cluster } from '../cluster.ts'
import { leaderOf, type Master, type MasterInfo, type MasterState } from '../masters.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { type Cell, cell, numberColumn, type Tone, textColumn } from '../table.ts'
import { bytesText, groupedText, hexText, spanText, timeText, versionText } from '../texts.ts'

const UNKNOWN = 'not available'
const SILENT: Readonly<Partial<Record<MasterState, string>>> = { dead: 'DEAD', busy: 'BUSY' }
const PLACES = ['DUMMY', 'LEADER', 'ELECT', 'FOLLOWER', 'USURPER']
const STORE_STATUS = ['Saved in background', 'Downloaded from other master', 'Saved in foreground']
/** Of these units in the last minute is a second of work in a second. */
const CPU_SECOND = 1e9

/** Its place among the others, in the original's words; `-` when it is alone. */
function stateText({ state, info }: Master): string {
  if (!info) return SILENT[state] ?? 'UNKNOWN'
  if (info.state === MasterPlace.ALONE) return '-'
  const name = (place: number) => PLACES[place] ?? 'UNKNOWN'
  if (info.stable === 0 || info.state !== info.nextState)
    return `transition ${name(info.state)} -> ${name(info.nextState)}`
  const lacks = info.state === MasterPlace.FOLLOWER && info.sync === 0
  return `${name(info.state)}${lacks ? ' (DESYNC)' : ''}`
}

const stateTone = ({ state, info }: Master): Tone | undefined =>
  info === undefined || (state === 'stands by' && info.sync === 0) ? 'bad' : undefined

/**
 * Seconds since it had all that the leader had, by the leader's clock; the original counts one less.
 * @param leader undefined: nobody leads, and nobody's delay is known
 */
function delayText(
  { lastChangelog }: MasterInfo,
  leader: Master | undefined,
  text: (seconds: number) => string,
): string {
  const leaderMicroseconds = leader?.info?.microseconds ?? 0
  if (lastChangelog === 0 || leaderMicroseconds === 0) return UNKNOWN
  return text(Math.max(0, Math.floor(leaderMicroseconds / 1e6) - 1 - lastChangelog))
}

export function storeStatus({ lastStore, lastStatus }: MasterInfo): string {
  if (lastStore === 0 && lastStatus === 0) return '-'
  return STORE_STATUS[lastStatus] ?? `Unknown status: ${lastStatus}`
}

/** Of the last full minute; undefined before the first one. */
export function processorUse({ systemCpu, userCpu }: MasterInfo): { system: number; user: number } | undefined {
  return systemCpu > 0 || userCpu > 0 ? { system: systemCpu / CPU_SECOND, user: userCpu / CPU_SECOND } : undefined
}

export const storedAt = ({ lastStore }: MasterInfo, text: (seconds: number) => string) =>
  lastStore > 0 ? text(lastStore) : '-'

export const storeDuration = ({ lastStore, lastDuration }: MasterInfo, text: (seconds: number) => string) =>
  lastStore > 0 ? text(lastDuration / 1000) : '-'

function processorText(info: MasterInfo, digits: number): string {
  const use = processorUse(info)
  if (!use) return UNKNOWN
  const percent = (part: number) => `${(100 * part).toFixed(digits)}%`
  return `all:${percent(use.system + use.user)} sys:${percent(use.system)} user:${percent(use.user)}`
}

const orders: Orders<Master> = {
  2: ({ info }) => info?.version ?? 0,
  3: stateText,
  4: ({ info }) => info?.microseconds ?? 0,
  5: ({ info }) => info?.metaVersion ?? 0,
}

const inOrder = (cluster: Cluster, choice: Choice) =>
  sorted(cluster.masters, { orders, usual: ({ daemon }) => parseIpv4(daemon.host) ?? 0 }, choice)

function row(master: Master, leader: Master | undefined): string[] {
  const { daemon, info } = master
  if (!info) {
    const nothing = [UNKNOWN, '0', UNKNOWN, UNKNOWN, UNKNOWN, '-', '-', '-', '-']
    return ['metadata servers:', daemon.host, '0.0.0', stateText(master), ...nothing]
  }
  return [
    'metadata servers:',
    ...[daemon.host, versionText(info.version), stateText(master)],
    info.microseconds > 0 ? (info.microseconds / 1e6).toFixed(6) : UNKNOWN,
    ...[groupedText(info.metaVersion), delayText(info, leader, String)],
    info.memory > 0 ? String(info.memory) : UNKNOWN,
    processorText(info, 7),
    storedAt(info, String),
    storeDuration(info, seconds => seconds.toFixed(3)),
    ...[storeStatus(info), hexText(info.exportsChecksum, 16)],
  ]
}

function cells(master: Master, leader: Master | undefined): Cell[] {
  const { daemon, info, problem } = master
  const state = cell(stateText(master), stateTone(master))
  if (!info) {
    const shown = [cell(daemon.host), cell('-'), state, cell(problem ?? UNKNOWN, 'bad')]
    return [...shown, ...Array.from({ length: 8 }, () => cell('-'))]
  }
  return [
    cell(daemon.host),
    cell(versionText(info.version)),
    state,
    cell(info.microseconds > 0 ? timeText(Math.floor(info.microseconds / 1e6)) : UNKNOWN),
    cell(groupedText(info.metaVersion)),
    cell(delayText(info, leader, spanText)),
    cell(info.memory > 0 ? bytesText(info.memory) : UNKNOWN),
    cell(processorText(info, 2)),
    cell(storedAt(info, timeText)),
    cell(storeDuration(info, spanText)),
    cell(storeStatus(info)),
    cell(hexText(info.exportsChecksum, 16)),
  ]
}

const columns = [
  ...[textColumn('ip', 1), textColumn('version', 2), textColumn('state', 3), textColumn('local time', 4)],
  ...[numberColumn('metadata version', 5), numberColumn('metadata delay'), numberColumn('RAM used')],
  textColumn('CPU used'),
  ...[textColumn('last metadata save'), numberColumn('last save duration'), textColumn('last save status')],
  textColumn('exports checksum'),
]

export const masters: Section = {
  async rows(cluster, choice) {
    const leader = leaderOf(cluster.masters)
    return inOrder(cluster, choice).map(master => row(master, leader))
  },
  async tables(cluster, choice) {
    const leader = leaderOf(cluster.masters)
    const rows = inOrder(cluster, choice).map(master => cells(master, leader))
    return [{ title: 'Metadata Servers', columns, rows }]
  },
}
