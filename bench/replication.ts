// `node bench/replication.ts [ROUNDS]`: what it costs that a follower has every change on its disk before it is acknowledged.
// The laboratory of test/lab/ (network namespaces, etcd, keepalived, Debian's mount, two chunkservers of ours), in turns with
// a follower in sync and with none. The masters' folders are in memory: where syncs take time, the share of the network is less.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { Lab, type MasterHost, otherMaster } from '../test/lab/lab.ts'

const [ROUNDS = 3] = process.argv.slice(2).map(Number)

const steps = [
  { name: 'creates, 1 program', operation: 'create', workers: 1, count: 2000 },
  { name: 'creates, 16 programs', operation: 'create', workers: 16, count: 6400 },
  { name: 'small files (1-64 KiB), 1 program', operation: 'smallwrite', workers: 1, count: 400 },
  { name: 'small files (1-64 KiB), 16 programs', operation: 'smallwrite', workers: 16, count: 1600 },
] as const
type Side = 'alone' | 'in sync'
const sides: readonly Side[] = ['alone', 'in sync']

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

class Replication {
  readonly #lab = new Lab('etcd', 'ours')
  /** Operations a second, by step and side. */
  readonly #rates = new Map<string, number[]>()
  #load = ''

  async run(): Promise<void> {
    try {
      await this.#lab.open()
      this.#load = join(this.#lab.folder, 'load')
      execFileSync('gcc', ['-O2', '-o', this.#load, join(import.meta.dirname, 'load.c')])
      // Each round the other way round, so that what drifts falls on both.
      for (let round = 0; round < ROUNDS; round++) {
        for (const side of round % 2 === 0 ? sides : sides.toReversed()) await this.#measure(round, side)
      }
    } finally {
      await this.#lab.close()
    }
    for (const line of this.report()) console.log(line)
  }

  async #measure(round: number, side: Side): Promise<void> {
    const leader = this.#lab.leader() as MasterHost
    await (side === 'alone' ? this.#endFollower(leader) : this.#startFollower(leader))
    for (const [i, { name, operation, workers, count }] of steps.entries()) {
      const folder = join(this.#lab.mountPoint, `${side}-${round}-${i}`.replace(' ', ''))
      const seconds = Number(
        this.#lab.output('client', `mkdir ${folder} && ${this.#load} ${operation} ${folder} ${workers} ${count}`),
      )
      const key = `${name} ${side}`
      this.#rates.set(key, [...(this.#rates.get(key) ?? []), count / seconds])
      console.log(`round ${round + 1}, ${side}: ${name}: ${Math.round(count / seconds)}/s`)
    }
  }

  async #endFollower(leader: MasterHost): Promise<void> {
    await this.#lab.end(otherMaster(leader), 'SIGKILL')
    const isAlone = () => this.#lab.status(leader)?.inSync?.length === 1
    await this.#lab.until('the leader goes on alone', 20, isAlone)
  }

  async #startFollower(leader: MasterHost): Promise<void> {
    if (!this.#lab.isRunning(otherMaster(leader))) this.#lab.startMaster(otherMaster(leader))
    await this.#lab.until('the follower is in sync', 60, () => this.#lab.areInSync())
  }

  *report(): Generator<string> {
    yield '| | alone | with a follower in sync | throughput | latency |\n| --- | --- | --- | --- | --- |'
    for (const { name, workers } of steps) {
      const [alone = Number.NaN, inSync = Number.NaN] = sides.map(side =>
        median(this.#rates.get(`${name} ${side}`) ?? []),
      )
      const ms = (rate: number) => `${((workers / rate) * 1000).toFixed(2)} ms`
      const side = (rate: number) => `${Math.round(rate)}/s, ${ms(rate)}`
      yield `| ${name} | ${side(alone)} | ${side(inSync)} | ${(inSync / alone).toFixed(2)} | ${(alone / inSync).toFixed(2)} |`
    }
  }
}

await new Replication().run()
