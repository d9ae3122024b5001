// `node bench/takeover.ts [CHUNKS [ROUNDS]]`: the leader is killed, and files that nobody has read are read on, and new ones
// written, on two chunkservers of ours that have CHUNKS chunks each beside them. In network namespaces (test/lab/), with a
// client of our own that is connected to both masters by name.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterSession } from '../src/client/cluster-session.ts'
import { giveUpMs } from '../src/client/retry.ts'
import { realEnv } from '../src/env/real.ts'
import { OpenFlag } from '../src/protocol/cltoma.ts'
import { addressOf, chunkHosts, Lab, type MasterHost, masterHosts } from '../test/lab/lab.ts'

const [CHUNKS = 100_000, ROUNDS = 5] = process.argv.slice(2).map(Number)
const ROOT = 1
const SUBFOLDERS = 256
const CONTENTS = Buffer.alloc(4096, 'contents ')
const PACE_MS = 10
/** From before the leader is killed. */
const WINDOW_MS = 6000
const BEFORE_MS = 1000
const FILES_A_ROUND = 500
/** Followers have been told everything by then. */
const QUIET_MS = 8000
const root = { uid: 0, gids: [0], umask: 0 }

// --- the client, a process in its own namespace

async function connect(): Promise<ClusterSession> {
  const say = (text: string) => process.stderr.write(`client: ${text}\n`)
  const env = realEnv({ debug() {}, info() {}, notice() {}, warning() {}, error: say })
  const options = {
    hosts: masterHosts.map(addressOf),
    ...{ port: 9421, bindHost: undefined, info: '/mnt', folder: '/', meta: false, passwordDigest: undefined },
    ...{
      rememberPassword: false,
      patient: true,
      giveUpMs: giveUpMs(30, 0),
      writeCacheBytes: 8 << 20,
    },
    ...{ retry: { ioRetries: 30, failOnLostChunk: false, failOnNoSpace: false }, readAheadBytes: 1 << 20 },
  }
  return ClusterSession.connect(env, options, { dataChanged() {}, lengthChanged() {}, connectionRenewed() {} })
}

async function write(session: ClusterSession, name: string): Promise<number> {
  const made = await session.create(ROOT, name, 0o644, 0, root)
  if (made.status !== undefined) throw new Error(`${name}: status ${made.status}`)
  const data = session.data(made.inode)
  const errors = [await data.write(0, CONTENTS), await data.flush()]
  if (errors.some(error => error !== 0)) throw new Error(`${name}: errors ${errors}`)
  session.release(made.inode)
  return made.inode
}

async function read(session: ClusterSession, inode: number): Promise<void> {
  const opened = await session.open(inode, OpenFlag.READ, root)
  const found = opened.status === undefined ? await session.data(inode).read(0, CONTENTS.length) : opened.status
  if (typeof found === 'number' || !Buffer.concat(found).equals(CONTENTS)) throw new Error(`${inode}: ${found}`)
  session.release(inode)
}

/** Does it again and again. @returns the longest time that one took */
async function paced(action: () => Promise<unknown>, untilMs: number): Promise<number> {
  let longestMs = 0
  while (performance.now() < untilMs) {
    const beganMs = performance.now()
    await action()
    longestMs = Math.max(longestMs, performance.now() - beganMs)
    await sleep(PACE_MS)
  }
  return longestMs
}

/** A line comes in for each round; one goes out when files are there, one when the window is over. */
async function client(): Promise<void> {
  const [writer, reader] = [await connect(), await connect()]
  let names = 0
  const writeNext = () => write(writer, `f${names++}`)
  for await (const _ of createInterface({ input: process.stdin })) {
    const inodes: number[] = []
    for (let i = 0; i < FILES_A_ROUND; i++) inodes.push(await writeNext())
    console.log('ready')
    const untilMs = performance.now() + QUIET_MS + WINDOW_MS
    await sleep(QUIET_MS)
    const readNext = async () => {
      const inode = inodes.pop()
      if (inode !== undefined) await read(reader, inode)
    }
    const [readMs, writeMs] = await Promise.all([paced(readNext, untilMs), paced(writeNext, untilMs)])
    console.log(JSON.stringify({ readMs: Math.round(readMs), writeMs: Math.round(writeMs) }))
  }
}

// --- the laboratory around it

/** Names are all that a chunkserver looks at until somebody asks for a chunk. */
function plantChunks(folder: string): void {
  const hex = (number: number, digits: number) => number.toString(16).toUpperCase().padStart(digits, '0')
  for (let i = 0; i < SUBFOLDERS; i++) mkdirSync(join(folder, hex(i, 2)), { recursive: true })
  for (let id = 1; id <= CHUNKS; id++) {
    const chunkId = 1_000_000 + id
    writeFileSync(join(folder, hex(chunkId % SUBFOLDERS, 2), `chunk_${hex(chunkId, 16)}_00000001.mfs`), '')
  }
}

async function main(): Promise<void> {
  const lab = new Lab('etcd', 'ours')
  try {
    for (const host of chunkHosts) plantChunks(lab.diskOf(host))
    await lab.open()
    const child = lab.program('client', import.meta.filename, 'client')
    const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]()
    const next = async () => String((await lines.next()).value)
    for (let round = 0; round < ROUNDS; round++) {
      await lab.until('both in sync', 60, () => lab.areInSync())
      child.stdin?.write('round\n')
      if ((await next()) !== 'ready') throw new Error('the client has ended')
      await sleep(QUIET_MS + BEFORE_MS)
      const leader = lab.leader() as MasterHost
      await lab.end(leader, 'SIGKILL')
      const { readMs, writeMs } = JSON.parse(await next())
      console.log(`killed: longest read ${readMs} ms, longest write ${writeMs} ms`)
      const told = masterHosts
        .flatMap(host => lab.log(host).split('\n'))
        .filter(line => line.includes('is registered with'))
      for (const line of told.sort().slice(-chunkHosts.length)) console.log(`  ${line}`)
      lab.startMaster(leader)
    }
  } finally {
    await lab.close()
  }
}

await (process.argv[2] === 'client' ? client() : main())
