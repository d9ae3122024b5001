// `node bench/scan.ts [FILES]`: how long a chunkserver needs to find the chunks of a folder, the original's and ours in
// turns, each started anew. In a network namespace with no master: nothing else is done meanwhile.
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chunkFileName } from '../src/chunkserver/disks/chunk-file.ts'
import * as cltocs from '../src/protocol/cltocs.ts'
import * as cstocl from '../src/protocol/cstocl.ts'
import { FrameReader } from '../src/protocol/frame.ts'
import { installPackages } from '../test/interop/packages.ts'

const FILES = Number(process.argv[2] ?? 200_000)
const ROUNDS = 3
const ADDRESS = '10.88.9.2'
const folder = join(tmpdir(), `elkfs-scan-${process.pid}`)
const namespace = `elkfs-scan-${process.pid}`
/** Asks the chunkserver for its disks until the scan is over.*/
async function scanned(): Promise<void> {
  for (;;) {
    const folders = await disks().catch(() => [])
    const [disk] = folders
    if (disk && (disk.flags & cstocl.DiskFlag.SCANNING) === 0 && disk.chunks >= FILES) return
    await sleep(20)
  }
}

function disks(): Promise<{ flags: number; chunks: number }[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(9422, ADDRESS)
    const frames = new FrameReader(1 << 20, (type, payload) => {
      if (type !== cstocl.hddList.code) return
      resolve(cstocl.hddList.decode(payload).folders)
      socket.destroy()
    })
    socket.on('data', (bytes: Buffer) => frames.push(bytes))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
    socket.write(cltocs.hddList.encode({}))
  })
}

const inside = (...command: string[]) => ['nsenter', `--net=/run/netns/${namespace}`, ...command]

function makeChunks(): void {
  for (let i = 0; i < 256; i++)
    mkdirSync(join(folder, 'disk', i.toString(16).toUpperCase().padStart(2, '0')), { recursive: true })
  for (let id = 1; id <= FILES; id++) {
    const file = openSync(
      join(folder, 'disk', (id % 256).toString(16).toUpperCase().padStart(2, '0'), chunkFileName(id, 1)),
      'w',
    )
    ftruncateSync(file, 8192 + 65536)
    closeSync(file)
  }
}

function config(): string {
  mkdirSync(join(folder, 'data'), { recursive: true })
  writeFileSync(join(folder, 'hdd.cfg'), `${join(folder, 'disk')}\n`)
  const lines = [`DATA_PATH=${join(folder, 'data')}`, `HDD_CONF_FILENAME=${join(folder, 'hdd.cfg')}`]
  const more = ['WORKING_USER=root', 'WORKING_GROUP=root', `MASTER_HOST=${ADDRESS}`, `CSSERV_LISTEN_HOST=${ADDRESS}`]
  const path = join(folder, 'chunkserver.cfg')
  writeFileSync(path, `${[...lines, ...more, 'HDD_TEST_SPEED=0'].join('\n')}\n`)
  return path
}

/** Seconds from the start of the program until all chunks are found. */
async function scanSeconds(program: string): Promise<number> {
  // What the original wrote at its last stop would spare it the scan.
  rmSync(join(folder, 'disk/.chunkdb'), { force: true })
  writeFileSync('/proc/sys/vm/drop_caches', '3')
  const [command = '', ...before] = inside(program, '-c', config())
  const began = performance.now()
  execFileSync(command, [...before, 'start'], { stdio: 'ignore' })
  const [asker = '', ...question] = inside(process.execPath, import.meta.filename, String(FILES), 'ask')
  execFileSync(asker, question)
  const seconds = (performance.now() - began) / 1000
  spawnSync(command, [...before, 'stop'], { stdio: 'ignore' })
  await sleep(500)
  return seconds
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number

async function compare(): Promise<void> {
  installPackages()
  try {
    execFileSync('ip', ['netns', 'add', namespace])
    execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
    execFileSync('ip', ['-n', namespace, 'addr', 'add', `${ADDRESS}/24`, 'dev', 'lo'])
    console.error(`making ${FILES} chunk files`)
    makeChunks()
    const times = { real: [] as number[], ours: [] as number[] }
    for (let round = 0; round < ROUNDS; round++) {
      times.real.push(await scanSeconds('mfschunkserver'))
      times.ours.push(await scanSeconds(join(import.meta.dirname, '../bin/mfschunkserver')))
      console.error(
        `round ${round + 1}: real ${times.real.at(-1)?.toFixed(2)} s, ours ${times.ours.at(-1)?.toFixed(2)} s`,
      )
    }
    console.log(
      `start until ${FILES} chunks are found, cold: real ${median(times.real).toFixed(2)} s, ours ${median(times.ours).toFixed(2)} s`,
    )
  } finally {
    for (const pid of spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).stdout.split('\n')) {
      if (pid) spawnSync('kill', ['-9', pid])
    }
    spawnSync('ip', ['netns', 'del', namespace])
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[3] === 'ask') await scanned()
else await compare()
