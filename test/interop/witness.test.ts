// Two masters, etcd and a metalogger that acknowledges lines: the only master that is in sync is killed and its folder is
// lost, and the other one leads by what the metalogger has.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MemberStatus } from '../../src/ha/admin.ts'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const OTHER_IP = '10.88.0.2'
const WITNESS_IP = '10.88.0.3'
const ETCD = 'http://127.0.0.1:2379'
const bin = (name: string) => join(import.meta.dirname, '../../bin', name)

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const untilMs = performance.now() + 60_000; performance.now() < untilMs; await sleep(100)) {
    if (condition()) return
  }
  throw new Error(`${what}: not after a minute`)
}

class Masters {
  readonly cluster = new Cluster()

  startEtcd(): void {
    const peer = 'http://127.0.0.1:2380'
    this.cluster.spawn(
      'etcd',
      ...['--data-dir', join(this.cluster.folder, 'etcd'), '--unsafe-no-fsync'],
      ...['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
    )
  }

  folder(address: string): string {
    return join(this.cluster.folder, address)
  }

  #config(address: string): string {
    return join(this.cluster.folder, `${address}.cfg`)
  }

  #write(address: string, lines: readonly string[]): string {
    mkdirSync(this.folder(address), { recursive: true })
    const all = ['WORKING_USER=root', 'WORKING_GROUP=root', `DATA_PATH=${this.folder(address)}`, ...lines]
    const own = [`HA_LISTEN_HOST=${address}`, `HA_NAME=${address}`, `HA_ADDRESS=${address}`, 'HA_AUTH_CODE=x']
    writeFileSync(this.#config(address), `${[...all, ...own].join('\n')}\n`)
    return this.#config(address)
  }

  start(address: string): void {
    const { cluster } = this
    const exports = join(cluster.folder, 'exports.cfg')
    writeFileSync(exports, cluster.exports)
    const listen = ['MATOCL', 'MATOCS', 'MATOML'].map(port => `${port}_LISTEN_HOST=${address}`)
    const config = this.#write(address, [
      ...[`EXPORTS_FILENAME=${exports}`, 'HA_MODE=etcd', `HA_ETCD=${ETCD}`, ...listen],
    ])
    cluster.run(bin('mfsmaster'), '-c', config, 'start')
  }

  kill(address: string): void {
    this.cluster.run(bin('mfsmaster'), '-c', this.#config(address), 'kill')
  }

  startWitness(): void {
    const hosts = `MASTER_HOST=${MASTER_IP},${OTHER_IP}`
    const config = this.#write(WITNESS_IP, [hosts, 'METALOGGER_ACK=1'])
    this.cluster.run(bin('mfsmetalogger'), '-c', config, 'start')
  }

  mfsha(address: string, ...args: string[]): string {
    const where = ['-c', this.#config(MASTER_IP), '-H', address]
    return this.cluster.feed('', bin('mfsha'), ...where, ...args).stdout
  }

  status(address: string): Partial<MemberStatus> {
    const text = this.mfsha(address, 'status', '--json')
    return text === '' ? {} : JSON.parse(text)
  }

  /** Folders of these names are made through the real mount at this master. */
  makeFolders(address: string, ...names: string[]): void {
    const mount = this.#mount(address)
    const { status, stderr } = this.cluster.shell(`cd ${mount} && mkdir ${names.join(' ')} && cd / && umount ${mount}`)
    assert.equal(status, 0, stderr)
  }

  foldersAt(address: string): string[] {
    const mount = this.#mount(address)
    const names = readdirSync(mount).sort()
    this.cluster.shell(`umount ${mount}`)
    return names
  }

  #mount(address: string): string {
    const mount = join(this.cluster.folder, `mnt-${address}`)
    mkdirSync(mount, { recursive: true })
    this.cluster.mountWith('mfsmount', mount, address)
    return mount
  }
}

test('a master that is not in sync leads by what the witness has when the other one and its folder are lost', {
  skip,
}, async () => {
  installPackages({ etcd: 'etcd-server' })
  const masters = new Masters()
  const { cluster } = masters
  const inSync = (address: string, ...others: string[]) => {
    const status = masters.status(address)
    const found = [...(status.inSync ?? []), ...(status.witnesses ?? [])].sort().join()
    return status.role === 'leading' && found === [address, ...others].sort().join()
  }
  try {
    masters.startEtcd()
    mkdirSync(masters.folder(MASTER_IP))
    writeFileSync(join(masters.folder(MASTER_IP), 'metadata.mfs'), 'MFSM NEW')
    masters.start(MASTER_IP)
    await until('a leader', () => masters.status(MASTER_IP).role === 'leading')
    masters.start(OTHER_IP)
    masters.startWitness()
    await until('all in sync', () => inSync(MASTER_IP, OTHER_IP, WITNESS_IP))
    masters.makeFolders(MASTER_IP, 'together')
    assert.match(masters.mfsha(MASTER_IP, 'status'), /witness 10\.88\.0\.3: in sync/)
    assert.match(masters.mfsha(WITNESS_IP, 'status'), /10\.88\.0\.3: witness, .*\n.*leader: 10\.88\.0\.1/)

    masters.kill(OTHER_IP)
    await until('the leader and the witness', () => inSync(MASTER_IP, WITNESS_IP))
    const names = Array.from({ length: 200 }, (_, i) => `alone${i}`)
    masters.makeFolders(MASTER_IP, ...names)
    masters.kill(MASTER_IP)
    rmSync(masters.folder(MASTER_IP), { recursive: true })

    masters.start(OTHER_IP)
    await until('a leader by what the witness has', () => inSync(OTHER_IP, WITNESS_IP))
    assert.deepEqual(masters.foldersAt(OTHER_IP), [...names, 'together'].sort())
    masters.makeFolders(OTHER_IP, 'after')
    masters.start(MASTER_IP)
    await until('all in sync again', () => inSync(OTHER_IP, MASTER_IP, WITNESS_IP))
    masters.mfsha(OTHER_IP, 'switchover')
    await until('the one that had lost its folder leads', () => masters.status(MASTER_IP).role === 'leading')
    assert.deepEqual(masters.foldersAt(MASTER_IP), [...names, 'after', 'together'].sort())
    assert.ok(existsSync(join(masters.folder(WITNESS_IP), 'metadata_ml.mfs.back')))
  } finally {
    await cluster.close()
    rmSync(cluster.folder, { recursive: true, force: true })
  }
})
