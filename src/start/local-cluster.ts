// A whole cluster as processes on this machine: started in order, watched, stopped in order.
//
//   start   master, then the chunkservers and the monitor together, then the mount
//   stop    the mount (it writes out what it holds), the monitor, the chunkservers, the master
//
// A process that ends on its own is started again, unless it keeps ending: then everything stops.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMountPoint, whyNoMount } from './checks.ts'
import { Child, type End } from './child.ts'
import {
  chunksFolder,
  clientsPort,
  configFile,
  exportsFile,
  exportsText,
  foldersText,
  HOST,
  type Layout,
  logFile,
  markFile,
  masterConfig,
  masterFolder,
  monitorConfig,
  monitorPort,
  serverConfig,
  serverFolder,
  serverName,
  serverNumbers,
} from './layout.ts'
import { askHealth, type Health } from './monitor.ts'

const READY_MS = 60_000
const POLL_MS = 50
const STOP_MS = { mount: 60_000, monitor: 5000, server: 20_000, master: 60_000 }
const RESTART_AFTER_MS = 1000
/** So many ends of one process within the time are too many. */
const ENDS_MAX = 3
const ENDS_WITHIN_MS = 60_000

const bin = join(import.meta.dirname, '../../bin')

/** A process did not come up. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure'
}

export class LocalCluster {
  readonly #layout: Layout
  readonly #mount: string | undefined
  readonly #say: (text: string) => void
  readonly #children = new Map<string, Child>()
  readonly #ends = new Map<string, number[]>()
  #stopping: Promise<void> | undefined
  /** Why there is no mount although one was wanted. */
  mountProblem: string | undefined
  /** Resolves when all has ended, to the exit code. */
  readonly finished: Promise<number>
  #finish: (code: number) => void = () => {}

  /** @param say tells the person in front of the terminal */
  constructor(layout: Layout, mount: string | undefined, say: (text: string) => void) {
    this.#layout = layout
    this.#mount = mount
    this.#say = say
    this.finished = new Promise(resolve => {
      this.#finish = resolve
    })
  }

  health(): Promise<Health | undefined> {
    return askHealth(HOST, clientsPort(this.#layout))
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined
  }

  get isMounted(): boolean {
    return this.#mount !== undefined && (this.#children.get('mount')?.running ?? false)
  }

  /** @throws StartFailure; what was started until then must be stopped */
  async start(): Promise<void> {
    writeFiles(this.#layout)
    await this.#bringUp('master', async () => (await this.health()) !== undefined)
    const servers = serverNumbers(this.#layout)
    await Promise.all([
      this.#bringUp('monitor', () => this.#monitorAnswers()),
      ...servers.map(number =>
        this.#bringUp(
          serverName(number),
          async () => ((await this.health())?.serversConnected ?? 0) >= this.#layout.chunkservers,
        ),
      ),
    ])
    if (this.#mount !== undefined) await this.#startMount(this.#mount)
  }

  #monitorAnswers(): Promise<boolean> {
    return fetch(`http://${HOST}:${monitorPort(this.#layout)}/`, { redirect: 'manual' }).then(
      () => true,
      () => false,
    )
  }

  async #startMount(mount: string): Promise<void> {
    this.mountProblem = whyNoMount()
    if (this.mountProblem) return
    mkdirSync(mount, { recursive: true })
    try {
      await this.#bringUp('mount', async () => isMountPoint(mount))
    } catch (error) {
      if (!(error instanceof StartFailure) || this.#stopping) throw error
      this.mountProblem = error.message
    }
  }

  /** Starts a process and waits until it is ready. From then on its end is a surprise. */
  async #bringUp(name: string, isReady: () => Promise<boolean>): Promise<void> {
    if (this.#stopping) throw new StartFailure('stopped before everything was started')
    const child = this.#spawn(name)
    let end: End | undefined
    void child.ended.then(how => {
      end = how
    })
    const until = performance.now() + READY_MS
    while (!(await isReady())) {
      if (end) throw new StartFailure(`${name} did not start (${end.how}):\n${indented(end.tail)}`)
      if (performance.now() > until) throw new StartFailure(`${name} is not ready after ${READY_MS / 1000} seconds`)
      await sleep(POLL_MS)
    }
    void child.ended.then(how => this.#onEnd(child, how))
  }

  #spawn(name: string): Child {
    const { data } = this.#layout
    const [program, args] = this.#command(name)
    const child = new Child(name, join(bin, program), args, logFile(data, name))
    this.#children.set(name, child)
    return child
  }

  #command(name: string): [program: string, args: string[]] {
    const config = configFile(this.#layout.data, name)
    if (name === 'master') return ['mfsmaster', ['-f', '-c', config, 'start']]
    if (name === 'monitor') return ['mfscgiserv', ['-f', '-c', config, 'start']]
    if (name !== 'mount') return ['mfschunkserver', ['-f', '-c', config, 'start']]
    return ['mfsmount', ['-f', '-H', HOST, '-P', String(clientsPort(this.#layout)), this.#mount ?? '']]
  }

  #onEnd(child: Child, { how, tail }: End): void {
    if (this.#stopping) return
    if (child.name === 'mount' && how === 'exit code 0') {
      this.#say(`${this.#mount} was unmounted; the servers go on`)
      return
    }
    this.#say(`${child.name} has ended unexpectedly (${how})${tail && `; its last words:\n${indented(tail)}`}`)
    const now = performance.now()
    const ends = [...(this.#ends.get(child.name) ?? []), now].filter(at => now - at < ENDS_WITHIN_MS)
    this.#ends.set(child.name, ends)
    if (ends.length >= ENDS_MAX) {
      this.#say(`${child.name} has ended ${ends.length} times in a minute: stopping everything`)
      void this.stop(1)
      return
    }
    this.#say(`starting ${child.name} again`)
    void this.#restart(child.name)
  }

  async #restart(name: string): Promise<void> {
    await sleep(RESTART_AFTER_MS)
    if (this.#stopping) return
    if (name === 'mount') this.#detachMount()
    const child = this.#spawn(name)
    void child.ended.then(how => this.#onEnd(child, how))
  }

  /** Takes away what a mount leaves behind that could not unmount itself. */
  #detachMount(): void {
    if (this.#mount === undefined || !isMountPoint(this.#mount)) return
    if (process.geteuid?.() === 0) spawnSync('umount', ['-l', this.#mount])
    else spawnSync('fusermount3', ['-u', '-z', this.#mount])
  }

  /** Stops everything in order; `finished` then resolves to `code`, or to 1 when something had to be killed. */
  stop(code: number): Promise<void> {
    this.#stopping ??= this.#stopAll(code)
    return this.#stopping
  }

  async #stopAll(code: number): Promise<void> {
    let inOrder = await this.#stopOne('mount', STOP_MS.mount)
    this.#detachMount()
    inOrder = (await this.#stopOne('monitor', STOP_MS.monitor)) && inOrder
    const servers = serverNumbers(this.#layout).map(number => this.#stopOne(serverName(number), STOP_MS.server))
    for (const stopped of await Promise.all(servers)) inOrder &&= stopped
    inOrder = (await this.#stopOne('master', STOP_MS.master)) && inOrder
    this.#finish(inOrder ? code : 1)
  }

  async #stopOne(name: string, patienceMs: number): Promise<boolean> {
    const child = this.#children.get(name)
    if (!child || (await child.stop(patienceMs))) return true
    this.#say(`${name} did not end within ${patienceMs / 1000} seconds and was killed`)
    return false
  }

  /** Kills what is still there. What was acknowledged to programs is safe even so. */
  killAll(): void {
    for (const child of this.#children.values()) child.kill()
    this.#detachMount()
  }
}

const indented = (text: string) => text.replace(/^/gm, '    ')

function writeFiles(layout: Layout): void {
  const { data, chunkservers } = layout
  const numbers = serverNumbers(layout)
  const folders = [masterFolder(data), join(data, 'etc'), join(data, 'log')]
  for (const folder of [...folders, ...numbers.map(number => chunksFolder(data, number))]) {
    mkdirSync(folder, { recursive: true })
  }
  if (!existsSync(markFile(data))) writeFileSync(join(masterFolder(data), 'metadata.mfs'), 'MFSM NEW', { flag: 'wx' })
  writeFileSync(markFile(data), `${JSON.stringify({ chunkservers })}\n`)
  if (!existsSync(exportsFile(data))) writeFileSync(exportsFile(data), exportsText)
  writeFileSync(configFile(data, 'master'), masterConfig(layout))
  writeFileSync(configFile(data, 'monitor'), monitorConfig(layout))
  for (const number of numbers) {
    mkdirSync(serverFolder(data, number), { recursive: true })
    writeFileSync(configFile(data, serverName(number)), serverConfig(layout, number))
    writeFileSync(configFile(data, `${serverName(number)}-folders`), foldersText(data, number))
  }
}
