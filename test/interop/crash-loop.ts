// kill -9 of the master, again and again, under clients that know what must be there.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.ts'
import { installPackages } from './packages.ts'

const WORKERS = 3
const CHECK_EVERY_ROUNDS = 10

interface Report {
  done: number
  wrong: string[]
}

class Worker {
  readonly #child: ChildProcess
  readonly #lines: Interface

  constructor(folder: string, seed: number) {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, 'model-worker.ts'), folder, String(seed)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
  }

  check(): Promise<Report> {
    return new Promise((resolve, reject) => {
      this.#child.once('exit', code => reject(new Error(`a worker ended with ${code}`)))
      this.#lines.once('line', line => resolve(JSON.parse(line)))
      this.#child.stdin?.write('check\n')
    })
  }

  goOn(): void {
    this.#child.stdin?.write('go\n')
  }

  kill(): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }
}

/**
 * Kills the master so many times. Everything acknowledged must be there, nothing else may be, and no operation may fail.
 *
 * @param progress hears of every check
 * @returns operations acknowledged
 */
export async function killMasterAgainAndAgain(
  rounds: number,
  seed: number,
  mount: (cluster: Cluster) => void,
  progress: (round: number, done: number) => void = () => {},
): Promise<number> {
  installPackages()
  const cluster = new Cluster()
  const workers: Worker[] = []
  try {
    await cluster.startOurMaster()
    for (const host of [2, 3]) await cluster.startOurChunkserver(host)
    await sleep(1500)
    mount(cluster)
    for (let i = 0; i < WORKERS; i++) {
      const folder = join(cluster.mountPoint, `worker${i}`)
      mkdirSync(folder)
      workers.push(new Worker(folder, seed * 1000 + i))
    }
    let done = 0
    for (let round = 1; round <= rounds; round++) {
      await sleep(200 + ((round * 7919 + seed * 104_729) % 800))
      await cluster.stopOurMaster('SIGKILL')
      await cluster.startOurMaster()
      // The mount is back at its work.
      await statfs(cluster.mountPoint)
      if (round % CHECK_EVERY_ROUNDS !== 0 && round !== rounds) continue
      const before = done
      done = await checked(workers, `after ${round} kills with seed ${seed}`)
      assert.ok(done > before, `nothing was acknowledged in ${CHECK_EVERY_ROUNDS} rounds`)
      progress(round, done)
    }
    return done
  } finally {
    for (const worker of workers) worker.kill()
    await cluster.close()
  }
}

async function checked(workers: Worker[], when: string): Promise<number> {
  const reports = await Promise.all(workers.map(worker => worker.check()))
  assert.deepEqual(
    reports.flatMap(({ wrong }) => wrong),
    [],
    when,
  )
  for (const worker of workers) worker.goOn()
  return reports.reduce((sum, { done }) => sum + done, 0)
}
