// EX: the rules of mfsexports.cfg as the master has them.
import { formatIpv4 } from '../../util/ipv4.ts'
import type { Cluster, Rule } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { cell, textColumn } from '../table.ts'
import { readable, versionText, yesNo } from '../texts.ts'
import { isMeta, limitCells, limitColumns, limitFields, limitOrders } from './session-limits.ts'

const ALLDIRS = 1
const PASSWORD = 2
const FIRST_LIMIT = 7

const allDirs = (rule: Rule) => (isMeta(rule) ? '-' : yesNo((rule.extraFlags & ALLDIRS) !== 0))
const hasPassword = ({ extraFlags }: Rule) => (extraFlags & PASSWORD) !== 0

const orders: Orders<Rule> = {
  1: ({ fromIp }) => fromIp,
  2: ({ toIp }) => toIp,
  3: ({ path }) => path,
  4: ({ minVersion }) => minVersion,
  5: rule => (isMeta(rule) ? null : rule.extraFlags & ALLDIRS),
  6: hasPassword,
  ...limitOrders(FIRST_LIMIT),
}

const usual = ({ fromIp, toIp, path, minVersion, extraFlags, flags, umask }: Rule) => [
  ...[fromIp, toIp, path, minVersion, extraFlags, flags, umask],
]

async function inOrder(cluster: Cluster, choice: Choice): Promise<Rule[]> {
  return sorted(await cluster.rules(), { orders, usual }, choice)
}

const whatFields = (rule: Rule): string[] => [
  ...[formatIpv4(rule.fromIp), formatIpv4(rule.toIp), isMeta(rule) ? '. (META)' : readable(rule.path)],
  ...[versionText(rule.minVersion), allDirs(rule), yesNo(hasPassword(rule))],
]

const columns = [
  ...[textColumn('from', 1, 'ip range'), textColumn('to', 2, 'ip range'), textColumn('path', 3)],
  ...[textColumn('minversion', 4), textColumn('alldirs', 5), textColumn('password', 6)],
  ...limitColumns(FIRST_LIMIT),
]

export const exports: Section = {
  async rows(cluster, choice) {
    return (await inOrder(cluster, choice)).map(rule => ['exports:', ...whatFields(rule), ...limitFields(rule)])
  },
  async tables(cluster, choice) {
    const rows = (await inOrder(cluster, choice)).map(rule => [
      ...whatFields(rule).map(text => cell(text)),
      ...limitCells(rule),
    ])
    return [{ title: 'Exports', columns, rows }]
  },
}
