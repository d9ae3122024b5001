// A row of views to choose from, each a link.
import { type Html, html } from './html.ts'

export interface OneChoice {
  readonly text: string
  readonly url: string
  readonly isChosen: boolean
}

/** @param about what is chosen */
export function choices(about: string, all: readonly OneChoice[]): Html {
  const links = all.map(({ text, url, isChosen }) =>
    isChosen ? html`<a href="${url}" aria-current="true">${text}</a>` : html`<a href="${url}">${text}</a>`,
  )
  return html`<nav class="choice" aria-label="${about}"><span>${about}</span> ${links}</nav>`
}
