// A wire with a listener on it, between a mount and the master of a Cluster; it loses answers on demand.
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, MASTER_IP } from './cluster.ts'

export interface TappedPacket {
  atMs: number
  /** Counted from 1 in the order in which they were made. */
  connection: number
  from: 'client' | 'master'
  type: number
  /** Hexadecimal. */
  payload: string
  lost: boolean
}

const LIMIT_MS = 60_000

export class Wiretap {
  readonly packets: TappedPacket[] = []
  readonly #process: ChildProcess
  #confirmations = 0

  /** Listens at 10.88.0.`host`; mounts go there instead of to the master. */
  static async start(cluster: Cluster, host: number): Promise<Wiretap> {
    const program = join(import.meta.dirname, 'wiretap-process.ts')
    const wiretap = new Wiretap(cluster.spawn(process.execPath, program, `10.88.0.${host}`, MASTER_IP))
    await wiretap.#confirmed(1)
    return wiretap
  }

  private constructor(child: ChildProcess) {
    this.#process = child
    if (!child.stdout) throw new Error('the wiretap has no output')
    createInterface({ input: child.stdout }).on('line', line => {
      const told = JSON.parse(line) as TappedPacket | { losing: number } | { listening: string }
      if ('type' in told) this.packets.push(told)
      else this.#confirmations++
    })
  }

  /** The next answer of this type does not arrive, and the connection ends. */
  async lose(type: number): Promise<void> {
    this.#process.stdin?.write(`lose ${type}\n`)
    await this.#confirmed(this.#confirmations + 1)
  }

  /** Waits until something was heard. @throws Error when it is not */
  async hears(what: (packet: TappedPacket) => boolean): Promise<TappedPacket> {
    for (let waited = 0; waited < LIMIT_MS; waited += 50) {
      const found = this.packets.find(what)
      if (found) return found
      await sleep(50)
    }
    throw new Error('that was not heard on the wire')
  }

  async #confirmed(count: number): Promise<void> {
    for (let waited = 0; this.#confirmations < count; waited += 20) {
      if (waited > LIMIT_MS) throw new Error('the wiretap does not answer')
      await sleep(20)
    }
  }

  close(): void {
    this.#process.kill('SIGKILL')
  }
}
