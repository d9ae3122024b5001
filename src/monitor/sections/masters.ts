// IM: the masters that the name stands for.
import { parseIpv4 } from '../../util/ipv4.ts'
import type { Cluster } from '../cluster.ts'
import type { Master, MasterInfo, MasterState } from '../masters.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { type Cell, cell, numberColumn, textColumn } from '../table.ts'
import { bytesText, groupedText, hexText, spanText, timeText, versionText } from '../texts.ts'

const UNKNOWN = 'not available'
const STATES: Readonly<Record<MasterState, string>> = { leads: '-', dead: 'DEAD', busy: 'BUSY', strange: 'UNKNOWN' }
const STORE_STATUS = ['Saved in background', 'Downloaded from other master', 'Saved in foreground']
/** Of these units in the last minute is a second of work in a second. */
const CPU_SECOND = 1e9

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
  3: ({ state }) => STATES[state],
  4: ({ info }) => info?.microseconds ?? 0,
  5: ({ info }) => info?.metaVersion ?? 0,
}

const inOrder = (cluster: Cluster, choice: Choice) =>
  sorted(cluster.masters, { orders, usual: ({ daemon }) => parseIpv4(daemon.host) ?? 0 }, choice)

function row({ daemon, state, info }: Master): string[] {
  if (!info) {
    const nothing = [UNKNOWN, '0', UNKNOWN, UNKNOWN, UNKNOWN, '-', '-', '-', '-']
    return ['metadata servers:', daemon.host, '0.0.0', STATES[state], ...nothing]
  }
  return [
    'metadata servers:',
    ...[daemon.host, versionText(info.version), STATES[state]],
    info.microseconds > 0 ? (info.microseconds / 1e6).toFixed(6) : UNKNOWN,
    ...[groupedText(info.metaVersion), UNKNOWN],
    info.memory > 0 ? String(info.memory) : UNKNOWN,
    processorText(info, 7),
    storedAt(info, String),
    storeDuration(info, seconds => seconds.toFixed(3)),
    ...[storeStatus(info), hexText(info.exportsChecksum, 16)],
  ]
}

function cells({ daemon, state, info, problem }: Master): Cell[] {
  if (!info) {
    const shown = [cell(daemon.host), cell('-'), cell(STATES[state], 'bad'), cell(problem ?? UNKNOWN, 'bad')]
    return [...shown, ...Array.from({ length: 7 }, () => cell('-'))]
  }
  return [
    cell(daemon.host),
    cell(versionText(info.version)),
    cell(STATES[state]),
    cell(info.microseconds > 0 ? timeText(Math.floor(info.microseconds / 1e6)) : UNKNOWN),
    cell(groupedText(info.metaVersion)),
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
  ...[numberColumn('metadata version', 5), numberColumn('RAM used'), textColumn('CPU used')],
  ...[textColumn('last metadata save'), numberColumn('last save duration'), textColumn('last save status')],
  textColumn('exports checksum'),
]

export const masters: Section = {
  async rows(cluster, choice) {
    return inOrder(cluster, choice).map(row)
  },
  async tables(cluster, choice) {
    return [{ title: 'Metadata Servers', columns, rows: inOrder(cluster, choice).map(cells) }]
  },
}
