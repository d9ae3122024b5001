// Real and own masters and metaloggers follow each other, and a whole cluster comes back from a metalogger's folder alone.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { realDisk } from '../../src/env/real-disk.ts'
import { recover } from '../../src/journal/recovery.ts'
import { differences } from '../../src/metadata/diff/diff.ts'
import { load } from '../golden/metadata.ts'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { restoredByRealMaster } from './real-restore.ts'

const skip = whyNot() ?? false
const NOW = 1_700_000_000

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await condition()) return
    await sleep(100)
  }
  throw new Error(`${what}: not after a minute`)
}

/** Starts a metalogger, real or ours, on a folder of its own. */
function startMetalogger(cluster: Cluster, program: string, ...lines: string[]): string {
  const folder = join(cluster.folder, 'metalogger')
  mkdirSync(folder, { recursive: true })
  const config = join(cluster.folder, 'metalogger.cfg')
  const all = ['WORKING_USER=root', 'WORKING_GROUP=root', `DATA_PATH=${folder}`, `MASTER_HOST=${MASTER_IP}`]
  writeFileSync(config, `${[...all, 'MASTER_RECONNECTION_DELAY=1', ...lines].join('\n')}\n`)
  cluster.run(program, '-c', config, 'start')
  return folder
}

const stopMetalogger = (cluster: Cluster, program: string) =>
  cluster.run(program, '-c', join(cluster.folder, 'metalogger.cfg'), 'stop')

const OURS = join(import.meta.dirname, '../../bin/mfsmetalogger')

const contents = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder)
      .filter(name => /^(metadata|changelog)/.test(name))
      .map(name => [name, readFileSync(join(folder, name))]),
  )

const linesIn = (folder: string) =>
  readdirSync(folder)
    .filter(name => /^changelog/.test(name))
    .map(name => readFileSync(join(folder, name), 'latin1'))
    .join('')

for (const [master, metalogger] of [
  ['our', 'real'],
  ['real', 'our'],
  ['our', 'our'],
] as const) {
  const program = metalogger === 'our' ? OURS : 'mfsmetalogger'

  test(`${metalogger} metalogger follows ${master} master; its folder alone restores the file system`, {
    skip,
  }, async () => {
    installPackages({ mfsmetalogger: 'moosefs-metalogger' })
    const cluster = new Cluster()
    try {
      if (master === 'our') await cluster.startOurMaster()
      else cluster.startRealMaster()
      cluster.startRealChunkserver(2)
      const folder = startMetalogger(cluster, program)
      // The real one keeps no empty file system; it has the changelog from the first change on all the same.
      await until('the first download', () => existsSync(join(folder, 'changelog_ml_back.0.mfs')))
      cluster.mountReal()
      cluster.shell(
        `cd ${cluster.mountPoint} && mkdir -p a/b && for i in $(seq 200); do echo $i > a/b/f$i; done; rm a/b/f1*; ln -s x a/l`,
      )
      cluster.shell(`cd ${cluster.mountPoint} && echo last > a/last`)
      await until('the last change', () => linesIn(folder).includes(',last,'))
      // A second start of the metalogger goes on where it ended.
      stopMetalogger(cluster, program)
      cluster.shell(`cd ${cluster.mountPoint} && echo missed > a/missed`)
      startMetalogger(cluster, program)
      await until('what was missed', () => linesIn(folder).includes(',missed,'))
      cluster.shell(`umount ${cluster.mountPoint}`)
      await sleep(500)
      if (master === 'our') await cluster.stopOurMaster('SIGTERM')
      else cluster.stopRealMaster()
      const { state: expected } = await recover(realDisk, cluster.masterFolder, { now: NOW })
      await until('the last changes', () => linesIn(folder).includes(`${expected.version - 1}: `) || master === 'real')
      stopMetalogger(cluster, program)

      const alone = mkdtempSync(join(tmpdir(), 'elkfs-ml-'))
      try {
        cpSync(folder, alone, { recursive: true })
        if (!existsSync(join(alone, 'metadata_ml.mfs.back'))) writeFileSync(join(alone, 'metadata.mfs'), 'MFSM NEW')
        const { state } = await recover(realDisk, alone, { now: NOW })
        const tree = (found: ReturnType<typeof differences>) =>
          [...found].filter(({ title, sign, facts }) => {
            // Files that a session which has left had open: the original's own checkpoint leaves such sessions out.
            delete facts['open by sessions']
            return title === 'inode' && (sign !== '~' || Object.keys(facts).length > 0)
          })
        assert.deepEqual(tree(differences(state, expected)), [])
        // The original takes the same folder.
        const real = await load(restoredByRealMaster(contents(alone)))
        assert.deepEqual(
          tree(differences(state, real)).filter(({ name }) => name !== '1 (/)'),
          [],
        )
      } finally {
        rmSync(alone, { recursive: true })
      }
    } finally {
      await cluster.close()
    }
  })
}

test('a metalogger of ours that meets another file system refuses it and keeps its files', { skip }, async () => {
  const cluster = new Cluster()
  try {
    await cluster.startOurMaster()
    const folder = startMetalogger(cluster, OURS)
    await until('the first download', () => existsSync(join(folder, 'metadata_ml.mfs.back')))
    stopMetalogger(cluster, OURS)
    await cluster.stopOurMaster('SIGTERM')
    // What it keeps is of a file system with an id, and the master begins a new one.
    cpSync(join(cluster.masterFolder, 'metadata.mfs'), join(folder, 'metadata_ml.mfs.back'))
    for (const name of readdirSync(cluster.masterFolder)) rmSync(join(cluster.masterFolder, name), { recursive: true })
    writeFileSync(join(cluster.masterFolder, 'metadata.mfs'), 'MFSM NEW')
    const before = contents(folder)
    await cluster.startOurMaster()
    startMetalogger(cluster, OURS)
    const log = join(folder, 'mfsmetalogger.log')
    await until('the alarm', () => existsSync(log) && /ALARM: .*another file system/.test(readFileSync(log, 'utf8')))
    assert.deepEqual(contents(folder), before)
    stopMetalogger(cluster, OURS)
  } finally {
    await cluster.close()
  }
})
