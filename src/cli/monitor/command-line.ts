// The command line of mfscli (spec tools-and-admin C.1).
import { type ChartOwner, chartNames, isChart } from '../../monitor/chart-columns.ts'
import type { ChartColumn, Choice } from '../../monitor/section.ts'
import { type SectionCode, sections } from '../../monitor/sections.ts'
import { parseArguments } from '../shared/arguments.ts'
import type { FrameStyle } from './frames.ts'

interface Group {
  readonly sections: readonly SectionCode[]
  /** Which of them an option of the group is for; the others have none. */
  readonly options: Readonly<Record<string, SectionCode>>
}

/** Sections that the original knows by one name together. Of licences there are none. */
const GROUPS: Readonly<Record<string, Group>> = {
  IN: { sections: ['IM', 'IG', 'MU', 'IC', 'IL', 'MF'], options: { m: 'IC' } },
  RS: { sections: ['SC', 'OF', 'AL'], options: {} },
  LI: { sections: [], options: {} },
}
const NAMES = ['IN', 'LI', 'RS', ...(Object.keys(sections) as SectionCode[])]

const POINTS_MAX = 4095
const FRAMES: readonly FrameStyle[] = ['ascii', 'thick', 'thin', 'double']
const DEFAULT_MASTER = 'mfsmaster'
const DEFAULT_PORT = 9421

export interface Query {
  readonly masters: string
  readonly port: number
  readonly isPlain: boolean
  readonly separator: string
  readonly frame: FrameStyle | undefined
  readonly has256Colours: boolean
  /** Of sections and groups, as given. */
  readonly names: readonly string[]
  readonly sections: ReadonlyMap<SectionCode, Choice>
  readonly commands: readonly string[]
}

/** No number where there must be one, or one that is too large: the original ends with 1 and a stack. */
export class WrongValue extends Error {
  override readonly name = 'WrongValue'
}

/** What can't be shown, said as an answer: the original ends with 0 then. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}

function integer(letter: string, value: string): number {
  if (!/^\s*[-+]?\d+\s*$/.test(value)) throw new WrongValue(`-${letter} ${value}: not a number`)
  return Number(value)
}

function numberUpTo(max: number, letter: string, value: string): number {
  const number = integer(letter, value)
  if (number < 0 || number > max) throw new WrongValue(`-${letter} ${value}: not a number from 0 to ${max}`)
  return number
}

const portNumber = (letter: string, value: string) => numberUpTo(0xffff, letter, value)

const pointCount = (letter: string, value: string): number => {
  const count = integer(letter, value)
  return count < 0 || count > POINTS_MAX ? POINTS_MAX : count
}

/** `[host:[port:]][+]name` @throws Refusal when there is no such chart */
function chartColumn(owner: ChartOwner, text: string): ChartColumn {
  const parts = text.split(':')
  const last = parts.pop() as string
  const [isRaw, name] = last.startsWith('+') ? [true, last.slice(1)] : [false, last]
  if (!isChart(owner, name)) throw new Refusal(`Unknown ${owner} chart name: ${name}`)
  const [host, port] = parts
  if (owner === 'master') return { name, isRaw }
  if (!host) throw new Refusal('in chunkserver chart data server ip/host must be specified')
  return { name, isRaw, host, ...(port === undefined ? {} : { port: portNumber('d', port) }) }
}

const chartColumns = (owner: ChartOwner, list: string) => list.split(',').map(text => chartColumn(owner, text))

/** What an option says of a section. */
function choiceOf(letter: string, value: string): Choice | undefined {
  if (letter === 'r') return { isReversed: true }
  if (letter === 'o') return { order: integer(letter, value) }
  if (letter === 'm') return { mode: integer(letter, value) }
  if (letter === 'i') return { id: numberUpTo(0xffffffff, letter, value) }
  return undefined
}

/** Names of sections and groups in a text, wherever they stand in it. */
const namesIn = (text: string): string[] => NAMES.filter(name => text.includes(name))
const sectionsOf = (name: string): readonly SectionCode[] => GROUPS[name]?.sections ?? [name as SectionCode]

/** Which sections an option is for that stands behind the name. */
function receivers(name: string, letter: string): readonly SectionCode[] {
  const group = GROUPS[name]
  if (!group) return [name as SectionCode]
  const receiver = group.options[letter]
  return receiver === undefined ? [] : [receiver]
}

/** Options of a section stand behind its -S, or before the first one. */
function chosenSections(given: readonly (readonly [string, string])[]): Map<SectionCode, Choice> {
  const chosen = new Map<SectionCode, Choice>()
  const choose = (code: SectionCode, choice: Choice) => chosen.set(code, { ...chosen.get(code), ...choice })
  let latest: readonly string[] | undefined
  let early: (readonly [letter: string, choice: Choice])[] = []
  const apply = (names: readonly string[], letter: string, choice: Choice) => {
    for (const code of names.flatMap(name => receivers(name, letter))) choose(code, choice)
  }
  for (const [letter, value] of given) {
    const choice = choiceOf(letter, value)
    if (letter === 'S') {
      latest = namesIn(value)
      for (const code of latest.flatMap(sectionsOf)) choose(code, {})
      for (const [earlier, wanted] of early) apply(latest, earlier, wanted)
      early = []
    } else if (choice && latest) apply(latest, letter, choice)
    else if (choice) early = [...early, [letter, choice]]
  }
  return chosen
}

