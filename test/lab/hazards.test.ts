// mfsha check on the public recipe: every hazard of it has a name, and our own configuration has none.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keepalivedConfig, leaderCheck } from '../../src/ha/keepalived-config.ts'
import { findHazards } from '../../src/ha/recipe-hazards.ts'

const article = join(import.meta.dirname, 'article')
const source = (name: string) => ({ path: name, text: readFileSync(join(article, name), 'utf8') })

const options = {
  virtualAddress: '192.168.1.99/24',
  device: 'eth1',
  ownAddress: '192.168.1.8',
  peers: ['192.168.1.9'],
  priority: 100,
  routerId: 51,
  dataFolder: '/var/lib/mfs',
}

/** A line of each file, and a word of what is wrong with it. */
const expected: [string, number, RegExp][] = [
  ['keepalived.conf', 8, /found only after/],
  ['keepalived.conf', 9, /weight only changes the priority/],
  ['keepalived.conf', 12, /without nopreempt/],
  ['keepalived.conf', 12, /both have the address/],
  ['keepalived.conf', 13, /older metadata/],
  ['keepalived.conf', 19, /in clear/],
  ['keepalived.conf', 28, /notify scripts/],
  ['keepalived_check_mfsmaster.sh', 2, /process or port is there/],
  ['keepalived_check_mfsmaster.sh', 4, /starts a master/],
  ['keepalived_check_mfsmaster.sh', 5, /fixed pause/],
  ['keepalived_check_mfsmaster.sh', 7, /monitor is killed/],
  ['keepalived_check_mfsmaster.sh', 8, /leaves the address on this host/],
  ['clean_back.sh', 3, /stopped first/],
  ['clean_back.sh', 4, /deletes its metadata/],
  ['clean_back.sh', 5, /newest changes are not on its disk/],
  ['clean_back.sh', 5, /log in to the other as root/],
  ['clean_back.sh', 6, /last ones are missing/],
  ['clean_back.sh', 7, /goes on over gaps/],
]

test('each hazard of the public recipe is named with its line', () => {
  const hazards = findHazards(['keepalived.conf', 'keepalived_check_mfsmaster.sh', 'clean_back.sh'].map(source))
  for (const [path, line, what] of expected) {
    assert.ok(
      hazards.some(hazard => hazard.path === path && hazard.line === line && what.test(hazard.what)),
      `${path}:${line}: ${what} is not among\n${hazards.map(h => `${h.path}:${h.line}: ${h.what}`).join('\n')}`,
    )
  }
  assert.equal(hazards.length, expected.length)
})

test('a comment is no hazard, and the configuration that we write has none', () => {
  assert.deepEqual(findHazards([{ path: 'x.sh', text: '# rsync and rm -rf\necho hello\n' }]), [])
  const text = keepalivedConfig(options)
  assert.deepEqual(findHazards([{ path: 'keepalived.conf', text }]), [])
})

test('the check passes where a master follows or writes that it leads, and takes its time on a busy machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-check-'))
  const file = join(folder, 'not-leader')
  const passes = () => spawnSync('/bin/sh', ['-c', leaderCheck(folder)]).status === 0
  const hourAgo = new Date(Date.now() - 3600_000)
  assert.ok(!passes())
  writeFileSync(file, '1\n')
  utimesSync(file, hourAgo, hourAgo)
  assert.ok(passes())
  writeFileSync(file, '0\n')
  assert.ok(passes())
  utimesSync(file, hourAgo, hourAgo)
  assert.ok(!passes())
  rmSync(folder, { recursive: true })
  const config = keepalivedConfig(options)
  const [, interval, timeout] = /interval (\d+)\s+timeout (\d+)/.exec(config) ?? []
  // One that is still going on is not started again, and has not failed.
  assert.ok(Number(timeout) >= 3 * Number(interval), config)
})

test('who has the address says so before clients repeat their packets for the last time', () => {
  const [, seconds] = /garp_master_refresh (\d+)/.exec(keepalivedConfig(options)) ?? []
  assert.ok(Number(seconds) <= 2)
})

test('mfsha check tells by its exit code whether there are hazards, and mfsha explains itself', () => {
  const mfsha = (...args: string[]) =>
    spawnSync(join(import.meta.dirname, '../../bin/mfsha'), args, { encoding: 'utf8', timeout: 60_000 })
  const checked = mfsha('check', join(article, 'clean_back.sh'))
  assert.equal(checked.status, 1)
  assert.match(checked.stdout, /clean_back\.sh:4: .*deletes its metadata/)
  assert.match(checked.stdout, /6 hazards/)
  assert.equal(mfsha('--help').status, 0)
  const wrong = mfsha('frobnicate')
  assert.equal(wrong.status, 64)
  assert.match(wrong.stderr, /unknown command frobnicate/)
  const missing = mfsha('check', '/nonexistent')
  assert.equal(missing.status, 1)
  assert.match(missing.stderr, /ENOENT/)
  const unreachable = mfsha('-H', '127.0.0.1:1', 'status')
  assert.equal(unreachable.status, 2)
  assert.match(unreachable.stderr, /ECONNREFUSED/)
})
