// The power of every host goes at once, while files are written: what fsync or close has acknowledged is there.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { newLayout, parseChunkFileName } from '../../src/chunkserver/disks/chunk-file.ts'
import { MARKS_NAME } from '../../src/chunkserver/disks/write-marks.ts'
import { Cluster, whyNot } from './cluster.ts'
import { contentsOf } from './contents.ts'
import { LoopDisk } from './loop-disk.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const HOSTS = [2, 3, 4]
const WORKERS = 4
const LOAD_MS = 9000
/** Fewer acknowledged files would prove little. */
const ACKNOWLEDGED_MIN = 50

interface Acknowledged {
  name: string
  seed: number
  length: number
}

/** Writes files until the end of the load; nobody hears how its last operations ended. */
async function filesWrittenUntil(folder: string, cut: () => Promise<void>): Promise<Acknowledged[]> {
  const writer = spawn(process.execPath, [join(import.meta.dirname, 'file-writer.ts'), folder, String(WORKERS)])
  let said = ''
  let problems = ''
  writer.stdout.on('data', text => {
    said += text
  })
  writer.stderr.on('data', text => {
    problems += text
  })
  const ended = new Promise(resolve => writer.once('close', resolve))
  try {
    await sleep(LOAD_MS)
    assert.equal(writer.exitCode, null, problems)
    // What is said after the cut was acknowledged by nobody who could.
    const before = said
    await cut()
    return before
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.split(' '))
      .map(([name = '', seed, length]) => ({ name, seed: Number(seed), length: Number(length) }))
  } finally {
    writer.kill('SIGKILL')
    // A process that waits for the mount ends when that does.
    void ended
  }
}

/** @param whatIsNot names what is not so yet; nothing when all is. */
async function eventually(seconds: number, what: string, whatIsNot: () => readonly string[]): Promise<void> {
  let left: readonly string[] = []
  for (let i = 0; i < seconds * 5; i++) {
    left = whatIsNot()
    if (left.length === 0) return
    await sleep(200)
  }
  throw new Error(`not within ${seconds} s: ${what}, but ${left.join('; ')}`)
}

class Hosts {
  readonly cluster = new Cluster()
  readonly disks: LoopDisk[] = []

  makeDisks(): void {
    const { folder, masterFolder } = this.cluster
    for (const path of [masterFolder, ...HOSTS.map(host => join(folder, `disk${host}`))]) {
      this.disks.push(new LoopDisk(path))
    }
    writeFileSync(join(masterFolder, 'metadata.mfs'), 'MFSM NEW')
    spawnSync('sync')
  }

  async start(...options: string[]): Promise<void> {
    await this.cluster.startOurMaster()
    for (const host of HOSTS) await this.cluster.startOurChunkserver(host, ...options)
    await sleep(1500)
  }

  async cutPower(): Promise<void> {
    for (const disk of this.disks) disk.cut()
    await this.cluster.stopOurMaster('SIGKILL')
    for (const host of HOSTS) await this.cluster.stopOurChunkserver(host, 'SIGKILL')
    spawnSync('umount', ['-l', this.cluster.mountPoint])
    for (const disk of this.disks) disk.off()
    for (const disk of this.disks) disk.on()
    for (const host of HOSTS) startsAnew(join(this.cluster.folder, `disk${host}`))
  }

  async close(): Promise<void> {
    const { cluster, disks } = this
    spawnSync('umount', ['-l', cluster.mountPoint])
    for (const host of HOSTS) await cluster.stopOurChunkserver(host, 'SIGKILL')
    await cluster.stopOurMaster('SIGKILL')
    for (const disk of disks) disk.remove()
    await cluster.close()
  }
}

/** In a chunkserver's list of writes: as if another boot of the system had used it. */
function startsAnew(folder: string): void {
  const list = join(folder, MARKS_NAME)
  if (!existsSync(list)) return
  const file = openSync(list, 'r+')
  writeSync(file, 'x'.repeat(36), 44)
  closeSync(file)
}

