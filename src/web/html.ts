// Text of a page. What is put into it is escaped, unless it is text of a page already: nothing that was shown can act.

/** Text of a page that is safe as it is; only `html` makes it. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Value = Html | string | number | undefined | readonly (Html | undefined)[]

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Names of files and hosts may hold anything; what no page may hold is shown as a mark. */
const escaped = (text: string) =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that pages may not hold
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd')
    .replace(/[&<>"']/g, character => ESCAPES[character] ?? '')

function textOf(value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(textOf).join('')
  return escaped(String(value))
}

/** A template: values are escaped; undefined is nothing. Attributes must stand in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.map((part, i) => part + textOf(values[i])).join(''))
}
