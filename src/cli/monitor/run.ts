// One run of mfscli: asks, commands, shows.
import { Cluster } from '../../monitor/cluster.ts'
import { Unanswered } from '../../monitor/daemon.ts'
import { findMasters, leaderOf, type Master, UnknownMaster } from '../../monitor/masters.ts'
import { type SectionCode, sections } from '../../monitor/sections.ts'
import { UsageError } from '../shared/arguments.ts'
import { helpText, parseQuery, type Query, Refusal, WrongValue } from './command-line.ts'
import { carryOut } from './commands.ts'
import { drawTable, type Look } from './frames.ts'

const VERSION = '3.0.117'

export interface Output {
  /** For stdout. */
  print(text: string): void
  /** A line for stderr. */
  complain(message: string): void
  /** Width of the terminal; undefined when stdout is none. */
  readonly columns: number | undefined
  /** The terminal shows more than ASCII. */
  readonly isUtf8: boolean
}

/** Plain output has no empty line before or behind these. */
const JOINED: readonly SectionCode[] = ['IC', 'IL']
/** The first one has something to say without a leader, and the others belong to it. */
const WITHOUT_LEADER = ['IN', 'LI', 'IM', 'IG', 'MU', 'IC', 'IL', 'MF']
/** What the original calls a section when it is refused. */
const REFUSED_AS: Readonly<Record<string, string>> = { MB: 'CS', SC: 'RS', OF: 'RS', AL: 'RS' }

const NO_LEADER = 'Working master servers not found !!! - maybe you are using wrong port number or wrong dns name'
const NOTHING_ASKED = "Specify data to be shown (option -S) or command (option -C). Use '-h' for help."

/** @returns the exit code */
export async function runMonitor(args: readonly string[], output: Output): Promise<number> {
  let query: ReturnType<typeof parseQuery>
  try {
    query = parseQuery(args)
  } catch (error) {
    return refused(error, output)
  }
  if (query === 'help') output.print(helpText())
  else if (query === 'version') output.print(`version: ${VERSION}\n`)
  else if (query.names.length + query.commands.length === 0) output.print(`${NOTHING_ASKED}\n`)
  else return answer(query, output)
  return 0
}

/** @returns the exit codes of the original, on which scripts rely */
function refused(error: unknown, { print, complain }: Output): number {
  if (error instanceof Refusal) print(`${error.message}\n`)
  else if (error instanceof UsageError) {
    complain(`mfscli: ${error.message}`)
    print(helpText())
  } else if (error instanceof WrongValue) {
    complain(`mfscli: ${error.message}`)
    return 1
  } else throw error
  return 0
}

async function answer(query: Query, output: Output): Promise<number> {
  let masters: Master[]
  try {
    masters = await findMasters(query.masters, query.port)
  } catch (error) {
    if (!(error instanceof UnknownMaster)) throw error
    output.print(`Can't find masters (resolve '${query.masters}') !!!\n`)
    return 1
  }
  const leader = leaderOf(masters)
  const cluster = new Cluster(masters, leader?.info && { daemon: leader.daemon, info: leader.info })
  const strange = masters.filter(({ state }) => state === 'strange')
  for (const { problem } of strange) output.complain(`mfscli: ${problem}`)
  const run = new Run(query, cluster, output)
  try {
    await run.carryOut(leader !== undefined)
    await run.show(leader !== undefined)
  } finally {
    cluster.close()
  }
  for (const problem of cluster.problems) output.complain(`mfscli: ${problem}`)
  return run.hasFailed || strange.length > 0 || cluster.problems.length > 0 ? 1 : 0
}

class Run {
  readonly #query: Query
  readonly #cluster: Cluster
  readonly #output: Output
  #hasPrinted = false
  hasFailed = false

  constructor(query: Query, cluster: Cluster, output: Output) {
    this.#query = query
    this.#cluster = cluster
    this.#output = output
  }

  async carryOut(hasLeader: boolean): Promise<void> {
    const { commands } = this.#query
    if (commands.length > 0 && !hasLeader) {
      this.#output.print("Can't perform any operation because there is no leading master\n")
      return
    }
    for (const command of commands) {
      await this.#attempt(() => this.#carryOutOne(command))
    }
  }

  async #carryOutOne(command: string): Promise<void> {
    const result = await carryOut(this.#cluster, command)
    if (result === undefined) this.#output.complain(`mfscli: -C ${command}: there is no such command`)
    else this.#output.print(`${result}\n`)
  }

  async show(hasLeader: boolean): Promise<void> {
    if (!hasLeader) return this.#showMasters()
    for (const code of Object.keys(sections) as SectionCode[]) {
      if (this.#query.sections.has(code)) await this.#attempt(() => this.#showSection(code))
    }
  }

  /** What is left of the sections when nobody leads. */
  async #showMasters(): Promise<void> {
    const refusals = this.#query.names.filter(name => !WITHOUT_LEADER.includes(name))
    const lines = refusals.map(name => `section '${REFUSED_AS[name] ?? name}' not allowed`)
    this.#output.print([NO_LEADER, ...lines, ''].join('\n'))
    this.#hasPrinted = true
    if (this.#query.sections.has('IM')) await this.#showSection('IM')
  }

  async #showSection(code: SectionCode): Promise<void> {
    const text = await this.#textOf(code)
    const isJoined = JOINED.includes(code)
    if (this.#hasPrinted && this.#isPlain && !isJoined) this.#output.print('\n')
    this.#hasPrinted ||= !isJoined
    this.#output.print(text)
  }

  get #isPlain(): boolean {
    return this.#query.isPlain || this.#output.columns === undefined
  }

  async #textOf(code: SectionCode): Promise<string> {
    const choice = this.#query.sections.get(code) ?? {}
    if (!this.#isPlain) {
      const tables = await sections[code].tables(this.#cluster, choice)
      return tables.map(table => drawTable(table, this.#look)).join('')
    }
    const rows = await sections[code].rows(this.#cluster, choice)
    return `${rows.map(fields => fields.join(this.#query.separator)).join('\n')}\n`
  }

  get #look(): Look {
    const { frame, has256Colours } = this.#query
    const { isUtf8, columns = 80 } = this.#output
    return { frame: isUtf8 ? (frame ?? 'thin') : 'ascii', has256Colours, columns }
  }

  /** What goes wrong with one thing is told, and the others go on. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      if (!(error instanceof Unanswered || error instanceof UsageError)) throw error
      this.#output.complain(`mfscli: ${error.message}`)
      this.hasFailed = true
    }
  }
}
