// The five hosts of the public recipe in network namespaces: two masters with etcd and keepalived, two chunkservers (one
// with the third etcd), a client with a mount on the virtual address. Everything it makes goes with close().
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepalivedConfig } from '../../src/ha/keepalived-config.ts'
import { installPackages } from '../interop/packages.ts'

const source = (path: string) => join(import.meta.dirname, '../../src', path)

export const VIRTUAL_ADDRESS = '192.168.1.99'
const hosts = { cobbler1: 8, cobbler2: 9, chunk1: 10, chunk2: 11, client: 12 } as const
export type Host = keyof typeof hosts
export type MasterHost = 'cobbler1' | 'cobbler2'
export type ChunkHost = 'chunk1' | 'chunk2'
export const chunkHosts: readonly ChunkHost[] = ['chunk1', 'chunk2']
export const masterHosts: readonly MasterHost[] = ['cobbler1', 'cobbler2']
const DISK_MIB = 256
/** Where five machines and a load share two cores, keepalived and mfsha take seconds to say that a follower shall lead. */
const PAIR_TIMEOUT_MS = 10_000
/** Has no etcd: a witness needs none. */
const WITNESS_HOST: ChunkHost = 'chunk2'
const WITNESS = 'witness'
const etcdHosts: readonly Host[] = ['cobbler1', 'cobbler2', 'chunk1']

export const addressOf = (host: Host) => `192.168.1.${hosts[host]}`
export const otherMaster = (host: MasterHost): MasterHost => (host === 'cobbler1' ? 'cobbler2' : 'cobbler1')

export interface Status {
  name: string
  role: string
  epoch: number
  version: number
  isInSync?: boolean
  /** Of a leader: those that are connected. */
  followers?: { name: string; isInSync: boolean }[]
  /** Of a leader: as recorded. */
  inSync?: string[]
}

export class Lab {
  readonly folder = mkdtempSync(join(tmpdir(), 'elkfs-lab-'))
  readonly mountPoint = join(this.folder, 'mnt')
  readonly #prefix = `elklab${process.pid}`
  readonly #processes = new Map<string, ChildProcess>()
  readonly #mounts = new Set<string>()
  readonly #mode: 'etcd' | 'keepalived'
  readonly #chunkservers: 'real' | 'ours'
  readonly #hasWitness: boolean

  /**
   * @param mode HA_MODE of the masters; keepalived: there is no etcd
   * @param chunkservers Debian's, or ours
   * @param hasWitness a metalogger that acknowledges lines runs beside a chunkserver
   */
  constructor(mode: 'etcd' | 'keepalived' = 'etcd', chunkservers: 'real' | 'ours' = 'real', hasWitness = false) {
    this.#mode = mode
    this.#chunkservers = chunkservers
    this.#hasWitness = hasWitness
  }

  /** @throws Error with what a command said */
  async open(): Promise<void> {
    installPackages({ etcd: 'etcd-server', keepalived: 'keepalived', nft: 'nftables', tcpdump: 'tcpdump' })
    mkdirSync(this.mountPoint)
    this.#ip('netns', 'add', this.#namespace('switch'))
    this.#ip('-n', this.#namespace('switch'), 'link', 'add', 'br0', 'type', 'bridge')
    this.#ip('-n', this.#namespace('switch'), 'link', 'set', 'br0', 'up')
    for (const host of Object.keys(hosts) as Host[]) this.#addHost(host)
    if (this.#mode === 'etcd') for (const host of etcdHosts) this.#startEtcd(host)
    for (const host of masterHosts) {
      this.#makeDataFolder(host)
      this.startMaster(host)
    }
    writeFileSync(join(this.folder, 'exports.cfg'), '* / rw,alldirs,admin,maproot=0:0\n* . rw\n')
    if (this.#mode === 'etcd') await this.until('a master leads', 60, () => this.leader())
    if (this.#hasWitness) this.#startWitness()
    for (const host of masterHosts) this.startKeepalived(host)
    for (const host of chunkHosts) this.startChunkserver(host)
    await this.until('the address is there', 30, () => this.holders().length === 1)
    await this.until('both masters are in sync', 60, () => this.areInSync())
    await this.until('the mount', 60, () => this.mount(this.mountPoint, VIRTUAL_ADDRESS))
    await this.until('a file can be written', 60, () => this.shell('client', `echo x > ${this.mountPoint}/first`) === 0)
  }

  #namespace = (host: string) => `${this.#prefix}-${host}`

  #ip(...args: string[]): void {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  }

  #addHost(host: Host): void {
    const [inside, outside] = [this.#namespace(host), this.#namespace('switch')]
    const port = `p${hosts[host]}`
    this.#ip('netns', 'add', inside)
    this.#ip('-n', inside, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', port, 'netns', outside)
    this.#ip('-n', outside, 'link', 'set', port, 'master', 'br0', 'up')
    this.#ip('-n', inside, 'link', 'set', 'lo', 'up')
    this.#ip('-n', inside, 'addr', 'add', `${addressOf(host)}/24`, 'dev', 'eth1')
    this.#ip('-n', inside, 'link', 'set', 'eth1', 'up')
  }

  /** Pulls the cable of a host, or puts it back. */
  setCable(host: Host, isIn: boolean): void {
    this.#ip('-n', this.#namespace('switch'), 'link', 'set', `p${hosts[host]}`, isIn ? 'up' : 'down')
  }

  /**
   * Everything that a host sends (or is sent) is lost.
   * @param peer only to and from this one
   */
  lose(host: Host, direction: 'output' | 'input', peer?: Host): void {
    const rule = `${direction === 'output' ? 'oifname' : 'iifname'} eth1`
    const ofPeer = peer ? `ip ${direction === 'output' ? 'daddr' : 'saddr'} ${addressOf(peer)}` : ''
    this.#nft(host, 'add table inet lab')
    this.#nft(host, `add chain inet lab ${direction} { type filter hook ${direction} priority 0; }`)
    this.#nft(host, `add rule inet lab ${direction} ${rule} ${ofPeer} drop`)
  }

  loseNoMore(host: Host): void {
    this.#nft(host, 'delete table inet lab')
  }

  #nft(host: Host, command: string): void {
    execFileSync('nsenter', [`--net=/run/netns/${this.#namespace(host)}`, 'nft', command], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  }

  dataFolder = (host: MasterHost) => join(this.folder, host)

  /** On a disk of its own, small enough to be filled. */
  #makeDataFolder(host: MasterHost): void {
    const folder = this.dataFolder(host)
    mkdirSync(folder)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'elklab', folder])
    this.#mounts.add(folder)
  }

