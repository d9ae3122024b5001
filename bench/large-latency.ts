// How long metadata operations take at a master of ours with a large tree: at rest, and while it makes a checkpoint.
//   node bench/large-latency.ts FILE [SECONDS [PER_SECOND [PER_FOLDER [ROUNDS]]]]
// FILE is a metadata.mfs of bench/large-metadata.ts, made with PER_FOLDER. A client asks over loopback at a steady rate,
// whatever the answers take; SECONDS is the time at rest, and the checkpoint gives the other one. With ROUNDS both are
// measured so often in turns, and told together: a disk has bad seconds. On a machine that is
// shared most of the latency is other people's work: beside it stands the processor time of the master's main thread,
// and how much of the time that thread could have run and had no processor.
import { type ChildProcess, spawn } from 'node:child_process'
import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MasterSession } from '../src/client/master-session.ts'
import { realEnv } from '../src/env/real.ts'
import * as cltoma from '../src/protocol/cltoma.ts'
import { Reader } from '../src/protocol/codec.ts'
import * as matocl from '../src/protocol/matocl.ts'
import { PER_FOLDER as USUAL_PER_FOLDER } from './large-tree.ts'

const PORT = 29_419
const PROGRAM = join(import.meta.dirname, '../bin/mfsmaster')
const CALLER = { uid: 0, gids: [0] }
const FILE_TYPE = 1
/** The first folder of the tree; its files follow all folders. */
const FIRST_FOLDER = 2
/** What a listing gives when there is no more. */
const END = 0x7fffffffffffffffn
const FIRST_PAGE = { maxEntries: 100, edgeId: 0n }

class Daemon {
  readonly folder: string
  readonly #process: ChildProcess
  #said = ''

  constructor(checkpoint: string) {
    this.folder = mkdtempSync(join(dirname(checkpoint), 'elkfs-latency-'))
    // The master renames and removes its checkpoints, and never writes into them.
    linkSync(checkpoint, join(this.folder, 'metadata.mfs'))
    writeFileSync(join(this.folder, 'mfsexports.cfg'), '* / rw,alldirs,maproot=0:0\n')
    this.#configure('512MiB')
    this.#process = spawn(PROGRAM, ['-c', join(this.folder, 'mfsmaster.cfg'), '-f', 'start'], { stdio: 'pipe' })
    this.#process.stderr?.on('data', text => {
      this.#said += text
    })
  }

  get pid(): number {
    return this.#process.pid as number
  }

  #configure(changelogBytesMax: string): void {
    const ports = ['MATOCL', 'MATOCS', 'MATOML'].flatMap((name, i) => [
      `${name}_LISTEN_HOST = 127.0.0.1`,
      `${name}_LISTEN_PORT = ${PORT + i}`,
    ])
    const rest = ['WORKING_USER = root', 'WORKING_GROUP = root', `DATA_PATH = ${this.folder}`]
    const exports = `EXPORTS_FILENAME = ${join(this.folder, 'mfsexports.cfg')}`
    const lines = [...ports, ...rest, exports, `CHANGELOG_SIZE_MAX = ${changelogBytesMax}`, '']
    writeFileSync(join(this.folder, 'mfsmaster.cfg'), lines.join('\n'))
  }

  /** Waits until it has said so much. */
  async until(what: RegExp): Promise<string> {
    for (;;) {
      const found = what.exec(this.#said)
      if (found) return found[0]
      if (this.#process.exitCode !== null) throw new Error(`the master ended: ${this.#said}`)
      await sleep(50)
    }
  }

  /** A changelog of one byte is too long: that begins a checkpoint. Resolves, when it is stored, to what was said of it. */
  async checkpoint(): Promise<string> {
    this.#said = ''
    this.#configure('1B')
    process.kill(this.pid, 'SIGHUP')
    await sleep(3000)
    this.#configure('512MiB')
    process.kill(this.pid, 'SIGHUP')
    return this.until(/checkpoint of version.*|ALARM.*|no checkpoint was made.*/)
  }

  /** Of the main thread, in milliseconds since its beginning: with a processor, and without one but ready to run. */
  thread(): { ranMs: number; waitedMs: number } {
    const [ran, waited] = readFileSync(`/proc/${this.pid}/task/${this.pid}/schedstat`, 'utf8').split(' ').map(Number)
    return { ranMs: (ran as number) / 1e6, waitedMs: (waited as number) / 1e6 }
  }

  /** Waits until what a start leaves to be done is done. */
  async settled(): Promise<void> {
    for (let ranMs = Infinity; ranMs > 50; ) {
      const before = this.thread().ranMs
      await sleep(1000)
      ranMs = this.thread().ranMs - before
    }
  }

  residentMib(): number {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) / 1024)
  }

  async end(): Promise<void> {
    const ended = new Promise(resolve => this.#process.once('exit', resolve))
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGKILL')
      await ended
    }
    rmSync(this.folder, { recursive: true })
  }
}

