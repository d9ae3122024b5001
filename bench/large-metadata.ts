// How long a large metadata.mfs takes to load, and how much memory it is then: ours and the real mfsmaster 3.0.117.
//   node bench/large-metadata.ts [INODES [FILE [PER_FOLDER]]]
// FILE is made when it is missing, and kept. Both times are told: on a machine that is shared the clock measures the
// others, and processor time what one thread takes at least.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realDisk } from '../src/env/real-disk.ts'
import { loadCheckpoint } from '../src/journal/checkpoint-files.ts'
import { NOW, PER_FOLDER, writeTree } from './large-tree.ts'

const CLOCK_TICKS = 100

const mib = (bytes: number) => Math.round(bytes / 1048576)

/** In a process of its own: what it costs to load the file. */
async function loadOurs(path: string): Promise<void> {
  const [before, cpu, startMs] = [process.memoryUsage().rss, process.cpuUsage(), performance.now()]
  const state = await loadCheckpoint(realDisk, path, NOW)
  const { user, system } = process.cpuUsage(cpu)
  const wall = ((performance.now() - startMs) / 1000).toFixed(2)
  const rss = process.memoryUsage().rss
  const seconds = ((user + system) / 1e6).toFixed(2)
  console.log(
    `ours: ${state.nodes.count} inodes, ${wall} s, ${seconds} s of processor time, ${mib(rss)} MiB (+${mib(rss - before)})`,
  )
}

/** Starts the real master on the file and looks at its process. */
function loadReal(path: string, folder: string): void {
  const config = join(folder, 'mfsmaster.cfg')
  const exports = join(folder, 'mfsexports.cfg')
  writeFileSync(exports, '* / rw\n')
  const ports = ['MATOCL', 'MATOCS', 'MATOML'].flatMap((name, i) => [
    `${name}_LISTEN_HOST=127.0.0.1`,
    `${name}_LISTEN_PORT=${29_419 + i}`,
  ])
  const user = ['WORKING_USER=root', 'WORKING_GROUP=root', `DATA_PATH=${folder}`, `EXPORTS_FILENAME=${exports}`]
  writeFileSync(config, [...user, ...ports, ''].join('\n'))
  spawnSync('cp', [path, join(folder, 'metadata.mfs')])
  const startMs = performance.now()
  if (spawnSync('mfsmaster', ['-c', config, 'start']).status !== 0) return console.log('real: does not start here')
  const wall = ((performance.now() - startMs) / 1000).toFixed(2)
  const pid = readFileSync(join(folder, '.mfsmaster.lock'), 'utf8').trim()
  const ticks = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).map(Number) as [number, number]
  const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  process.kill(Number(pid), 'SIGKILL')
  console.log(
    `real: ${wall} s, ${((ticks[0] + ticks[1]) / CLOCK_TICKS).toFixed(2)} s of processor time, ${mib(kib * 1024)} MiB`,
  )
}

const [what = '1000000', loaded, perFolder] = process.argv.slice(2)
if (what === 'load' && loaded) await loadOurs(loaded)
else {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-large-'))
  try {
    const path = loaded ?? join(folder, 'large')
    if (!existsSync(path)) await writeTree(path, Number(what), perFolder === undefined ? PER_FOLDER : Number(perFolder))
    spawnSync(process.execPath, [import.meta.filename, 'load', path], { stdio: 'inherit' })
    loadReal(path, folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
