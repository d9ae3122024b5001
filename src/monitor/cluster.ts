// What a monitor knows of a cluster: each thing is asked for once, when it is wanted first.
import { lookupService } from 'node:dns/promises'
import * as charts from '../protocol/charts.ts'
import * as cltocs from '../protocol/cltocs.ts'
import * as cltoma from '../protocol/cltoma.ts'
import { type Body, type Message, ProtocolError } from '../protocol/codec.ts'
import * as cstocl from '../protocol/cstocl.ts'
import * as matocl from '../protocol/matocl.ts'
import * as monitors from '../protocol/monitors.ts'
import { formatIpv4 } from '../util/ipv4.ts'
import { Daemon, Unanswered } from './daemon.ts'
import type { Master, MasterInfo } from './masters.ts'

export type Server = Body<typeof matocl.cservList>['servers'][number]
export type Folder = Body<typeof cstocl.hddList>['folders'][number]
export type FileCheck = Required<Body<ReturnType<typeof monitors.fstestOf>>>
export type MissingChunk = Required<Body<ReturnType<typeof monitors.missingChunksOf>>['chunks'][number]>
export type Metalogger = Body<typeof monitors.metaloggers>['metaloggers'][number]
export type Session = Required<Body<ReturnType<typeof monitors.sessionsOf>>['sessions'][number]>
export type Rule = Required<Body<ReturnType<typeof monitors.exportsOf>>['rules'][number]>
export type Quota = Body<typeof monitors.quotas>['quotas'][number]
export type OpenFile = { sessionId: number; inode: number }
export type Lock = Required<Body<ReturnType<typeof monitors.locksOf>>['answer'][number]>
export type TableMemory = Body<typeof monitors.memoryUsage>['tables'][number]
export type Series = NonNullable<Body<typeof charts.chartValues>['series']>

/** Folders of a connected chunkserver, or why they are not known. */
export interface ServerFolders {
  readonly server: Server
  readonly folders: readonly Folder[]
  readonly problem: string | undefined
}

/** Chunks by copies wanted and good copies, 0 to 10 and more of both. */
export type Matrix = readonly (readonly number[])[]

const MATRIX_SIZE = 11
const MATRICES_BYTES = 1 + 2 * 4 * MATRIX_SIZE ** 2
/** The forms of the newest 3.0.x (spec tools-and-admin A.6). */
const [SESSION_DETAIL, EXPORT_DETAIL, MISSING_DETAIL] = [4, 3, 1]
const CHUNK_LOOP_NUMBERS = 18
const MEMORY_TABLES = 11
const NAME_WITHIN_MS = 5000

export class Cluster {
  readonly masters: readonly Master[]
  /** What could not be shown, for whoever shows it. */
  readonly problems: string[] = []
  readonly #leader: { readonly daemon: Daemon; readonly info: MasterInfo } | undefined
  readonly #known = new Map<string, Promise<unknown>>()

  /** @param leader one of the masters, with its info; without it there is nothing to be asked for */
  constructor(masters: readonly Master[], leader: { readonly daemon: Daemon; readonly info: MasterInfo } | undefined) {
    this.masters = masters
    this.#leader = leader
  }

  /** Of the master that leads. @throws Unanswered when none does */
  get info(): MasterInfo {
    return this.#present.info
  }

  get #present() {
    if (!this.#leader) throw new Unanswered('no master leads')
    return this.#leader
  }

  servers(): Promise<readonly Server[]> {
    return this.#asked('servers', cltoma.cservList.encode({}), matocl.cservList, ({ servers }) => servers)
  }

