// Debian's etcd as a process of its own on loopback, for tests.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

async function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

export class EtcdProcess {
  readonly url: string
  readonly #folder: string
  readonly process: ChildProcess

  private constructor(url: string, folder: string, process: ChildProcess) {
    this.url = url
    this.#folder = folder
    this.process = process
  }

  /** Starts one member and waits until it answers. */
  static async start(): Promise<EtcdProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'elkfs-etcd-'))
    const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`]
    const etcd = spawn(
      'etcd',
      [
        ...['--name', 'one', '--data-dir', folder, '--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `one=${peer}`],
        '--unsafe-no-fsync',
      ],
      { stdio: 'ignore' },
    )
    const started = new EtcdProcess(client, folder, etcd)
    for (let i = 0; i < 300; i++) {
      const answer = await fetch(`${client}/health`).catch(() => undefined)
      if (answer?.ok) return started
      await sleep(100)
    }
    await started.stop()
    throw new Error('etcd does not answer')
  }

  /** It answers nothing from now on, until SIGCONT. The signal is only under way when kill() returns. */
  async suspend(): Promise<void> {
    this.process.kill('SIGSTOP')
    const tasks = `/proc/${this.process.pid}/task`
    const isStopped = (task: string) => readFileSync(`${tasks}/${task}/stat`, 'latin1').split(') ').at(-1)?.[0] === 'T'
    while (!readdirSync(tasks).every(isStopped)) await sleep(5)
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = new Promise(resolve => this.process.once('exit', resolve))
      this.process.kill('SIGKILL')
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
