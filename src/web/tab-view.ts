// The contents of a tab: its sections as tables, with what can be chosen and ordered there.
import type { Cluster } from '../monitor/cluster.ts'
import { Unanswered } from '../monitor/daemon.ts'
import { sections } from '../monitor/sections.ts'
import { ServerFlag } from '../protocol/matocl.ts'
import { formatIpv4 } from '../util/ipv4.ts'
import { masterCharts, serverCharts } from './charts-view.ts'
import { chooser } from './chooser.ts'
import { type Html, html } from './html.ts'
import type { Place, SectionCode, Tab } from './place.ts'
import { rowButtons, withoutTyping } from './row-buttons.ts'
import { type Sorting, tableView } from './table-view.ts'

export async function tabView(tab: Tab, place: Place, cluster: Cluster, allowsCommands: boolean): Promise<Html> {
  switch (tab.code) {
    case 'MC':
      return masterCharts(
        place,
        // Those that stand by keep none.
        cluster.masters.filter(({ state }) => state === 'leads').map(({ daemon }) => daemon),
      )
    case 'CC':
      return serverCharts(place, await chartedServers(cluster))
    default: {
      const views: Html[] = []
      for (const code of tab.sections) views.push(await sectionView(code, place, cluster, allowsCommands))
      return html`${views}`
    }
  }
}

async function chartedServers(cluster: Cluster) {
  const connected = (await cluster.servers()).filter(({ flags }) => !(flags & ServerFlag.DISCONNECTED))
  return connected
    .toSorted((a, b) => a.ip - b.ip || a.port - b.port)
    .map(({ ip, port }) => ({ host: formatIpv4(ip), port }))
}

async function sectionView(code: SectionCode, place: Place, cluster: Cluster, allowsCommands: boolean): Promise<Html> {
  try {
    const tables = await sections[code].tables(cluster, place.choice(code))
    const buttons = allowsCommands ? await rowButtons(code, place, cluster) : undefined
    const above = await chooser(code, place, cluster)
    const options = { sorting: sortingOf(code, place), ...(code === 'MF' ? { rowsMax: place.missingMax } : {}) }
    const views = tables.map((given, i) => {
      const table = buttons ? withoutTyping(given) : given
      return tableView(table, { ...options, buttons: buttons?.(table), above: i === 0 ? above : undefined })
    })
    return html`${views}`
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    return html`<p class="bad">${code}: no answer: ${error.message}</p>`
  }
}

function sortingOf(code: SectionCode, place: Place): Sorting {
  const { order = 0, isReversed = false } = place.choice(code)
  return {
    order,
    isReversed,
    url: (column, isTurned) => place.with({ [`${code}order`]: column, [`${code}rev`]: isTurned ? 1 : undefined }).url(),
  }
}