/** The mix, over the whole tree. Each operation is some of the hundred. */
class Load {
  readonly #session: MasterSession
  readonly #folders: number
  readonly #files: number
  readonly #perFolder: number
  readonly #mine: { parent: number; name: string }[] = []
  #made = 0
  #latencies = new Map<string, number[]>()
  #failed = 0

  constructor(session: MasterSession, files: number, perFolder: number) {
    this.#session = session
    this.#files = files
    this.#perFolder = perFolder
    this.#folders = Math.ceil(files / perFolder)
  }

  /** Operations at a steady rate until `isDone`; latencies in milliseconds, by operation. */
  async run(perSecond: number, isDone: () => boolean): Promise<Map<string, number[]>> {
    this.#latencies = new Map()
    const started = performance.now()
    const pending: Promise<void>[] = []
    for (let issued = 0; !isDone(); ) {
      await sleep(1)
      const due = Math.floor(((performance.now() - started) / 1000) * perSecond)
      for (; issued < due; issued++) pending.push(this.#one())
    }
    await Promise.all(pending)
    if (this.#failed > 0) throw new Error(`${this.#failed} operations failed`)
    return this.#latencies
  }

  async #one(): Promise<void> {
    const draw = Math.random() * 100
    if (draw < 40) return this.#time('getattr', this.#getattr())
    if (draw < 65) return this.#time('lookup', this.#lookup())
    if (draw < 70) return this.#time('readdir of 100', this.#readdir())
    if (draw < 80 || this.#mine.length === 0) return this.#time('create', this.#create())
    if (draw < 90) return this.#time('unlink', this.#unlink())
    return this.#time('rename', this.#rename())
  }

  async #time(operation: string, answer: Promise<{ status?: number | undefined } | undefined>): Promise<void> {
    const startMs = performance.now()
    const { status = 0 } = (await answer) ?? { status: -1 }
    if (status !== 0) this.#failed++
    const list = this.#latencies.get(operation) ?? []
    this.#latencies.set(operation, list)
    list.push(performance.now() - startMs)
  }

  #someFile(): number {
    return Math.floor(Math.random() * this.#files)
  }

  #someFolder(): number {
    return FIRST_FOLDER + Math.floor(Math.random() * this.#folders)
  }

  #getattr() {
    const inode = FIRST_FOLDER + this.#folders + this.#someFile()
    return this.#session.ask(cltoma.fuseGetattr, { inode, opened: 0, uid: 0, gid: 0 }, matocl.fuseGetattr)
  }

  #lookup() {
    const file = this.#someFile()
    const parent = FIRST_FOLDER + Math.floor(file / this.#perFolder)
    const name = `f${String(file).padStart(15, '0')}`
    return this.#session.ask(cltoma.fuseLookup, { parent, name, caller: CALLER }, matocl.fuseLookup)
  }

  #readdir() {
    const question = { inode: this.#someFolder(), caller: CALLER, flags: 0, page: FIRST_PAGE }
    return this.#session.ask(cltoma.fuseReaddir, question, matocl.fuseReaddir)
  }

  /** Lists the first folder as far as it goes. @returns names listed */
  async list(maxEntries: number): Promise<number> {
    let edgeId = 0n
    let names = 0
    do {
      const question = { inode: FIRST_FOLDER, caller: CALLER, flags: 0, page: { maxEntries, edgeId } }
      const answer = await this.#session.ask(cltoma.fuseReaddir, question, matocl.fuseReaddir)
      if (!answer || answer.status !== undefined) throw new Error(`readdir: ${answer?.status}`)
      const entries = new Reader(answer.entries)
      for (; entries.left > 0; names++) matocl.dirent.read(entries)
      edgeId = answer.edgeId ?? END
    } while (edgeId !== END)
    return names
  }

  #newName(): string {
    return `new-${String(this.#made++).padStart(12, '0')}`
  }

  async #create() {
    const place = { parent: this.#someFolder(), name: this.#newName() }
    const question = { ...place, type: FILE_TYPE, mode: 0o644, umask: 0, caller: CALLER, rdev: 0 }
    const answer = await this.#session.ask(cltoma.fuseMknod, question, matocl.fuseMknod)
    this.#mine.push(place)
    return answer
  }

  #takeMine() {
    const at = Math.floor(Math.random() * this.#mine.length)
    return this.#mine.splice(at, 1)[0] as { parent: number; name: string }
  }

  #unlink() {
    return this.#session.ask(cltoma.fuseUnlink, { ...this.#takeMine(), caller: CALLER }, matocl.fuseUnlink)
  }

  async #rename() {
    const source = this.#takeMine()
    const target = { parent: this.#someFolder(), name: this.#newName() }
    const names = { parentSource: source.parent, nameSource: source.name, parentTarget: target.parent }
    const question = { ...names, nameTarget: target.name, caller: CALLER, mode: 0 }
    const answer = await this.#session.ask(cltoma.fuseRename, question, matocl.fuseRename)
    this.#mine.push(target)
    return answer
  }
}

