// Where somebody is: the tabs that are open and what was chosen on them, as URLs hold it. The parameters are those of the
// original's pages (spec tools-and-admin D), so that bookmarks and links of others lead to the same.
import type { Choice } from '../monitor/section.ts'

/** In the order in which they are shown. */
export const TABS = [
  { code: 'IN', title: 'Info', sections: ['IM', 'IG', 'IC', 'MU', 'IL', 'MF'] },
  { code: 'CS', title: 'Servers', sections: ['CS', 'MB'] },
  { code: 'HD', title: 'Disks', sections: ['HD'] },
  { code: 'EX', title: 'Exports', sections: ['EX'] },
  { code: 'MS', title: 'Mounts', sections: ['MS'] },
  { code: 'MO', title: 'Operations', sections: ['MO'] },
  { code: 'RS', title: 'Resources', sections: ['SC', 'OF', 'AL'] },
  { code: 'QU', title: 'Quotas', sections: ['QU'] },
  { code: 'MC', title: 'Master Charts', sections: [] },
  { code: 'CC', title: 'Server Charts', sections: [] },
] as const

export type Tab = (typeof TABS)[number]
export type TabCode = Tab['code']
export type SectionCode = Tab['sections'][number]

/** Parameters that choose something; commands are none of them. */
const CHOICES = new Set([
  ...['masterhost', 'masterport', 'mastername', 'sections'],
  ...[
    'INmatrix',
    'HDperiod',
    'HDtime',
    'HDaddrname',
    'MOdata',
    'MFlimit',
    'OFsessionid',
    'ALinode',
    'MCdata',
    'CCdata',
  ],
  ...['MCrange', 'MCheight', 'CCrange', 'CCheight'],
])
const SORTING = /^[A-Z]{2}(?:order|rev)$/
const VALUE_CHARACTERS_MAX = 200
/** How many missing chunks may be shown; the first when nothing else is said. */
export const MISSING_MAXIMA = [100, 1000, 10_000] as const

type Change = string | number | undefined

export class Place {
  readonly tabs: readonly Tab[]
  readonly #parameters: ReadonlyMap<string, string>

  private constructor(parameters: ReadonlyMap<string, string>) {
    this.#parameters = parameters
    const codes = (parameters.get('sections') ?? '').split('|')
    const open = TABS.filter(({ code }) => codes.includes(code))
    this.tabs = open.length > 0 ? open : TABS.slice(0, 1)
  }

  /** What makes no sense is left aside. */
  static of({ searchParams }: URL): Place {
    const known = [...searchParams].filter(
      ([name, value]) => (CHOICES.has(name) || SORTING.test(name)) && value.length <= VALUE_CHARACTERS_MAX,
    )
    return new Place(new Map(known))
  }

  get parameters(): readonly (readonly [name: string, value: string])[] {
    return [...this.#parameters]
  }

  text(name: string): string | undefined {
    return this.#parameters.get(name)
  }

  /** A whole number up to `max`; `fallback` when none was given, or no such one. */
  number(name: string, fallback: number, max = 0xffffffff): number {
    const text = this.#parameters.get(name) ?? ''
    return /^\d{1,10}$/.test(text) && Number(text) <= max ? Number(text) : fallback
  }

  /** The same with other parameters. @param changes undefined takes one away */
  with(changes: Readonly<Record<string, Change>>): Place {
    const parameters = new Map(this.#parameters)
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) parameters.delete(name)
      else parameters.set(name, String(value))
    }
    return new Place(parameters)
  }

  withTabs(codes: readonly TabCode[]): Place {
    return this.with({ sections: codes.join('|') })
  }

  /** @param more a command */
  url(more: Readonly<Record<string, string>> = {}): string {
    const query = new URLSearchParams([...this.#parameters, ...Object.entries(more)]).toString()
    return query === '' ? 'mfs.cgi' : `mfs.cgi?${query}`
  }

  /** What was chosen of a section. */
  choice(section: SectionCode): Choice {
    const order = this.number(`${section}order`, 0, 999)
    return {
      ...(order > 0 ? { order } : {}),
      isReversed: this.number(`${section}rev`, 0) === 1,
      ...this.#particular(section),
    }
  }

  #particular(section: SectionCode): Choice {
    switch (section) {
      case 'IC':
        return { mode: this.number('INmatrix', 0, 1) }
      case 'HD':
        return {
          mode: 2 * this.number('HDperiod', 0, 2) + this.number('HDtime', 0, 1),
          hasNames: this.number('HDaddrname', 0, 1) === 1,
        }
      case 'MO':
        return { mode: this.number('MOdata', 0, 1) }
      case 'OF':
        return { id: this.number('OFsessionid', 0) }
      case 'AL':
        return { id: this.number('ALinode', 0) }
      default:
        return {}
    }
  }

  /** How many rows of missing chunks to show. */
  get missingMax(): number {
    return this.number('MFlimit', MISSING_MAXIMA[0], MISSING_MAXIMA[2])
  }
}
