// Damage that disks do quietly is found by a test of all chunks, mended from a good copy, and never read by anybody.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const HOSTS = [2, 3, 4]
const FILE_BYTES = 300_000
const HEADER_BYTES = 8192
const TWO_COPIES = /chunks with 2 copies: +1/g
const program = join(import.meta.dirname, '../../bin/mfschunkserver')

/** The chunk files of a server, oldest chunk first. */
function chunkFiles(cluster: Cluster, host: number): string[] {
  const disk = join(cluster.folder, `disk${host}`)
  const names = readdirSync(disk, { recursive: true, encoding: 'utf8' })
  return names.filter(name => /chunk_[0-9A-F]{16}_/.test(name)).map(name => join(disk, name))
}

/** What was read before is not in its caches any more. */
function remount(cluster: Cluster): void {
  spawnSync('umount', [cluster.mountPoint])
  cluster.mountReal()
}

const chunkOf = (path: string) => /chunk_([0-9A-F]{16})/.exec(path)?.[1] as string

/** What can happen to a file on a disk without anybody hearing of it. */
const damages: Record<string, (path: string) => void> = {
  'a bit is flipped': path => {
    const bytes = readFileSync(path)
    const at = HEADER_BYTES + 77_777
    bytes[at] = (bytes[at] as number) ^ 16
    writeFileSync(path, bytes)
  },
  'a block is zeroed': path => {
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(65536), 0, 65536, HEADER_BYTES + 65536)
    closeSync(file)
  },
  'the file is cut': path => {
    const file = openSync(path, 'r+')
    ftruncateSync(file, HEADER_BYTES + 100_000)
    closeSync(file)
  },
  'the file is deleted': path => rmSync(path),
}

const skip = whyNot() ?? false
test('quiet damage is found, mended from a good copy, and read by nobody', { skip }, async () => {
  installPackages()
  const cluster = new Cluster()
  try {
    await cluster.startOurMaster()
    for (const host of HOSTS) cluster.startChunkserverWith(program, host)
    await sleep(4000)
    cluster.mountReal()
    const contents = new Map<string, string>()
    for (let i = 0; i < 8; i++) {
      const path = join(cluster.mountPoint, `file${i}`)
      const bytes = randomBytes(FILE_BYTES)
      writeFileSync(path, bytes, { flush: true })
      contents.set(path, createHash('md5').update(bytes).digest('hex'))
    }
    const isRight = (path: string) => contents.get(path) === createHash('md5').update(readFileSync(path)).digest('hex')
    // One copy each of four chunks.
    const damaged = new Set<string>()
    for (const [what, damage] of Object.entries(damages)) {
      const all = HOSTS.flatMap(host => chunkFiles(cluster, host))
      const file = all.find(path => !damaged.has(chunkOf(path)))
      assert.ok(file, what)
      damaged.add(chunkOf(file))
      damage(file)
    }
    for (const host of HOSTS) cluster.run(program, '-c', join(cluster.folder, `chunkserver${host}.cfg`), 'scrub')
    remount(cluster)
    for (const path of contents.keys()) assert.ok(isRight(path), `${path} while the damage is mended`)
    const copies = () => {
      const all = HOSTS.flatMap(host => chunkFiles(cluster, host))
      // Copies come and go meanwhile.
      const bytesOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0
      const whole = all.filter(path => bytesOf(path) >= HEADER_BYTES + 5 * 65536)
      return [...damaged].map(chunk => whole.filter(path => chunkOf(path) === chunk).length)
    }
    const told = () => cluster.shell(`mfscheckfile ${[...contents.keys()].join(' ')}`).stdout
    const isMended = () => copies().every(count => count === 2) && (told().match(TWO_COPIES)?.length ?? 0) === 8
    // For a while: what is damaged counts until it is found.
    for (let [tries, mended] = [0, 0]; tries < 120 && mended < 4; tries++) {
      mended = isMended() ? mended + 1 : 0
      await sleep(500)
    }
    assert.deepEqual(copies(), [2, 2, 2, 2])
    assert.equal(told().match(TWO_COPIES)?.length, 8, told())
    // Each of the two copies alone gives the right contents.
    for (const host of HOSTS) {
      cluster.killRealChunkserver(host)
      remount(cluster)
      for (const path of contents.keys()) assert.ok(isRight(path), `${path} without server ${host}`)
      cluster.startChunkserverWith(program, host)
      await sleep(4000)
    }
  } finally {
    await cluster.close()
  }
})