function report(title: string, latencies: Map<string, number[]>): void {
  const line = (operation: string, list: number[]) => {
    const sorted = list.toSorted((a, b) => a - b)
    const at = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] as number).toFixed(2).padStart(9)
    const columns = [0.5, 0.99, 0.999, 1].map(at).join('')
    console.log(`${title.padEnd(12)} ${operation.padEnd(16)} ${String(list.length).padStart(7)} ${columns}`)
  }
  console.log(`${''.padEnd(37)}   p50      p99    p99.9      max  (ms)`)
  for (const [operation, list] of [...latencies].sort()) line(operation, list)
  line('all', [...latencies.values()].flat())
}

/** Adds latencies of one round to those of all. */
function pool(all: Map<string, number[]>, more: Map<string, number[]>): void {
  for (const [operation, list] of more) all.set(operation, [...(all.get(operation) ?? []), ...list])
}

/** The load for a while, and what the master's main thread did meanwhile. */
async function measure(title: string, daemon: Daemon, load: Load, perSecond: number, isDone: () => boolean) {
  const [before, startMs] = [daemon.thread(), performance.now()]
  const latencies = await load.run(perSecond, isDone)
  const [after, ms] = [daemon.thread(), performance.now() - startMs]
  report(title, latencies)
  const count = [...latencies.values()].reduce((sum, list) => sum + list.length, 0)
  const ran = (((after.ranMs - before.ranMs) / count) * 1000).toFixed(0)
  const waited = (((after.waitedMs - before.waitedMs) / ms) * 100).toFixed(0)
  console.log(
    `${title}: ${ran} us of processor time an operation; ready to run without a processor ${waited} % of the time`,
  )
  return latencies
}

async function listAll(daemon: Daemon, load: Load, maxEntries: number): Promise<void> {
  const [before, startMs] = [daemon.thread(), performance.now()]
  const names = await load.list(maxEntries)
  const ran = ((daemon.thread().ranMs - before.ranMs) * 1000) / names
  const seconds = ((performance.now() - startMs) / 1000).toFixed(2)
  console.log(`${names} names by ${maxEntries}: ${seconds} s, ${ran.toFixed(2)} us of processor time a name`)
}

const [file = '', seconds = '60', rate = '500', inFolder = `${USUAL_PER_FOLDER}`, rounds = '1'] = process.argv.slice(2)
const [perSecond, perFolder] = [Number(rate), Number(inFolder)]
const quiet = () => {}
const env = realEnv({ debug: quiet, info: quiet, notice: quiet, warning: console.error, error: console.error })
const news = {
  ...{ chunkHasChanged: quiet, lengthHasChanged: quiet, serversHaveChanged: quiet, renewed: quiet },
  ...{ folderRecalled: quiet, disconnected: quiet },
}
const daemon = new Daemon(file)
try {
  await daemon.until(/main master server module: listen/)
  const session = await MasterSession.connect(
    env,
    {
      ...{ hosts: ['127.0.0.1'], port: PORT, bindHost: undefined, info: '/bench', folder: '/', meta: false },
      ...{ passwordDigest: undefined, rememberPassword: false, patient: false, giveUpMs: 60_000 },
    },
    news,
  )
  const { inodes = 0 } = (await session.ask(cltoma.fuseStatfs, {}, matocl.fuseStatfs)) ?? {}
  console.log(`${inodes} inodes, ${daemon.residentMib()} MiB resident`)
  const load = new Load(session, Math.floor(((inodes - 1) * perFolder) / (perFolder + 1)), perFolder)
  const until = (ms: number) => {
    const end = performance.now() + ms
    return () => performance.now() >= end
  }
  await daemon.settled()
  await load.run(perSecond, until(3000))
  const pooled = { 'at rest': new Map<string, number[]>(), checkpoint: new Map<string, number[]>() }
  for (let round = 1; round <= Number(rounds); round++) {
    pool(pooled['at rest'], await measure('at rest', daemon, load, perSecond, until(Number(seconds) * 1000)))
    let said: string | undefined
    const checkpoint = daemon.checkpoint().then(text => {
      said = text
    })
    pool(pooled.checkpoint, await measure('checkpoint', daemon, load, perSecond, () => said !== undefined))
    await checkpoint
    console.log(said)
  }
  if (Number(rounds) > 1) for (const [title, latencies] of Object.entries(pooled)) report(`all ${title}`, latencies)
  for (const maxEntries of [1000, 0xffffffff]) await listAll(daemon, load, maxEntries)
  await session.close()
} finally {
  await daemon.end()
}
