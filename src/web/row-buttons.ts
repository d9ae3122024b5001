// What can be ordered about a row: about a chunkserver that its address and port name, about a mount whose session has
// ended. Rows may come in any order, so each is known by what it says.
import type { Cluster } from '../monitor/cluster.ts'
import type { Cell, Table } from '../monitor/table.ts'
import { ServerFlag } from '../protocol/matocl.ts'
import { formatIpv4 } from '../util/ipv4.ts'
import { type Command, commandButton } from './commands.ts'
import { type Html, html } from './html.ts'
import type { Place, SectionCode } from './place.ts'

/** From here on no number of seconds that it is spared work for (spec tools-and-admin A.5.1). */
const BUSY_WITH_ITSELF = 0x80000000
/** Head of the column that tells what to type, where there are no buttons. */
const TO_TYPE = 'command to remove'

type Buttons = (table: Table) => ((row: readonly Cell[]) => Html | undefined) | undefined

/** For the tables of a section; undefined where nothing can be ordered. */
export async function rowButtons(section: SectionCode, place: Place, cluster: Cluster): Promise<Buttons | undefined> {
  if (section === 'CS') return buttonsBy(['ip/host', 'port'], await serverCommands(cluster), place)
  if (section === 'MS') return buttonsBy(['session id'], await sessionCommands(cluster), place)
  return undefined
}

type Commands = ReadonlyMap<string, readonly Command[]>

/** By `IP PORT`. */
async function serverCommands(cluster: Cluster): Promise<Commands> {
  const all = new Map<string, Command[]>()
  for (const { ip, port, flags, grace } of await cluster.servers()) {
    const target = `${formatIpv4(ip)}:${port}`
    const maintenance = flags & ServerFlag.MAINTENANCE ? 'CSmaintenanceoff' : 'CSmaintenanceon'
    const commands: Command[] = [{ name: maintenance, target }]
    if (grace > 0 && grace < BUSY_WITH_ITSELF) commands.push({ name: 'CSbacktowork', target })
    if (flags & ServerFlag.DISCONNECTED) commands.push({ name: 'CSremove', target })
    all.set(`${formatIpv4(ip)} ${port}`, commands)
  }
  return all
}

/** Those that only wait for their mount to come back. By number of the session. */
async function sessionCommands(cluster: Cluster): Promise<Commands> {
  const gone = (await cluster.sessions()).filter(({ connections }) => connections === 0)
  return new Map(gone.map(({ sessionId }) => [String(sessionId), [{ name: 'MSremove', target: String(sessionId) }]]))
}

/** The table without what is to be typed: it has buttons. */
export function withoutTyping(table: Table): Table {
  const typed = table.columns.findIndex(({ head }) => head === TO_TYPE)
  if (typed < 0) return table
  const without = <T>(all: readonly T[]) => all.toSpliced(typed, 1)
  return { ...table, columns: without(table.columns), rows: table.rows.map(without) }
}

/** @param heads of the columns that together name what the row is about */
function buttonsBy(heads: readonly string[], commands: Commands, place: Place): Buttons {
  return ({ columns }) => {
    const keys = heads.map(head => columns.findIndex(column => column.head === head))
    if (keys.includes(-1)) return undefined
    return row => {
      const found = commands.get(keys.map(i => row[i]?.text ?? '').join(' '))
      return found && html`${found.map(command => commandButton(place, command))}`
    }
  }
}
