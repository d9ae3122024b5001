// The tabs of charts: all charts of one daemon, or one chart of all daemons, over one of four spans of time.

import { choices } from './choices.ts'
import { type Html, html } from './html.ts'
import type { Place } from './place.ts'

/** By the names that URLs have for them (as on the original's pages), with the numbers that daemons know them by. */
type Charts = readonly (readonly [name: string, type: number, title: string])[]

/** In the order of their numbers. */
export const OPERATIONS = [
  ...(['statfs', 'getattr', 'setattr', 'lookup', 'mkdir', 'rmdir', 'symlink', 'readlink', 'mknod', 'unlink'] as const),
  ...(['rename', 'link', 'readdir', 'open', 'read', 'write'] as const),
]

const MASTER_CHARTS: Charts = [
  ['cpu', 100, 'Processor time (upper: user, lower: system)'],
  ['memory', 101, 'Memory (lower: in use, upper: reserved)'],
  ['space', 102, 'Space (lower: used, upper: free)'],
  ['dels', 103, 'Deletions of chunks (lower: done, upper: failed)'],
  ['repl', 104, 'Replications of chunks (lower: done, upper: failed)'],
  ['creat', 105, 'Creations of chunks (lower: done, upper: failed)'],
  ['change', 106, 'Changes of chunks (lower: done, upper: failed)'],
  ...OPERATIONS.map((name, i) => [name, 4 + i, `Operations: ${name}`] as const),
  ['prcvd', 21, 'Packets received'],
  ['psent', 22, 'Packets sent'],
  ['brcvd', 23, 'Bits received a second'],
  ['bsent', 24, 'Bits sent a second'],
]

const SERVER_CHARTS: Charts = [
  ['cpu', 100, 'Processor time (upper: user, lower: system)'],
  ['memory', 107, 'Memory (lower: in use, upper: reserved)'],
  ['datain', 101, 'Bits received a second (lower: from clients, upper: from servers)'],
  ['dataout', 102, 'Bits sent a second (lower: to clients, upper: to servers)'],
  ['bytesr', 103, 'Bytes read a second (lower: data, upper: headers)'],
  ['bytesw', 104, 'Bytes written a second (lower: data, upper: headers)'],
  ['masterin', 2, 'Bits received from the master a second'],
  ['masterout', 3, 'Bits sent to the master a second'],
  ['hddopr', 105, 'Reads of disks (lower: data, upper: headers)'],
  ['hddopw', 106, 'Writes of disks (lower: data, upper: headers)'],
  ['hlopr', 16, 'Reads by clients'],
  ['hlopw', 17, 'Writes by clients'],
  ['rtime', 18, 'Time of reading'],
  ['wtime', 19, 'Time of writing'],
  ['repl', 20, 'Replications'],
  ['create', 21, 'Creations'],
  ['delete', 22, 'Deletions'],
  ['change', 33, 'Changes of chunks'],
  ['move', 108, 'Moves between disks (upper: slow, lower: fast)'],
  ['load', 28, 'Most jobs at a time'],
]

/** What a picture of this width shows at each range: a minute, six minutes, half an hour or a day in each pixel. */
const RANGES = ['16 hours', '4 days', '20 days', '2.6 years']
const WIDTH = 1000
/** Shows the newest part of the same. */
const PHONE_WIDTH = 380
const HEIGHTS = [120, 220, 420, 820]
const DEFAULT_HEIGHT = 120

export interface ChartedDaemon {
  readonly host: string
  readonly port: number
}

/** What was chosen on one of the two tabs. */
interface Chosen {
  readonly code: 'MC' | 'CC'
  readonly place: Place
  readonly range: number
  readonly height: number
}

export const masterCharts = (place: Place, masters: readonly ChartedDaemon[]) =>
  chartsView(place, 'MC', 'master', MASTER_CHARTS, masters)
export const serverCharts = (place: Place, servers: readonly ChartedDaemon[]) =>
  chartsView(place, 'CC', 'server', SERVER_CHARTS, servers)

const addressOf = ({ host, port }: ChartedDaemon) => `${host}:${port}`
const urlOf = ({ place, code }: Chosen, data: string) => place.with({ [`${code}data`]: data }).url()

/** @param what a daemon is called here */
function chartsView(place: Place, code: 'MC' | 'CC', what: string, charts: Charts, daemons: readonly ChartedDaemon[]) {
  const chosen = {
    ...{ code, place, range: place.number(`${code}range`, 0, RANGES.length - 1) },
    height: HEIGHTS.find(each => each === place.number(`${code}height`, 0)) ?? DEFAULT_HEIGHT,
  }
  const data = place.text(`${code}data`) ?? ''
  const chart = charts.find(([name]) => name === data)
  // The original has one field more behind the address.
  const address = data.split(':').slice(0, 2).join(':')
  const daemon = daemons.find(each => addressOf(each) === address) ?? daemons[0]
  const figures = chart
    ? daemons.map(each => figure(chosen, each, chart[1], addressOf(each), addressOf(each)))
    : daemon && charts.map(([name, type, title]) => figure(chosen, daemon, type, title, name))
  const links = (all: readonly string[], now: string | undefined) =>
    all.map(text => ({ text, url: urlOf(chosen, text), isChosen: text === now }))
  return html`<div class="choices">
${choices(what, links(daemons.map(addressOf), chart ? undefined : daemon && addressOf(daemon)))}
${choices(
  'chart',
  links(
    charts.map(([name]) => name),
    chart?.[0],
  ),
)}
${sizeChoices(chosen)}
</div>
<div class="charts">${figures}${daemon ? undefined : html`<p class="empty">none is connected</p>`}</div>`
}

function sizeChoices({ code, place, range, height }: Chosen): Html {
  const [rangeName, heightName] = [`${code}range`, `${code}height`]
  const ranges = RANGES.map((text, i) => ({ text, url: place.with({ [rangeName]: i }).url(), isChosen: i === range }))
  const heights = HEIGHTS.map(each => ({
    ...{ text: String(each), url: place.with({ [heightName]: each }).url(), isChosen: each === height },
  }))
  return html`${choices('span', ranges)}${choices('height', heights)}`
}

/** @param data where a click leads to */
function figure(chosen: Chosen, { host, port }: ChartedDaemon, type: number, title: string, data: string): Html {
  const { range, height } = chosen
  const url = (width: number) =>
    `chart.cgi?host=${host}&port=${port}&id=${type * 10 + range}&width=${width}&height=${height}`
  return html`<figure><a href="${urlOf(chosen, data)}"><figcaption>${title}</figcaption>
<picture><source media="(max-width: 40rem)" srcset="${url(PHONE_WIDTH)}" width="${PHONE_WIDTH}" height="${height}">
<img src="${url(WIDTH)}" alt="${title}" width="${WIDTH}" height="${height}" loading="lazy"></picture></a></figure>
`
}
