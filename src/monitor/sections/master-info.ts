// IG: what the leading master says of itself and the file system.
import type { MasterInfo } from '../masters.ts'
import type { Section } from '../section.ts'
import { cell, numberColumn, textColumn } from '../table.ts'
import { bytesText, spanText, timeText, versionText } from '../texts.ts'
import { processorUse, storeDuration, storedAt, storeStatus } from './masters.ts'

interface Style {
  bytes(value: number): string
  share(part: number): string
  moment(seconds: number): string
  span(seconds: number): string
}

const forPrograms: Style = {
  bytes: String,
  share: part => part.toFixed(9),
  moment: String,
  span: seconds => seconds.toFixed(3),
}
const forPeople: Style = {
  bytes: bytesText,
  share: part => `${(100 * part).toFixed(2)}%`,
  moment: timeText,
  span: spanText,
}

function processorRows(info: MasterInfo, { share }: Style): [string, string][] {
  const use = processorUse(info)
  if (!use) return [['CPU used', 'not available']]
  return [
    ['CPU used (system)', share(use.system)],
    ['CPU used (user)', share(use.user)],
  ]
}

function infoRows(info: MasterInfo, style: Style): [string, string][] {
  const { bytes } = style
  return [
    ['master version', versionText(info.version)],
    ['RAM used', info.memory > 0 ? bytes(info.memory) : 'not available'],
    ...processorRows(info, style),
    ['total space', bytes(info.total)],
    ['avail space', bytes(info.available)],
    ['free space', bytes(info.free)],
    ['trash space', bytes(info.trashSpace)],
    ['trash files', String(info.trashNodes)],
    ['sustained space', bytes(info.sustainedSpace)],
    ['sustained files', String(info.sustainedNodes)],
    ['all fs objects', String(info.nodes)],
    ['directories', String(info.folders)],
    ['files', String(info.files)],
    ['chunks', String(info.chunks)],
    ['all chunk copies', String(info.copies)],
    ['regular chunk copies', String(info.regularCopies)],
    ['last successful store', storedAt(info, style.moment)],
    ['last save duration', storeDuration(info, style.span)],
    ['last save status', storeStatus(info)],
  ]
}

export const masterInfo: Section = {
  async rows({ info }) {
    return infoRows(info, forPrograms).map(row => ['master info:', ...row])
  },
  async tables({ info }) {
    const rows = infoRows(info, forPeople).map(row => row.map(text => cell(text)))
    return [{ title: 'Master Info', columns: [textColumn('what'), numberColumn('value')], rows }]
  },
}
