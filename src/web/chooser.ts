// What can be chosen of a section, above its tables.
import type { Cluster } from '../monitor/cluster.ts'
import { readable } from '../monitor/texts.ts'
import { formatIpv4 } from '../util/ipv4.ts'
import { choices } from './choices.ts'
import { type Html, html } from './html.ts'
import { MISSING_MAXIMA, type Place, type SectionCode } from './place.ts'

/** Nothing where there is no choice. */
export async function chooser(section: SectionCode, place: Place, cluster: Cluster): Promise<Html | undefined> {
  const all = await choosers(section, place, cluster)
  return all.length > 0 ? html`<div class="choices">${all}</div>` : undefined
}

async function choosers(section: SectionCode, place: Place, cluster: Cluster): Promise<Html[]> {
  switch (section) {
    case 'IC':
      return [choicesOf(place, 'copies', 'INmatrix', ['all', 'without disks marked for removal'])]
    case 'MF':
      return missingChoices(place, (await cluster.missingChunks()).length)
    case 'HD':
      return [
        choicesOf(place, 'last', 'HDperiod', ['minute', 'hour', 'day']),
        choicesOf(place, 'time', 'HDtime', ['longest', 'average']),
        choicesOf(place, 'disks by', 'HDaddrname', ['address', 'name']),
      ]
    case 'MO':
      return [choicesOf(place, 'hour', 'MOdata', ['last', 'current'])]
    case 'OF':
      return [await sessionForm(place, cluster)]
    case 'AL':
      return [inodeForm(place)]
    default:
      return []
  }
}

function choicesOf(place: Place, about: string, name: string, texts: readonly string[]): Html {
  const chosen = place.number(name, 0, texts.length - 1)
  return choices(
    about,
    texts.map((text, i) => ({ text, url: place.with({ [name]: i }).url(), isChosen: i === chosen })),
  )
}

function missingChoices(place: Place, count: number): Html[] {
  if (count <= MISSING_MAXIMA[0]) return []
  const all = MISSING_MAXIMA.map(most => ({
    ...{ text: String(most), url: place.with({ MFlimit: most }).url(), isChosen: most === place.missingMax },
  }))
  return [choices(`of ${count} at most`, all)]
}

/** What a form must carry to lead to the same place. */
const hidden = (place: Place, but: string): Html =>
  html`${place.parameters
    .filter(([name]) => name !== but)
    .map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}`

async function sessionForm(place: Place, cluster: Cluster): Promise<Html> {
  const chosen = place.number('OFsessionid', 0)
  const options = (await cluster.sessions()).map(({ sessionId, ip, info }) => {
    const text = `${sessionId}: ${formatIpv4(ip)}:${readable(info)}`
    return sessionId === chosen
      ? html`<option value="${sessionId}" selected>${text}</option>`
      : html`<option value="${sessionId}">${text}</option>`
  })
  return html`<form class="choice" action="mfs.cgi">${hidden(place, 'OFsessionid')}
<label>open files of <select name="OFsessionid"><option value="0">all mounts</option>${options}</select></label>
<button>show</button></form>`
}

const inodeForm = (place: Place): Html =>
  html`<form class="choice" action="mfs.cgi">${hidden(place, 'ALinode')}
<label>locks of inode <input name="ALinode" inputmode="numeric" size="10" value="${place.number('ALinode', 0)}"></label>
<button>show</button> <span class="note">0: of all</span></form>`
