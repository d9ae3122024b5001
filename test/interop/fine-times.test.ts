// Nanoseconds, times before 1970 and after 2106: kept between our mount and our master, through every restart, and in
// nobody's way where one of the two is the original.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const given = {
  fine: ['2026-01-02 03:04:05.123456789', 1_767_323_045_123_456_789n],
  early: ['1950-01-01 00:00:00.5', -631_151_999_500_000_000n],
  late: ['2200-01-01 00:00:00.25', 7_258_118_400_250_000_000n],
} as const

function touchAll(folder: string): void {
  for (const [name, [date]] of Object.entries(given)) {
    writeFileSync(join(folder, name), name)
    execFileSync('touch', ['-d', `${date} UTC`, join(folder, name)])
  }
}

function check(folder: string): void {
  for (const [name, [, ns]] of Object.entries(given)) {
    const { atimeNs, mtimeNs, ctimeNs } = statSync(join(folder, name), { bigint: true })
    assert.deepEqual([name, atimeNs, mtimeNs], [name, ns, ns])
    assert.ok(ctimeNs > 1_700_000_000n * 1_000_000_000n)
  }
}

/** Something of everything that a changelog line can say. */
function work(folder: string): void {
  const at = (name: string) => join(folder, name)
  for (let i = 0; i < 20; i++) writeFileSync(at(`f${i}`), `contents ${i}`)
  for (let i = 0; i < 5; i++) unlinkSync(at(`f${i}`))
  linkSync(at('f5'), at('linked'))
  renameSync(at('f6'), at('renamed'))
  symlinkSync('f7', at('symbolic'))
  execFileSync('truncate', ['-s', '100', at('f7')])
  execFileSync('chmod', ['4711', at('f8')])
  execFileSync('setfattr', ['-n', 'user.x', '-v', 'value', at('f9')])
  execFileSync('setfacl', ['-m', 'u:1000:r', at('f10')])
  execFileSync('mkdir', ['-p', at('a/b/c')])
}

test('fine times last through crashes and restarts of our master', { skip }, async () => {
  installPackages()
  const cluster = new Cluster()
  try {
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs('-o', 'mfsattrcacheto=0')
    touchAll(cluster.mountPoint)
    check(cluster.mountPoint)
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await cluster.stopOurMaster(signal)
      await cluster.startOurMaster()
      check(cluster.mountPoint)
    }
  } finally {
    await cluster.close()
  }
})

test('the original loads and replays what our master has written, and goes on with whole seconds', {
  skip,
}, async () => {
  installPackages({ setfacl: 'acl', setfattr: 'attr' })
  const cluster = new Cluster()
  const { mountPoint } = cluster
  const seconds = () =>
    readdirSync(mountPoint).map(
      name => `${name} ${statSync(join(mountPoint, name), { bigint: true }).mtimeNs / 1_000_000_000n}`,
    )
  try {
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs('-o', 'mfsattrcacheto=0')
    work(mountPoint)
    writeFileSync(join(mountPoint, 'fine'), 'fine')
    execFileSync('touch', ['-d', `${given.fine[0]} UTC`, join(mountPoint, 'fine')])
    for (const how of ['SIGKILL', 'SIGTERM'] as const) {
      const before = seconds()
      await cluster.stopOurMaster(how)
      cluster.startRealMaster('-a')
      assert.deepEqual(seconds(), before)
      assert.equal(readFileSync(join(mountPoint, 'f9'), 'utf8'), 'contents 9')
      assert.equal(statSync(join(mountPoint, 'fine'), { bigint: true }).mtimeNs % 1_000_000_000n, 0n)
      writeFileSync(join(mountPoint, 'real'), 'written on the original')
      cluster.stopRealMaster()
      await cluster.startOurMaster()
      unlinkSync(join(mountPoint, 'real'))
      assert.deepEqual(seconds(), before)
      work(mkdtempSync(join(mountPoint, 'more-')))
    }
  } finally {
    await cluster.close()
  }
})

test('a real mount sees the nearest whole seconds that it can', { skip }, async () => {
  installPackages()
  const cluster = new Cluster()
  const second = join(cluster.folder, 'real')
  try {
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs()
    touchAll(cluster.mountPoint)
    mkdirSync(second)
    cluster.mountWith('mfsmount', second)
    const shown = (name: string) => statSync(join(second, name), { bigint: true }).mtimeNs
    assert.equal(shown('fine'), 1_767_323_045n * 1_000_000_000n)
    assert.equal(shown('early'), 0n)
    assert.equal(shown('late'), (2n ** 32n - 1n) * 1_000_000_000n)
  } finally {
    await cluster.close()
  }
})
