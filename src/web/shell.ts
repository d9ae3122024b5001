// What every page has around its contents.
import { VERSION_TEXT } from '../protocol/constants.ts'
import { assetUrl } from './assets.ts'
import { type Html, html } from './html.ts'
import { type Place, TABS } from './place.ts'

/** How soon a page without a master looks again. */
const RETRY_SECONDS = 10

export interface PageOptions {
  readonly place: Place
  /** What is shown: names and port of the masters. */
  readonly masters: string
  readonly contents: Html
  /** Nothing works now: the page looks again by itself, with or without script. */
  readonly isWaiting?: boolean
  /** The page is of this moment, and is kept so while somebody looks at it. */
  readonly isLive?: boolean
}

function tabs(place: Place): Html {
  const open = place.tabs.map(({ code }) => code)
  const links = TABS.map(({ code, title }) => {
    const isOpen = open.includes(code)
    const link = html`<a href="${place.withTabs([code]).url()}">${title}</a>`
    if (isOpen && open.length === 1)
      return html`<li class="open"><a href="${place.url()}" aria-current="page">${title}</a></li>`
    const others = isOpen ? open.filter(each => each !== code) : [...open, code]
    const more = html`<a class="more" href="${place.withTabs(others).url()}" title="${isOpen ? 'close' : 'open too'}: ${title}">${isOpen ? '−' : '+'}</a>`
    return html`<li class="${isOpen ? 'open' : 'closed'}">${link}${more}</li>`
  })
  return html`<nav class="tabs" aria-label="tabs"><ul>${links}</ul></nav>`
}

const head = (title: string, more?: Html): Html => html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${assetUrl('icon.svg')}">
<link rel="stylesheet" href="${assetUrl('monitor.css')}">
${more}
</head>
`

export function pageView({ place, masters, contents, isWaiting, isLive }: PageOptions): Html {
  const title = place.text('mastername') ?? masters
  const time = new Date().toISOString().slice(0, 19).replace('T', ' ')
  const retry = isWaiting ? html`<meta http-equiv="refresh" content="${RETRY_SECONDS}">` : undefined
  const script = html`<script src="${assetUrl('monitor.js')}" defer></script>`
  return html`${head(`${place.tabs.map(tab => tab.title).join(', ')} - ${title}`, html`${script}${retry}`)}
<body${isLive ? html` data-live` : undefined}>
<header><a class="skip" href="#contents">to the contents</a><p class="name"><b>ElkFS</b> <span>${title}</span></p>${tabs(place)}</header>
<main id="contents">
${contents}
</main>
<footer><span>as of <time>${time}</time> UTC</span> <span>monitor ${VERSION_TEXT}</span> <a href="metrics">metrics</a></footer>
</body>
</html>
`
}

/** Of what is not done. */
export function refusalView(status: number, message: string): Html {
  return html`${head(`${status}`)}
<body><main><section class="confirm"><h2>Not done (${status})</h2><p>${message}</p>
<p><a class="button" href="mfs.cgi">to the monitor</a></p></section></main></body>
</html>
`
}