/** The bytes of the file; nothing when it is gone: copies that are too many are deleted meanwhile. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Chunks that servers were making when the line about them was lost with the master's power: nobody wants copies of them. */
function ofNoFile(masterLog: string): Set<number> {
  const told = masterLog.matchAll(/chunk ([0-9a-f]+) belongs to no file/g)
  return new Set([...told].map(([, id = '']) => Number.parseInt(id, 16)))
}

/** Chunks of files of which servers have other bytes than others, or that one server alone has. */
function differingChunks({ folder, masterLog }: Cluster): string[] {
  const copies = new Map<string, Buffer[]>()
  const orphans = ofNoFile(masterLog())
  for (const host of HOSTS) {
    const disk = join(folder, `disk${host}`)
    for (const name of readdirSync(disk, { recursive: true, encoding: 'utf8' })) {
      const chunk = parseChunkFileName(basename(name))
      if (!chunk || orphans.has(chunk.chunkId)) continue
      const bytes = readIfThere(join(disk, name))
      if (!bytes) continue
      const key = `chunk ${chunk.chunkId.toString(16)} version ${chunk.version}`
      copies.set(key, [...(copies.get(key) ?? []), bytes.subarray(newLayout.headerBytes)])
    }
  }
  const areAlike = (all: Buffer[]) => all.length > 1 && all.every(bytes => bytes.equals(all[0] as Buffer))
  return [...copies].filter(([, all]) => !areAlike(all)).map(([key, all]) => `${key}: ${all.length} copies`)
}

/** Whether the file can be read, and has what was acknowledged of it. A log may have more. */
function holds(path: string, acknowledged: Buffer): boolean {
  try {
    const found = readFileSync(path)
    return (basename(path).startsWith('log') ? found.subarray(0, acknowledged.length) : found).equals(acknowledged)
  } catch {
    return false
  }
}

/** The last that was said of each file. */
function newest(acknowledged: readonly Acknowledged[]): Acknowledged[] {
  return [...new Map(acknowledged.map(file => [file.name, file])).values()]
}

/** @param mount of the client that writes @param options of the chunkservers */
async function cutUnderLoad(mount: (cluster: Cluster) => void, ...options: string[]): Promise<void> {
  installPackages({ 'mkfs.ext4': 'e2fsprogs' })
  const hosts = new Hosts()
  const { cluster } = hosts
  try {
    hosts.makeDisks()
    await hosts.start(...options)
    mount(cluster)
    const folder = join(cluster.mountPoint, 'files')
    mkdirSync(folder)
    const acknowledged = newest(await filesWrittenUntil(folder, () => hosts.cutPower()))
    assert.ok(acknowledged.length >= ACKNOWLEDGED_MIN, `only ${acknowledged.length} files were acknowledged`)
    await hosts.start(...options)
    cluster.mountOurs()
    await eventually(60, 'the folder is back', () => (existsSync(folder) ? [] : ['it is not']))
    const lost = acknowledged.filter(({ name, seed, length }) => {
      const path = join(folder, name)
      return !existsSync(path) || !holds(path, contentsOf(seed, length))
    })
    assert.deepEqual(lost, [], `${lost.length} of ${acknowledged.length} acknowledged files are lost`)
    assert.ok(ofNoFile(cluster.masterLog()).size <= WORKERS + 1, 'each writer makes one chunk at a time')
    await eventually(60, 'all copies are the same', () => differingChunks(cluster))
  } finally {
    await hosts.close()
  }
}

test('no file that fsync or close acknowledged on our mount is lost with the power of all hosts', { skip }, () =>
  cutUnderLoad(cluster => cluster.mountOurs()),
)

test('the same for the real mount, when the chunkservers sync each write', { skip }, () =>
  cutUnderLoad(cluster => cluster.mountReal(), 'HDD_FSYNC_BEFORE_CLOSE=1'),
)
