// Keeps a page that somebody looks at as it is now, and lets arrow keys go from tab to tab. Pages work without it.
const REFRESH_MS = 30_000

/** Not while somebody chooses or types something in it. */
const isInUse = () => document.hidden || document.querySelector('main :is(input, select, details[open]):focus') !== null

async function refresh() {
  if (isInUse()) return
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' } })
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  const [before, after] = [document.querySelector('main'), page.querySelector('main')]
  if (!before || !after) return
  const aside = [...before.querySelectorAll('.scroll')].map(each => each.scrollLeft)
  const focused = [...before.querySelectorAll('a, button')].indexOf(document.activeElement)
  before.replaceWith(after)
  for (const [i, each] of [...after.querySelectorAll('.scroll')].entries()) each.scrollLeft = aside[i] ?? 0
  if (focused >= 0) after.querySelectorAll('a, button')[focused]?.focus({ preventScroll: true })
  document.querySelector('footer')?.replaceWith(page.querySelector('footer') ?? '')
}

if ('live' in document.body.dataset) {
  // A monitor that is gone for a moment is asked again later; the time at the bottom says how old the page is.
  setInterval(() => refresh().catch(() => {}), REFRESH_MS)
}

document.querySelector('.tabs')?.addEventListener('keydown', event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
  if (step === undefined) return
  const links = [...document.querySelectorAll('.tabs li > a:not(.more)')]
  const next = links[links.indexOf(document.activeElement) + step]
  if (next) next.focus()
})
