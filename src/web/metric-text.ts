// Numbers in the text format of Prometheus, version 0.0.4.

export interface Sample {
  readonly labels?: Readonly<Record<string, string | number>>
  readonly value: number
}

/** All samples of one name. */
export interface Metric {
  readonly name: string
  /** A counter never falls while the daemon that counts runs; its name ends with `_total`. */
  readonly type: 'gauge' | 'counter'
  /** One sentence. */
  readonly help: string
  readonly samples: readonly Sample[]
}

export const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({
  ...{ name, type: 'gauge', help, samples },
})
export const counter = (name: string, help: string, samples: readonly Sample[]): Metric => ({
  ...{ name, type: 'counter', help, samples },
})
export const one = (value: number): Sample[] => [{ value }]

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '"': '\\"' }
const escaped = (text: string) => text.replace(/[\\\n"]/g, character => ESCAPES[character] ?? '')

function sampleText(name: string, { labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(String(text))}"`)
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`
}

/** Those without samples are left out. */
export function metricText(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, type, help, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(sample => sampleText(name, sample)).join('')}`,
    )
    .join('')
}
