// A small cluster of real and own daemons in a network namespace of its own: the real ones refuse peers on 127.x.
// Everything it makes lies in one temporary folder and one namespace, and goes with close().
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from './leftovers.ts'

/** Why the tests can't run here; undefined when they can. */
export function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces and mounts'
  if (!existsSync('/dev/fuse')) return 'needs /dev/fuse'
  return undefined
}

export const MASTER_IP = '10.88.0.1'

export class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'elkfs-interop-'))
  readonly mountPoint = join(this.folder, 'mnt')
  readonly masterFolder = join(this.folder, 'master')
  /** What mfsexports.cfg of a started master says. */
  exports = '* / rw,alldirs,admin,maproot=0:0\n* . rw\n'
  readonly #namespace = `elkfs-${process.pid}-${Math.floor(Math.random() * 1e6)}`
  /** More lines of mfsmaster.cfg and, by host, of mfschunkserver.cfg, for daemons that are started as administrators do. */
  readonly masterLines: string[] = []
  readonly chunkserverLines = new Map<number, string[]>()
  readonly #otherMounts: string[] = []
  #master: ChildProcess | undefined
  /** What our master has logged since it was started. */
  masterLog = () => ''
  readonly #chunkservers = new Map<number, ChildProcess>()
  /** What our chunkservers logged so far. */
  readonly chunkserverLogs = new Map<number, () => string>()

  readonly #forget = atEnd(() => this.remove())

  constructor() {
    for (const folder of [this.mountPoint, this.masterFolder]) mkdirSync(folder)
    execFileSync('ip', ['netns', 'add', this.#namespace])
    execFileSync('ip', ['-n', this.#namespace, 'link', 'set', 'lo', 'up'])
    for (let host = 1; host <= 4; host++) {
      execFileSync('ip', ['-n', this.#namespace, 'addr', 'add', `10.88.0.${host}/24`, 'dev', 'lo'])
    }
    writeFileSync(join(this.masterFolder, 'metadata.mfs'), 'MFSM NEW')
  }

  /** Runs a program inside the namespace, with the mounts of this machine. @throws Error with its output */
  run(program: string, ...args: string[]): string {
    const command = [`--net=/run/netns/${this.#namespace}`, program, ...args]
    const { status, stdout, stderr } = spawnSync('nsenter', command, { encoding: 'utf8', timeout: 60_000 })
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}: ${stdout}${stderr}`)
    return stdout
  }

  /** Starts a program inside the namespace that goes on meanwhile; its owner ends it. */
  spawn(program: string, ...args: string[]): ChildProcess {
    return spawn('nsenter', [`--net=/run/netns/${this.#namespace}`, program, ...args])
  }

  /** Starts our master and waits until it serves. */
  startOurMaster(): Promise<void> {
    const program = join(import.meta.dirname, 'master-process.ts')
    const net = `--net=/run/netns/${this.#namespace}`
    const master = spawn('nsenter', [net, process.execPath, program, this.masterFolder, MASTER_IP])
    this.#master = master
    return new Promise((resolve, reject) => {
      let log = ''
      this.masterLog = () => log
      master.stderr?.on('data', text => {
        log += text
      })
      master.stdout?.once('data', () => resolve())
      master.once('exit', code => reject(new Error(`our master ended with ${code}:\n${log}`)))
    })
  }

  /** Ends our master, with SIGKILL or SIGTERM, and waits for its end. */
  stopOurMaster(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const master = this.#master
    this.#master = undefined
    // It may have ended by itself, of a disk that failed.
    if (!master || master.exitCode !== null) return Promise.resolve()
    return new Promise(resolve => {
      master.once('exit', () => resolve())
      master.kill(signal)
    })
  }

  startRealMaster(...options: string[]): void {
    this.startMasterWith('mfsmaster', ...options)
  }

  /** A master as administrators start one: `program` is that of Debian or ours. */
  startMasterWith(program: string, ...options: string[]): void {
    const exports = join(this.folder, 'exports.cfg')
    writeFileSync(exports, this.exports)
    const listen = ['MATOCL', 'MATOCS', 'MATOML'].map(port => `${port}_LISTEN_HOST=${MASTER_IP}`)
    const lines = [`DATA_PATH=${this.masterFolder}`, `EXPORTS_FILENAME=${exports}`, ...listen, ...this.masterLines]
    this.run(program, '-c', this.#config('master', lines), ...options, 'start')
  }

  /** Gives a master that runs other rules. */
  reloadExports(program: string, exports: string): void {
    writeFileSync(join(this.folder, 'exports.cfg'), exports)
    this.run(program, '-c', join(this.folder, 'master.cfg'), 'reload')
  }

  stopRealMaster(): void {
    this.run('mfsmaster', '-c', join(this.folder, 'master.cfg'), 'stop')
  }

  /** A real chunkserver at 10.88.0.`host`. */
  startRealChunkserver(host: number): void {
    this.startChunkserverWith('mfschunkserver', host)
  }

  /** A chunkserver as administrators start one, at 10.88.0.`host`. */
  startChunkserverWith(program: string, host: number): void {
    const [data, disk] = [join(this.folder, `cs${host}`), join(this.folder, `disk${host}`)]
    const disks = join(this.folder, `hdd${host}.cfg`)
    for (const folder of [data, disk]) mkdirSync(folder, { recursive: true })
    writeFileSync(disks, `${disk}\n`)
    const address = `10.88.0.${host}`
    const lines = [
      `DATA_PATH=${data}`,
      `HDD_CONF_FILENAME=${disks}`,
      'HDD_LEAVE_SPACE_DEFAULT=64MiB',
      `MASTER_HOST=${MASTER_IP}`,
      `BIND_HOST=${address}`,
      `CSSERV_LISTEN_HOST=${address}`,
      'MASTER_RECONNECTION_DELAY=1',
      ...(this.chunkserverLines.get(host) ?? []),
    ]
    this.run(program, '-c', this.#config(`chunkserver${host}`, lines), 'start')
  }

  /** kill -9. */
  killRealChunkserver(host: number): void {
    const name = `chunkserver${host}.cfg`
    for (const pid of this.pids()) {
      const command = spawnSync('ps', ['-o', 'args=', '-p', pid], { encoding: 'utf8' }).stdout
      if (command.includes(name)) process.kill(Number(pid), 'SIGKILL')
    }
  }

  /** Our chunkserver at 10.88.0.`host`, on the folders that a real one would use; waits until it serves. */
  async startOurChunkserver(host: number, ...options: string[]): Promise<void> {
    const [data, disk] = [join(this.folder, `cs${host}`), join(this.folder, `disk${host}`)]
    const disks = join(this.folder, `hdd${host}.cfg`)
    for (const folder of [data, disk]) mkdirSync(folder, { recursive: true })
    if (!existsSync(disks)) writeFileSync(disks, `${disk}\n`)
    const program = join(import.meta.dirname, 'chunkserver-process.ts')
    const where = [data, disks, `10.88.0.${host}`, MASTER_IP, ...options]
    const net = `--net=/run/netns/${this.#namespace}`
    const server = spawn('nsenter', [net, process.execPath, program, ...where])
    this.#chunkservers.set(host, server)
    let log = ''
    this.chunkserverLogs.set(host, () => log)
    server.stderr?.on('data', text => {
      log += text
    })
    await new Promise<void>((resolve, reject) => {
      server.stdout?.once('data', () => resolve())
      server.once('exit', code => reject(new Error(`our chunkserver ended with ${code}:\n${log}`)))
    })
  }

  /** Ends our chunkserver and waits for its end. */
  stopOurChunkserver(host: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const server = this.#chunkservers.get(host)
    this.#chunkservers.delete(host)
    if (!server || server.exitCode !== null) return Promise.resolve()
    return new Promise(resolve => {
      server.once('exit', () => resolve())
      server.kill(signal)
    })
  }

  stopRealChunkserver(host: number): void {
    this.run('mfschunkserver', '-c', join(this.folder, `chunkserver${host}.cfg`), 'stop')
  }

  /** @param master where it looks for the master */
  mountReal(master = MASTER_IP): void {
    this.mountWith('mfsmount', this.mountPoint, master)
  }

  /** A mount as administrators make one, at a folder of its own. */
  mountWith(program: string, folder: string, master = MASTER_IP, ...options: string[]): void {
    this.run(program, folder, '-H', master, ...options)
    if (folder !== this.mountPoint && !this.#otherMounts.includes(folder)) this.#otherMounts.push(folder)
  }

  mountOurs(...options: string[]): void {
    this.mountOursAt(this.mountPoint, ...options)
  }

  /** Our mount at a folder of its own. */
  mountOursAt(folder: string, ...options: string[]): void {
    const program = join(import.meta.dirname, '../../src/cli/mfsmount.ts')
    this.run(process.execPath, program, folder, '-H', MASTER_IP, ...options)
    if (folder !== this.mountPoint && !this.#otherMounts.includes(folder)) this.#otherMounts.push(folder)
  }

  /** The real mount of trash and sustained files. */
  mountRealMeta(folder: string): void {
    this.run('mfsmount', '-m', folder, '-H', MASTER_IP)
    this.#otherMounts.push(folder)
  }

  /** Runs a program inside the namespace with this input. */
  feed(input: string, program: string, ...args: string[]): { stdout: string; stderr: string; status: number | null } {
    const command = [`--net=/run/netns/${this.#namespace}`, program, ...args]
    return spawnSync('nsenter', command, { encoding: 'utf8', input, timeout: 300_000, maxBuffer: 1 << 28 })
  }

  /** Runs a line of shell inside the namespace. */
  shell(line: string): { stdout: string; stderr: string; status: number | null } {
    const command = [`--net=/run/netns/${this.#namespace}`, 'sh', '-c', line]
    return spawnSync('nsenter', command, { encoding: 'utf8', timeout: 120_000 })
  }

  async close(): Promise<void> {
    for (const folder of [...this.#otherMounts, this.mountPoint]) spawnSync('umount', ['-l', folder])
    for (const host of [...this.#chunkservers.keys()]) await this.stopOurChunkserver(host, 'SIGKILL')
    await this.stopOurMaster('SIGKILL')
    this.remove()
  }

  /** Everything at once, for a test that is broken off. */
  remove(): void {
    for (const folder of [...this.#otherMounts, this.mountPoint])
      spawnSync('umount', ['-l', folder], { stdio: 'ignore' })
    for (const pid of this.pids()) spawnSync('kill', ['-9', pid])
    spawnSync('ip', ['netns', 'del', this.#namespace])
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
    this.#forget()
  }

  /** The processes in the namespace. */
  pids(): string[] {
    const { stdout } = spawnSync('ip', ['netns', 'pids', this.#namespace], { encoding: 'utf8' })
    return stdout.split('\n').filter(pid => pid !== '')
  }

  #config(name: string, lines: string[]): string {
    const path = join(this.folder, `${name}.cfg`)
    writeFileSync(path, ['WORKING_USER=root', 'WORKING_GROUP=root', ...lines, ''].join('\n'))
    return path
  }
}
