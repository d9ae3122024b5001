// Our mount made by somebody who is not root, with fusermount3.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const SOMEBODY = 65_534
const mfsmount = join(import.meta.dirname, '../../src/cli/mfsmount.ts')

/** Nobody in particular, who may read the checkout wherever it lies. */
const asSomebody = [
  ...['setpriv', `--reuid=${SOMEBODY}`, `--regid=${SOMEBODY}`, '--clear-groups'],
  ...['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'],
]

test('somebody who is not root mounts, works and unmounts', { skip }, async () => {
  installPackages({ fusermount3: 'fuse3', setpriv: 'util-linux' })
  const cluster = new Cluster()
  const home = mkdtempSync(join(tmpdir(), 'elkfs-user-'))
  const mnt = join(home, 'mnt')
  // Everybody may open it where udev is at work; in containers often only root may.
  const mode = statSync('/dev/fuse').mode & 0o777
  try {
    chmodSync('/dev/fuse', 0o666)
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    chmodSync(home, 0o755)
    mkdirSync(mnt)
    chownSync(mnt, SOMEBODY, SOMEBODY)
    cluster.mountOurs()
    mkdirSync(join(cluster.mountPoint, 'theirs'))
    chownSync(join(cluster.mountPoint, 'theirs'), SOMEBODY, SOMEBODY)

    const asked = ['-H', '10.88.0.1', '-S', '/theirs']
    cluster.run('env', '-C', '/', ...asSomebody, process.execPath, mfsmount, mnt, ...asked)
    const line = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find(text => text.includes(` ${mnt} `))
    assert.match(line ?? '', new RegExp(` fuse rw,nosuid,nodev,relatime,user_id=${SOMEBODY},group_id=${SOMEBODY}`))
    const sh = (script: string) =>
      execFileSync('setpriv', [...asSomebody.slice(1), 'sh', '-ec', script], { cwd: '/', encoding: 'utf8' })
    sh(`cp -a /usr/share/common-licenses ${mnt}/tree; diff -r /usr/share/common-licenses ${mnt}/tree`)
    assert.equal(statSync(join(cluster.mountPoint, 'theirs/tree')).uid, SOMEBODY)
    // Without user_allow_other in fuse.conf not even root looks in.
    assert.notEqual(spawnSync('ls', [mnt]).status, 0)

    sh(`fusermount3 -u ${mnt}`)
    for (let i = 0; i < 50 && cluster.pids().length > 3; i++) await sleep(100)
    assert.equal(cluster.pids().length, 3, 'the mount ended with its mount point')
  } finally {
    chmodSync('/dev/fuse', mode)
    spawnSync('umount', ['-l', mnt], { stdio: 'ignore' })
    await cluster.close()
    rmSync(home, { recursive: true, force: true })
  }
})
