// What is shown of a cluster when there is nobody to ask.
import type { Master, MasterState } from '../monitor/masters.ts'
import { type Html, html } from './html.ts'
import { tableView } from './table-view.ts'
import { NoLeader } from './watched-cluster.ts'

const MEANING: Readonly<Record<MasterState, string>> = {
  leads: 'answers',
  'stands by': 'stands by',
  dead: 'nobody listens there',
  busy: 'does not take connections in time',
  strange: 'what it says makes no sense',
}

/** @param masters names and port that were tried */
export function noMasterView(masters: string, error: Error): Html {
  return html`<section class="gone"><h2>No working master found</h2>
<p>Tried ${masters}: ${reason(error)} This page looks again by itself.</p>
${error instanceof NoLeader ? mastersTable(error.masters) : undefined}
</section>`
}

function reason(error: Error): string {
  if (error instanceof NoLeader) return 'none of them answers as a leader.'
  return error.name === 'UnknownMaster' ? 'no address is known for that name.' : `${error.message}.`
}

const mastersTable = (masters: readonly Master[]): Html =>
  tableView({
    title: 'Masters',
    columns: [{ head: 'address' }, { head: 'state' }, { head: 'why' }],
    rows: masters.map(({ daemon, state, problem = '' }) => [
      { text: `${daemon.host}:${daemon.port}` },
      { text: MEANING[state], tone: 'bad' },
      { text: problem },
    ]),
  })
