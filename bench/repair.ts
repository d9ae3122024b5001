// `node bench/repair.ts [ROUNDS]`: from "a chunkserver is gone" to "no chunk has too few copies", the original and ours
// in turns, with the same limits of replications. A gigabyte in files of 16 MiB, two copies each, on four chunkservers.
import { spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as cltoma from '../src/protocol/cltoma.ts'
import { FrameReader } from '../src/protocol/frame.ts'
import * as matocl from '../src/protocol/matocl.ts'
import { Cluster, MASTER_IP } from '../test/interop/cluster.ts'
import { installPackages } from '../test/interop/packages.ts'

const FILES = 64
const FILE_BYTES = 16 << 20
const HOSTS = [2, 3, 4, 5]
const MATRIX_SIDE = 11
const POLL_MS = 20
const GIVEN_UP_MS = 170_000
/** What a cluster has waited for before: both masters hold back replications for a while after their start. */
const SETTLED_MS = 12_000
const bin = join(import.meta.dirname, '../bin')

const sides = [
  { name: 'all real', master: 'mfsmaster', chunkserver: 'mfschunkserver' },
  { name: 'ours', master: join(bin, 'mfsmaster'), chunkserver: join(bin, 'mfschunkserver') },
]

/** Number of chunks with fewer copies than they want, again and again. Runs inside the network of the cluster. */
function watch(): void {
  const socket = connect(9421, MASTER_IP, ask)
  const frames = new FrameReader(1 << 20, (type, payload) => {
    if (type !== matocl.chunksMatrix.code) return
    const { body } = matocl.chunksMatrix.decode(payload)
    let under = 0
    for (let goal = 1; goal < MATRIX_SIDE; goal++) {
      for (let copies = 0; copies < goal; copies++) under += body.readUInt32BE(4 * (goal * MATRIX_SIDE + copies))
    }
    process.stdout.write(`${under}\n`)
    setTimeout(ask, POLL_MS)
  })
  socket.on('data', bytes => frames.push(bytes as Buffer))
  function ask(): void {
    socket.write(cltoma.chunksMatrix.encode({ kind: 0 }))
  }
}

class Watcher {
  readonly #child
  #under = Number.NaN

  constructor(cluster: Cluster) {
    this.#child = cluster.spawn(process.execPath, import.meta.filename, 'watch')
    this.#child.stdout?.on('data', text => {
      this.#under = Number(String(text).trim().split('\n').at(-1))
    })
  }

  async until(what: string, holds: (under: number) => boolean): Promise<number> {
    const beganMs = performance.now()
    while (!holds(this.#under)) {
      if (performance.now() - beganMs > GIVEN_UP_MS) throw new Error(`${what}: not within ${GIVEN_UP_MS / 1000} s`)
      await sleep(POLL_MS / 4)
    }
    return this.#under
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

/** @returns seconds and the number of chunks that got another copy */
async function repair({ master, chunkserver }: (typeof sides)[number]): Promise<{ seconds: number; chunks: number }> {
  const cluster = new Cluster()
  try {
    cluster.masterLines.push('REPLICATIONS_DELAY_INIT = 0', 'CHUNKS_LOOP_MIN_TIME = 60')
    cluster.startMasterWith(master)
    for (const host of HOSTS) cluster.startChunkserverWith(chunkserver, host)
    await sleep(SETTLED_MS)
    cluster.mountReal()
    const { mountPoint } = cluster
    const fill = `head -c ${FILE_BYTES} /dev/urandom > ${cluster.folder}/data
      for i in $(seq ${FILES}); do cp ${cluster.folder}/data ${mountPoint}/$i || exit 1; done; sync`
    const { status, stderr, signal } = spawnSync('sh', ['-c', fill], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`filling failed (${signal ?? status}): ${stderr}`)
    const watcher = new Watcher(cluster)
    await watcher.until('all copies are there', under => under === 0)
    const beganMs = performance.now()
    cluster.killRealChunkserver(HOSTS[0] as number)
    await watcher.until('the loss is noticed', under => under > 0)
    await watcher.until('repair', under => under === 0)
    const seconds = (performance.now() - beganMs) / 1000
    watcher.stop()
    const chunks = copiesOn(cluster, HOSTS[0] as number)
    return { seconds, chunks }
  } finally {
    await cluster.close()
  }
}

/** Chunk files on the disk of a server: what was lost with it. */
function copiesOn(cluster: Cluster, host: number): number {
  const { stdout } = spawnSync('find', [join(cluster.folder, `disk${host}`), '-name', 'chunk_*'], { encoding: 'utf8' })
  return stdout.trim().split('\n').length
}

if (process.argv[2] === 'watch') watch()
else {
  installPackages()
  const rounds = Number(process.argv[2] ?? 3)
  for (let round = 1; round <= rounds; round++) {
    for (const side of sides) {
      const { seconds, chunks } = await repair(side)
      const gibibytes = (chunks * FILE_BYTES) / 2 ** 30
      const perGibibyte = (seconds / gibibytes).toFixed(1)
      console.log(
        `round ${round}, ${side.name}: ${chunks} chunks (${gibibytes.toFixed(2)} GiB) in ${seconds.toFixed(2)} s, ` +
          `${perGibibyte} s per GiB`,
      )
    }
  }
}