  memory(): Promise<readonly TableMemory[]> {
    return this.#asked('memory', monitors.memoryInfo.encode({}), monitors.memoryUsage, ({ tables }) => {
      if (tables.length < MEMORY_TABLES) throw new ProtocolError(`${tables.length} tables of memory`)
      return tables.slice(0, MEMORY_TABLES)
    })
  }

  /** `isSettled`: no server is coming or going, so that the counts are right. */
  matrices(): Promise<{ isSettled: boolean; all: Matrix; regular: Matrix }> {
    return this.#asked('matrices', cltoma.chunksMatrix.encode({ kind: undefined }), matocl.chunksMatrix, ({ body }) => {
      if (body.length !== MATRICES_BYTES) throw new ProtocolError(`matrices of ${body.length} bytes`)
      const matrix = (from: number) =>
        Array.from({ length: MATRIX_SIZE }, (_, goal) =>
          Array.from({ length: MATRIX_SIZE }, (_, copies) =>
            body.readUInt32BE(from + 4 * (goal * MATRIX_SIZE + copies)),
          ),
        )
      return { isSettled: body[0] === 0, all: matrix(1), regular: matrix(1 + 4 * MATRIX_SIZE ** 2) }
    })
  }

  chunkLoop(): Promise<readonly number[]> {
    return this.#asked('chunk loop', cltoma.chunksTestInfo.encode({}), matocl.chunksTestInfo, ({ numbers }) => {
      if (numbers.length !== CHUNK_LOOP_NUMBERS) throw new ProtocolError(`${numbers.length} numbers of the chunk loop`)
      return numbers
    })
  }

  fileCheck(): Promise<FileCheck> {
    const question = monitors.fstestInfo.encode({ detail: 0 })
    return this.#asked('file check', question, monitors.fstestOf(0), answer => answer as FileCheck)
  }

  missingChunks(): Promise<readonly MissingChunk[]> {
    const question = monitors.missingChunks.encode({ detail: MISSING_DETAIL })
    const answer = monitors.missingChunksOf(MISSING_DETAIL)
    return this.#asked('missing chunks', question, answer, ({ chunks }) => chunks as MissingChunk[])
  }

  metaloggers(): Promise<readonly Metalogger[]> {
    const question = monitors.mlogList.encode({})
    return this.#asked('metaloggers', question, monitors.metaloggers, ({ metaloggers }) => metaloggers)
  }

  sessions(): Promise<readonly Session[]> {
    const question = monitors.sessionList.encode({ detail: SESSION_DETAIL })
    const answer = monitors.sessionsOf(SESSION_DETAIL)
    return this.#asked('sessions', question, answer, ({ counters, sessions }) => {
      if (counters !== monitors.SESSION_LIST_COUNTERS) throw new ProtocolError(`${counters} counters of a session`)
      return sessions as Session[]
    })
  }

  rules(): Promise<readonly Rule[]> {
    const question = monitors.exportsInfo.encode({ detail: EXPORT_DETAIL })
    return this.#asked('rules', question, monitors.exportsOf(EXPORT_DETAIL), ({ rules }) => rules as Rule[])
  }

  classes(): Promise<readonly monitors.MonitoredClass[]> {
    return this.#asked('classes', monitors.sclassInfo.encode({}), monitors.classes, ({ classes }) => classes)
  }

  quotas(): Promise<readonly Quota[]> {
    return this.#asked('quotas', monitors.quotaInfo.encode({}), monitors.quotas, ({ quotas }) => quotas)
  }

  /** @param sessionId 0: of all */
  openFiles(sessionId: number): Promise<readonly OpenFile[]> {
    const question = monitors.listOpenFiles.encode({ msgid: undefined, sessionId })
    return this.#asked(`open files of ${sessionId}`, question, monitors.openFilesOf(sessionId), ({ answer }) =>
      answer.map(each => ({ ...each, sessionId: each.sessionId ?? sessionId })),
    )
  }

  /** @param inode 0: of all */
  locks(inode: number): Promise<readonly Lock[]> {
    const question = monitors.listAcquiredLocks.encode({ msgid: undefined, inode })
    return this.#asked(`locks of ${inode}`, question, monitors.locksOf(inode), ({ answer }) =>
      answer.map(each => ({ ...each, inode: each.inode ?? inode })),
    )
  }

  /** All paths of each inode; undefined for one that the master tells nothing of. */
  async paths(inodes: readonly number[]): Promise<(inode: number) => readonly string[] | undefined> {
    const wanted = [...new Set(inodes)].filter(inode => inode !== 0)
    if (wanted.length === 0) return () => undefined
    const question = monitors.massResolvePaths.encode({ inodes: wanted })
    const { inodes: found } = await this.#present.daemon.ask(question, monitors.resolvedPaths)
    const known = new Map(found.map(({ inode, paths }) => [inode, paths]))
    return inode => known.get(inode)
  }

  /** Of all connected chunkservers: asked at the same time. */
  folders(): Promise<readonly ServerFolders[]> {
    return this.#once('folders', async () => {
      const connected = (await this.servers()).filter(({ flags }) => !(flags & matocl.ServerFlag.DISCONNECTED))
      return Promise.all(connected.map(server => this.#foldersOf(server)))
    })
  }

  async #foldersOf(server: Server): Promise<ServerFolders> {
    const daemon = new Daemon(formatIpv4(server.ip), server.port)
    try {
      return {
        server,
        folders: (await daemon.ask(cltocs.hddList.encode({}), cstocl.hddList)).folders,
        problem: undefined,
      }
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error
      const problem = `disks of chunkserver ${error.message}`
      this.problems.push(problem)
      return { server, folders: [], problem }
    } finally {
      daemon.close()
    }
  }

  /** The newest points of a series of the master; undefined when it has no such series. */
  masterSeries(chartId: number, points: number): Promise<Series | undefined> {
    return this.#once(`chart ${chartId} ${points}`, () => seriesOf(this.#present.daemon, chartId, points))
  }

  /** The same of a chunkserver. @param host name or address */
  serverSeries(host: string, port: number, chartId: number, points: number): Promise<Series | undefined> {
    return this.#once(`chart ${host} ${port} ${chartId} ${points}`, async () => {
      const daemon = new Daemon(host, port)
      try {
        return await seriesOf(daemon, chartId, points)
      } finally {
        daemon.close()
      }
    })
  }

  /** Names of addresses; where there is none, or none is wanted, the address. */
  async hosts(ips: readonly number[], hasNames: boolean | undefined): Promise<(ip: number) => string> {
    if (!hasNames) return formatIpv4
    const known = await Promise.all([...new Set(ips)].map(async ip => [ip, await this.#nameOf(ip)] as const))
    const names = new Map(known)
    return ip => names.get(ip) ?? formatIpv4(ip)
  }

  #nameOf(ip: number): Promise<string> {
    const address = formatIpv4(ip)
    return this.#once(`name of ${address}`, () => {
      const named = lookupService(address, 0).then(({ hostname }) => hostname)
      return Promise.race([named, after(NAME_WITHIN_MS)]).catch(() => address)
    })
  }

  /** @param command of cltoma.ServerCommand @returns a status */
  async commandServer(command: number, ip: number, port: number): Promise<number> {
    const question = cltoma.csservCommand.encode({ command, ip, port })
    const { status } = await this.#present.daemon.ask(question, matocl.csservCommand)
    if (status === undefined) throw new Unanswered('the master told no status')
    return status
  }

  /** @returns a status */
  async removeSession(sessionId: number): Promise<number> {
    const question = monitors.sessionCommand.encode({ command: monitors.SessionCommand.REMOVE, sessionId })
    return (await this.#present.daemon.ask(question, monitors.sessionCommandDone)).status
  }

  #asked<T, F>(name: string, question: Buffer, answer: Message<T>, read: (body: T) => F): Promise<F> {
    return this.#once(name, () =>
      this.#present.daemon.askRaw(question, answer.code, payload => read(answer.decode(payload))),
    )
  }

  #once<T>(name: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#known.get(name) ?? ask()
    this.#known.set(name, known)
    return known as Promise<T>
  }

  close(): void {
    for (const { daemon } of this.masters) daemon.close()
  }
}

async function seriesOf(daemon: Daemon, chartId: number, points: number): Promise<Series | undefined> {
  const question = charts.chartData.encode({ chartId, maxEntries: points })
  return (await daemon.ask(question, charts.chartValues)).series
}

function after(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('no name came in time')), ms).unref()
  })
}