  /** As after a new disk. */
  emptyDataFolder(host: MasterHost): void {
    const folder = this.dataFolder(host)
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
  }

  /** Fills the disk of a master to the last byte, or makes room again. */
  setDiskFull(host: MasterHost, isFull: boolean): void {
    const filler = join(this.dataFolder(host), 'filler')
    if (isFull) spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'], { stdio: 'ignore' })
    else rmSync(filler, { force: true })
  }

  /** Starts a program on a host; its output goes to NAME.log. */
  #start(name: string, host: Host, program: string, args: string[]): ChildProcess {
    const log = openSync(join(this.folder, `${name}.log`), 'a')
    const child = spawn('nsenter', [`--net=/run/netns/${this.#namespace(host)}`, program, ...args], {
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#processes.set(name, child)
    return child
  }

  log(name: string): string {
    return readFileSync(join(this.folder, `${name}.log`), 'utf8')
  }

  isRunning(name: string): boolean {
    const child = this.#processes.get(name)
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  async end(name: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#processes.get(name)
    if (!child || !this.isRunning(name)) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  signal(name: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#processes.get(name)?.kill(signal)
  }

  /** All programs of all hosts: as when the machine that carries them is suspended, or resumed. */
  signalAll(signal: 'SIGSTOP' | 'SIGCONT'): void {
    const pids = Object.keys(hosts).flatMap(host => this.#pidsOf(host))
    spawnSync('kill', ['-s', signal.slice(3), ...pids])
  }

  #pidsOf(host: string): string[] {
    const { stdout } = spawnSync('ip', ['netns', 'pids', this.#namespace(host)], { encoding: 'utf8' })
    return stdout.split('\n').filter(Boolean)
  }

  #startEtcd(host: Host): void {
    const url = (of: Host, port: number) => `http://${addressOf(of)}:${port}`
    const cluster = etcdHosts.map(member => `${member}=${url(member, 2380)}`).join(',')
    this.#start(`etcd-${host}`, host, 'etcd', [
      ...['--name', host, '--data-dir', join(this.folder, `etcd-${host}`), '--initial-cluster', cluster],
      ...['--listen-client-urls', url(host, 2379), '--advertise-client-urls', url(host, 2379)],
      ...['--listen-peer-urls', url(host, 2380), '--initial-advertise-peer-urls', url(host, 2380)],
      // A member that comes back from behind a cut cable must not force an election.
      '--pre-vote',
    ])
  }

  #write(name: string, lines: readonly string[]): string {
    const path = join(this.folder, name)
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }

  #masterConfig(host: MasterHost): string {
    const etcd = [host, ...etcdHosts.filter(other => other !== host)].map(member => `http://${addressOf(member)}:2379`)
    return this.#write(`${host}.cfg`, [
      'WORKING_USER=root',
      'WORKING_GROUP=root',
      `DATA_PATH=${this.dataFolder(host)}`,
      `EXPORTS_FILENAME=${join(this.folder, 'exports.cfg')}`,
      `HA_MODE=${this.#mode}`,
      `HA_PEER=${addressOf(otherMaster(host))}`,
      `HA_NAME=${host}`,
      `HA_ADDRESS=${addressOf(host)}`,
      `HA_VIRTUAL_ADDRESS=${VIRTUAL_ADDRESS}`,
      'HA_AUTH_CODE=lab',
      `HA_ETCD=${etcd.join(',')}`,
      ...(this.#mode === 'keepalived' ? [`HA_FOLLOWER_TIMEOUT=${PAIR_TIMEOUT_MS}`] : []),
    ])
  }

  startMaster(host: MasterHost): void {
    const exports = join(this.folder, 'exports.cfg')
    writeFileSync(exports, '* / rw,alldirs,admin,maproot=0:0\n* . rw\n')
    // One of the two brings the file system, as when a single master becomes two.
    if (host === 'cobbler1' && !this.#processes.has(host)) {
      writeFileSync(join(this.dataFolder(host), 'metadata.mfs'), 'MFSM NEW')
    }
    this.#start(host, host, process.execPath, [
      source('cli/mfsmaster.ts'),
      '-c',
      this.#masterConfig(host),
      '-f',
      'start',
    ])
  }

  #startWitness(): void {
    const data = join(this.folder, WITNESS)
    mkdirSync(data)
    const config = this.#write(`${WITNESS}.cfg`, [
      'WORKING_USER=root',
      'WORKING_GROUP=root',
      `DATA_PATH=${data}`,
      `MASTER_HOST=${masterHosts.map(addressOf).join(',')}`,
      'METALOGGER_ACK=1',
      `HA_NAME=${WITNESS}`,
      `HA_ADDRESS=${addressOf(WITNESS_HOST)}`,
      'HA_AUTH_CODE=lab',
    ])
    const program = source('cli/mfsmetalogger.ts')
    this.#start(WITNESS, WITNESS_HOST, process.execPath, [program, '-c', config, '-f', 'start'])
  }

  startKeepalived(host: MasterHost): void {
    const text = keepalivedConfig({
      virtualAddress: `${VIRTUAL_ADDRESS}/24`,
      device: 'eth1',
      ownAddress: addressOf(host),
      peers: [addressOf(otherMaster(host))],
      priority: host === 'cobbler1' ? 100 : 99,
      routerId: 51,
      dataFolder: this.dataFolder(host),
      ...(this.#mode === 'keepalived' ? { mfsha: this.#mfshaCommand(host) } : {}),
    })
    const config = this.#write(`${host}-keepalived.conf`, [text])
    const pids = ['--pid', '--vrrp_pid', '--checkers_pid'].flatMap(option => [
      option,
      join(this.folder, `${host}${option}`),
    ])
    this.#start(`keepalived-${host}`, host, 'keepalived', ['-n', '-l', '-D', '-P', '-f', config, ...pids])
  }

  #mfshaCommand = (host: MasterHost) =>
    `${join(import.meta.dirname, '../../bin/mfsha')} -c ${join(this.folder, `${host}.cfg`)}`

  /** Where the chunks of a chunkserver lie. */
  diskOf = (host: ChunkHost) => join(this.folder, `${host}-disk`)

  startChunkserver(host: ChunkHost): void {
    // The second one knows a master that may be a follower, and goes where it is sent.
    const master = host === 'chunk1' ? VIRTUAL_ADDRESS : addressOf('cobbler2')
    const [data, disk] = [join(this.folder, host), this.diskOf(host)]
    for (const folder of [data, disk]) mkdirSync(folder, { recursive: true })
    const disks = this.#write(`${host}-hdd.cfg`, [disk])
    const config = this.#write(`${host}.cfg`, [
      'WORKING_USER=root',
      'WORKING_GROUP=root',
      `DATA_PATH=${data}`,
      `HDD_CONF_FILENAME=${disks}`,
      'HDD_LEAVE_SPACE_DEFAULT=64MiB',
      `MASTER_HOST=${master}`,
      'MASTER_RECONNECTION_DELAY=1',
      // Planted chunks are nothing but names.
      ...(this.#chunkservers === 'ours' ? ['HDD_TEST_SPEED=0'] : []),
    ])
    const options = ['-c', config, '-f', 'start']
    if (this.#chunkservers === 'real') this.#start(host, host, 'mfschunkserver', options)
    else this.#start(host, host, process.execPath, [source('cli/mfschunkserver.ts'), ...options])
  }

  /** Mounts with Debian's mfsmount on the client. @returns whether it could */
  mount(folder: string, master: string): boolean {
    this.#mounts.add(folder)
    return this.shell('client', `mfsmount ${folder} -H ${master}`) === 0
  }

  /** Mounts with our own mount, which is told all masters and needs no virtual address. */
  async mountOurs(folder: string): Promise<void> {
    this.#mounts.add(folder)
    const masters = masterHosts.map(addressOf).join(',')
    this.#start('our-mount', 'client', process.execPath, [source('cli/mfsmount.ts'), folder, '-H', masters, '-f'])
    await this.until('our mount', 60, () => this.shell('client', `mountpoint -q ${folder}`) === 0)
  }

  /** @returns the exit code */
  shell(host: Host, line: string): number | null {
    const command = [`--net=/run/netns/${this.#namespace(host)}`, 'sh', '-c', line]
    return spawnSync('nsenter', command, { encoding: 'utf8', timeout: 60_000 }).status
  }

  /** What a line of shell on a host prints. @throws Error with what it complained of */
  output(host: Host, line: string): string {
    const command = [`--net=/run/netns/${this.#namespace(host)}`, 'sh', '-c', line]
    return execFileSync('nsenter', command, { encoding: 'utf8', timeout: 60_000 })
  }

  /** A Node program on a host, whose input and output are the caller's. */
  program(host: Host, ...args: string[]): ChildProcess {
    const command = [`--net=/run/netns/${this.#namespace(host)}`, process.execPath, ...args]
    const child = spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#processes.set(`program-${child.pid}`, child)
    writeFileSync(join(this.folder, `program-${child.pid}.log`), '')
    return child
  }

  /** A line of shell on a host that goes on beside. */
  background(name: string, host: Host, line: string): void {
    this.#start(name, host, 'sh', ['-c', line])
  }

  /** Keeps what the client and the masters say to each other in client.pcap. */
  capture(): void {
    const file = join(this.folder, 'client.pcap')
    this.#start('tcpdump', 'client', 'tcpdump', ['-i', 'eth1', '-U', '-w', file, 'tcp port 9421'])
  }

  mfsha(host: MasterHost, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const net = `--net=/run/netns/${this.#namespace(host)}`
    const command = [net, process.execPath, source('cli/mfsha.ts'), '-c', join(this.folder, `${host}.cfg`), ...args]
    return spawnSync('nsenter', command, { encoding: 'utf8', timeout: 60_000 })
  }

  status(host: MasterHost): Status | undefined {
    const { stdout } = this.mfsha(host, 'status', '--json')
    return stdout.startsWith('{') ? (JSON.parse(stdout) as Status) : undefined
  }

  leader(): MasterHost | undefined {
    if (this.#mode === 'keepalived') return masterHosts.find(host => this.status(host)?.role === 'leading')
    return masterHosts.find(host => this.isRunning(host) && readTrack(this.dataFolder(host)) === '0')
  }

  /** The recorded set alone may have a follower that is gone: a new leader finds it so, and has yet to shorten it. */
  areInSync(): boolean {
    return this.#inSync().length === masterHosts.length - 1 + (this.#hasWitness ? 1 : 0)
  }

  /** The leader has nobody but the witness. */
  isAloneWithWitness(): boolean {
    return this.#inSync().join() === WITNESS
  }

  #inSync(): string[] {
    const leader = this.leader()
    const followers = leader && this.status(leader)?.followers
    return (followers ?? []).filter(({ isInSync }) => isInSync).map(({ name }) => name)
  }

  /** Hosts that have the virtual address. */
  holders(): MasterHost[] {
    return masterHosts.filter(host => this.shell(host, `ip addr show dev eth1 | grep -q ${VIRTUAL_ADDRESS}/`) === 0)
  }

  /** @throws Error naming what did not come about, with the ends of all logs */
  async until(what: string, seconds: number, isSo: () => unknown): Promise<void> {
    for (let i = 0; i < seconds * 5; i++) {
      if (isSo()) return
      await sleep(200)
    }
    const logs = [...this.#processes.keys()].map(name => `--- ${name}\n${this.log(name).slice(-1500)}`)
    throw new Error(`${what}: not within ${seconds} s\n${logs.join('\n')}`)
  }

  async close(): Promise<void> {
    for (const folder of this.#mounts) spawnSync('umount', ['-l', folder])
    // Whoever waits for a mount ends only when that has ended too.
    const ends = [...this.#processes.keys()].map(name => this.end(name, 'SIGKILL'))
    for (const host of [...Object.keys(hosts), 'switch']) {
      for (const pid of this.#pidsOf(host)) spawnSync('kill', ['-9', pid])
      spawnSync('ip', ['netns', 'del', this.#namespace(host)])
    }
    await Promise.all(ends)
    for (const host of masterHosts) spawnSync('umount', [this.dataFolder(host)])
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

function readTrack(folder: string): string {
  try {
    return readFileSync(join(folder, 'not-leader'), 'utf8').trim()
  } catch {
    return ''
  }
}
