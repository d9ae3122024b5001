// A real metalogger, and one of ours, at a master that follows: they get all that is committed, and when that master leads.
// The original's monitor and ours, told of both masters, show which is which.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { realDisk } from '../../src/env/real-disk.ts'
import { recover } from '../../src/journal/recovery.ts'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const OTHER_IP = '10.88.0.2'
const bin = (name: string) => join(import.meta.dirname, '../../bin', name)

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (condition()) return
    await sleep(100)
  }
  throw new Error(`${what}: not after a minute`)
}

/** Two masters of ours without a third vote. */
class Masters {
  readonly cluster = new Cluster()

  start(address: string, peer: string): void {
    const { cluster } = this
    const data = join(cluster.folder, address)
    mkdirSync(data, { recursive: true })
    writeFileSync(join(cluster.folder, 'exports.cfg'), cluster.exports)
    if (address === MASTER_IP) writeFileSync(join(data, 'metadata.mfs'), 'MFSM NEW')
    const lines = [
      ...['WORKING_USER=root', 'WORKING_GROUP=root', `DATA_PATH=${data}`],
      `EXPORTS_FILENAME=${join(cluster.folder, 'exports.cfg')}`,
      ...['MATOCL', 'MATOCS', 'MATOML', 'HA'].map(port => `${port}_LISTEN_HOST=${address}`),
      ...['HA_MODE=keepalived', `HA_NAME=${address}`, `HA_ADDRESS=${address}`, `HA_PEER=${peer}`, 'HA_AUTH_CODE=x'],
    ]
    writeFileSync(this.#config(address), `${lines.join('\n')}\n`)
    cluster.run(bin('mfsmaster'), '-c', this.#config(address), 'start')
  }

  #config(address: string): string {
    return join(this.cluster.folder, `master-${address}.cfg`)
  }

  mfsha(address: string, ...args: string[]): string {
    return this.cluster.run(bin('mfsha'), '-c', this.#config(address), '-H', address, ...args)
  }

  /** Whether anybody leads or not. */
  status(address: string): { isInSync?: boolean; epoch?: number } {
    const where = ['-c', this.#config(address), '-H', address]
    const { stdout } = this.cluster.feed('', bin('mfsha'), ...where, 'status', '--json')
    return stdout === '' ? {} : JSON.parse(stdout)
  }

  isInSync(address: string): boolean {
    return this.status(address).isInSync === true
  }

  startMetalogger(program: string): string {
    const { cluster } = this
    const folder = join(cluster.folder, 'metalogger')
    mkdirSync(folder)
    const config = join(cluster.folder, 'metalogger.cfg')
    const lines = ['WORKING_USER=root', 'WORKING_GROUP=root', `DATA_PATH=${folder}`, `MASTER_HOST=${OTHER_IP}`]
    writeFileSync(config, `${[...lines, 'MASTER_RECONNECTION_DELAY=1'].join('\n')}\n`)
    cluster.run(program, '-c', config, 'start')
    return folder
  }

  /** Both monitors tell of the masters and of what the leader has. @param folders how many there are */
  async isShownAs(places: Record<string, string>, folders: number): Promise<void> {
    for (const program of ['mfscli', bin('mfscli')]) {
      await until(`${program}: ${JSON.stringify(places)}, ${folders} folders`, () => {
        const { stdout } = this.cluster.shell(`${program} -n -H '${MASTER_IP} ${OTHER_IP}' -s '|' -SIM -SIG`)
        const rows = [...stdout.matchAll(/^metadata servers:\|(.*)$/gm)].map(([, row = '']) => row.split('|'))
        const found = Object.fromEntries(rows.map(([ip, , place]) => [ip, place]))
        return isDeepStrictEqual(found, places) && stdout.includes(`master info:|directories|${folders}\n`)
      })
    }
  }

  /** A folder is made through the real mount at this master. */
  makeFolder(address: string, name: string): void {
    const { cluster } = this
    const mount = join(cluster.folder, `mnt-${address}`)
    mkdirSync(mount, { recursive: true })
    cluster.mountWith('mfsmount', mount, address)
    const { status, stderr } = cluster.shell(`mkdir ${mount}/${name} && umount ${mount}`)
    assert.equal(status, 0, stderr)
  }
}

const linesIn = (folder: string) =>
  readdirSync(folder)
    .filter(name => /^changelog_ml\.\d/.test(name))
    .map(name => readFileSync(join(folder, name), 'latin1'))
    .join('')

const changesIn = (folder: string) => [...linesIn(folder).matchAll(/^(\d+): /gm)].map(([, id]) => Number(id))

for (const [whose, program] of [
  ['real', 'mfsmetalogger'],
  ['our', bin('mfsmetalogger')],
] as const) {
  test(`${whose} metalogger is served by a master that follows, and on when that one leads`, { skip }, async () => {
    installPackages({ mfsmetalogger: 'moosefs-metalogger', mfscli: 'moosefs-cli' })
    const masters = new Masters()
    const { cluster } = masters
    try {
      masters.start(MASTER_IP, OTHER_IP)
      masters.start(OTHER_IP, MASTER_IP)
      masters.mfsha(MASTER_IP, 'promote', '--force')
      await until('in sync', () => masters.isInSync(OTHER_IP))
      masters.makeFolder(MASTER_IP, 'before')
      await masters.isShownAs({ [MASTER_IP]: 'LEADER', [OTHER_IP]: 'FOLLOWER' }, 2)
      const folder = masters.startMetalogger(program)
      await until('the download', () => readdirSync(folder).includes('metadata_ml.mfs.back'))
      masters.makeFolder(MASTER_IP, 'relayed')
      await until('a change through the follower', () => linesIn(folder).includes(',relayed,'))
      assert.match(masters.mfsha(OTHER_IP, 'promote'), /leads/)
      masters.makeFolder(OTHER_IP, 'after')
      await until('a change of the new leader', () => linesIn(folder).includes(',after,'))
      await masters.isShownAs({ [MASTER_IP]: 'FOLLOWER', [OTHER_IP]: 'LEADER' }, 4)
      // One stream from the first line on: nothing was missed, nothing came twice.
      const numbers = changesIn(folder)
      assert.deepEqual(
        numbers,
        numbers.map((_, i) => (numbers[0] ?? 0) + i),
      )
      const { state } = await recover(realDisk, folder, { now: 1_700_000_000 })
      // Sessions end and the master idles meanwhile.
      const later = changesIn(folder)
      assert.ok(state.version > (numbers.at(-1) ?? 0) && state.version <= (later.at(-1) ?? 0) + 1)
    } finally {
      await cluster.close()
      rmSync(cluster.folder, { recursive: true, force: true })
    }
  })
}

test('our chunkserver keeps the epoch of the leader that it is registered with', { skip }, async () => {
  const masters = new Masters()
  const { cluster } = masters
  const kept = () => {
    const file = join(cluster.folder, 'cs3', 'epoch.mfs')
    return existsSync(file) ? Number(readFileSync(file, 'latin1')) : 0
  }
  try {
    masters.start(MASTER_IP, OTHER_IP)
    masters.start(OTHER_IP, MASTER_IP)
    masters.mfsha(MASTER_IP, 'promote', '--force')
    await until('in sync', () => masters.isInSync(OTHER_IP))
    cluster.chunkserverLines.set(3, [`MASTER_HOST=${MASTER_IP},${OTHER_IP}`])
    cluster.startChunkserverWith(bin('mfschunkserver'), 3)
    const { epoch = 0 } = masters.status(MASTER_IP)
    await until('the first epoch', () => kept() === epoch)
    assert.match(masters.mfsha(OTHER_IP, 'promote'), /leads/)
    const { epoch: next = 0 } = masters.status(OTHER_IP)
    assert.ok(next > epoch)
    await until('the next epoch', () => kept() === next)
  } finally {
    await cluster.close()
  }
})