/**
 * @returns text to print instead, or what is to be shown and done
 * @throws UsageError, WrongValue, Refusal
 */
export function parseQuery(args: readonly string[]): 'help' | 'version' | Query {
  const { given, options } = parseArguments(args, 'hpn28vr', 'HPsfSomiabcdC')
  const last = (letter: string) => options.get(letter)
  const all = (letter: string) => given.filter(([each]) => each === letter).map(([, value]) => value)
  if (options.has('help') || options.has('h')) return 'help'
  if (options.has('v')) return 'version'
  const charts = (owner: ChartOwner, list: string, count: string) => ({
    columns: all(list).flatMap(names => chartColumns(owner, names)),
    ...(last(count) === undefined ? {} : { points: pointCount(count, last(count) as string) }),
  })
  const common = { hasNames: !options.has('n') }
  const own: Partial<Record<SectionCode, Choice>> = {
    MC: charts('master', 'b', 'a'),
    CC: charts('chunkserver', 'd', 'c'),
  }
  return {
    masters: last('H') ?? DEFAULT_MASTER,
    port: portNumber('P', last('P') ?? String(DEFAULT_PORT)),
    isPlain: options.has('p') || options.has('s'),
    separator: last('s') ?? '\t',
    frame: last('f') === undefined ? undefined : FRAMES[integer('f', last('f') as string)],
    has256Colours: given.findLast(([letter]) => letter === '2' || letter === '8')?.[0] === '2',
    names: [...new Set(all('S').flatMap(namesIn))],
    sections: new Map(
      [...chosenSections(given)].map(([code, choice]) => [code, { ...common, ...own[code], ...choice }]),
    ),
    commands: all('C'),
  }
}

const columnsOfText = (names: readonly string[]) => {
  const lines: string[] = []
  for (const name of names) {
    const line = lines.at(-1)
    if (line === undefined || line.length + name.length > 90) lines.push(`      ${name}`)
    else lines[lines.length - 1] = `${line} ${name}`
  }
  return lines.join('\n')
}

export const helpText = (): string => `mfscli: what can be seen of a cluster, and orders to it

usage: mfscli [-pn28] [-H masters] [-P port] [-f 0..3] -S sections [-s separator] [-o column] [-r] [-m view] [-i id]
              [-a points] [-b charts] [-c points] [-d charts]
       mfscli [-H masters] [-P port] -C command
       mfscli -v

  -H masters    names or addresses of the masters, with commas between them (default ${DEFAULT_MASTER})
  -P port       where they listen for clients (default ${DEFAULT_PORT})
  -S sections   codes of what to show, for example -SCS or -SCS,MB:
                  IN  information: IM masters, IG the leading one, MU its memory, IC matrix of chunks, IL rounds over
                      chunks and files, MF missing chunks
                  CS  chunkservers         MB  metaloggers           HD  disks
                  EX  exports              MS  mounts                MO  operations of mounts
                  RS  resources: SC storage classes, OF open files, AL locks
                  QU  quotas               MC  master charts         CC  chunkserver charts
  -n            addresses as numbers, no names
  -p            plain rows, also on a terminal; elsewhere they are always plain
  -s separator  between the fields of plain rows (default: a tab); implies -p
  -f 0..3       frames: 0 ASCII, 1 thick, 2 thin, 3 double
  -2, -8        256 or 8 colours

for the sections of the -S before them (or of the first one):
  -o column     sort by this column; counted from 1 as shown, with exceptions (docs/wire-notes.md, mfscli)
  -r            the other way round
  -m view       HD: 0 last minute, 2 hour, 4 day with maximum times, 1, 3, 5 with average ones; MO: 0 last hour, 1 the
                present one; IC: 0 all copies, 1 without those marked for removal; MC, CC: points of 0 a minute, 1 six
                minutes, 2 half an hour, 3 a day
  -i id         OF: of this session; AL: of this inode

  -a, -c points how many points of charts: of the master, of chunkservers (default 25)
  -b charts     of the master, with commas between them; with + before the name numbers as they are kept:
${columnsOfText(chartNames('master'))}
  -d charts     of chunkservers, each as host:name or host:port:name:
${columnsOfText(chartNames('chunkserver'))}

  -C command    RC/ip/port remove a chunkserver, BW/ip/port send it back to work, M1/ip/port and M0/ip/port maintenance
                on and off, RS/id remove a session

  -v            version
  -h, --help    this text
`
