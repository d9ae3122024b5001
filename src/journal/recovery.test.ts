import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realDisk } from '../env/real-disk.ts'
import { storeCheckpoint, storeEmergency } from './checkpoint-files.ts'
import { makeReady, recover } from './recovery.ts'

const NOW = 1_700_000_000
const line = (id: number) => `${id}: ${NOW + id}|CREATE(1,f${id},1,420,0,0,0,0):${id}\n`
const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i)).join('')

/** A data folder with the given files. Inode numbers of `line` fit a log that begins with two IDLE changes. */
async function withFolder(files: Record<string, string>, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-recovery-'))
  try {
    for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, name), contents, 'latin1')
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const idle = `1: ${NOW}|SETMETAID(7)\n`

test('a new file system and its changelog', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': idle + lines(2, 9) }, async folder => {
    const { state, replayed } = await recover(realDisk, folder, { now: NOW })
    assert.equal(state.version, 10)
    assert.equal(replayed, 9)
    assert.equal(state.nodes.count, 9)
  }))

test('lines come from overlapping files in any order, each is applied once', () =>
  withFolder(
    {
      'metadata.mfs': 'MFSM NEW',
      'changelog.2.mfs': idle + lines(2, 4),
      'changelog_ml.0.mfs': lines(3, 6),
      'changelog.0.mfs': lines(7, 8),
      'changelog.1.mfs': lines(5, 7),
    },
    async folder => assert.equal((await recover(realDisk, folder, { now: NOW })).state.version, 9),
  ))

test('an unfinished last line is cut off and kept aside', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': `${idle}${lines(2, 3)}4: 17000` }, async folder => {
    const { state, torn } = await recover(realDisk, folder, { now: NOW })
    assert.equal(state.version, 4)
    const [note] = await makeReady(realDisk, folder, torn)
    assert.match(note as string, /^8 bytes of an unfinished change/)
    assert.equal(
      readFileSync(join(folder, `changelog.0.mfs.torn-at-${(idle + lines(2, 3)).length}`), 'latin1'),
      '4: 17000',
    )
    assert.equal(readFileSync(join(folder, 'changelog.0.mfs'), 'latin1'), idle + lines(2, 3))
  }))

const more = (id: number) => line(id).replace('\n', ';M\n')

test('the beginning of a request whose last line is not there is cut off and kept aside', () =>
  withFolder(
    { 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': `${idle}${line(2)}${more(3)}${more(4)}5: 17000` },
    async folder => {
      const { state, torn } = await recover(realDisk, folder, { now: NOW })
      assert.equal(state.version, 3)
      const [note] = await makeReady(realDisk, folder, torn)
      assert.match(note as string, /bytes of a request that lacks its last changes/)
      const aside = readFileSync(join(folder, `changelog.0.mfs.torn-at-${(idle + line(2)).length}`), 'latin1')
      assert.equal(aside, `${more(3)}${more(4)}5: 17000`)
      assert.equal(readFileSync(join(folder, 'changelog.0.mfs'), 'latin1'), idle + line(2))
    },
  ))

test('a request that is whole counts, also when its lines lie in two files', () =>
  withFolder(
    {
      'metadata.mfs': 'MFSM NEW',
      'changelog_ml.0.mfs': idle + line(2) + more(3),
      'changelog.0.mfs': more(3) + line(4),
    },
    async folder => {
      const { state, torn } = await recover(realDisk, folder, { now: NOW })
      assert.equal(state.version, 5)
      assert.deepEqual(torn, [])
    },
  ))

test("half a request is cut off a metalogger's changelog too, so that other changes can take its numbers", () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog_ml.0.mfs': idle + line(2) + more(3) }, async folder => {
    const { torn } = await recover(realDisk, folder, { now: NOW })
    await makeReady(realDisk, folder, torn)
    writeFileSync(join(folder, 'changelog.0.mfs'), `3: ${NOW}|IDLE()\n4: ${NOW}|IDLE()\n`)
    const { state } = await recover(realDisk, folder, { now: NOW })
    assert.equal(state.version, 5)
    assert.equal(state.nodes.count, 2)
  }))

test('a gap within a request is a gap', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': idle + more(2) + lines(4, 5) }, async folder => {
    await assert.rejects(recover(realDisk, folder, { now: NOW }), /the changes 3 to 3 are missing/)
  }))

test('half a line is cut off behind changes that the checkpoint holds all', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': idle + lines(2, 3) }, async folder => {
    const { state } = await recover(realDisk, folder, { now: NOW })
    await storeCheckpoint(realDisk, folder, 'metadata.mfs', state)
    writeFileSync(join(folder, 'changelog.0.mfs'), `${idle}${lines(2, 3)}4: 17000`)
    const { torn } = await recover(realDisk, folder, { now: NOW })
    await makeReady(realDisk, folder, torn)
    assert.equal(readFileSync(join(folder, 'changelog.0.mfs'), 'latin1'), idle + lines(2, 3))
  }))

test('a tail of zeros that a power cut left is no line', () =>
  withFolder(
    { 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': `${idle}${lines(2, 3)}${'\0'.repeat(100)}` },
    async folder => assert.equal((await recover(realDisk, folder, { now: NOW })).state.version, 4),
  ))

test('a gap stops recovery and names the missing changes', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': idle + lines(2, 3) + lines(6, 7) }, async folder => {
    await assert.rejects(
      recover(realDisk, folder, { now: NOW }),
      /lead to change 3, but changes up to 6 were stored[\s\S]*changelog\.0\.mfs, byte \d+, change 6: the changes 4 to 5 are missing/,
    )
  }))

test('a damaged line in the middle stops recovery with file and offset', () =>
  withFolder(
    { 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': `${idle}2: 5|CREAT%(1)\n${lines(3, 4)}` },
    async folder => {
      await assert.rejects(recover(realDisk, folder, { now: NOW }), /byte \d+, change 2/)
    },
  ))

test('a line that does not fit the state stops recovery', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': `${idle}2: 5|UNLINK(1,nothing):9\n` }, async folder => {
    await assert.rejects(recover(realDisk, folder, { now: NOW }), /change 2: no "nothing" in inode 1/)
  }))

test('without checkpoint the message says how to make a new file system', () =>
  withFolder({}, async folder => {
    await assert.rejects(recover(realDisk, folder, { now: NOW }), /MFSM NEW/)
  }))

test('a damaged newest checkpoint is replaced by an older one and the changelogs', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.1.mfs': idle + lines(2, 5) }, async folder => {
    const { state } = await recover(realDisk, folder, { now: NOW })
    await storeCheckpoint(realDisk, folder, 'metadata.mfs.back', state)
    writeFileSync(join(folder, 'changelog.0.mfs'), lines(6, 7))
    const whole = readFileSync(join(folder, 'metadata.mfs.back'))
    const damaged = Buffer.from(whole)
    damaged.fill(0xee, 2600, 2700)
    writeFileSync(join(folder, 'metadata.mfs.back'), damaged)
    const recovered = await recover(realDisk, folder, { now: NOW })
    assert.equal(recovered.state.version, 8)
    assert.match(recovered.checkpoint, /metadata\.mfs$/)
    assert.match(recovered.notes.join(), /metadata\.mfs\.back: section [A-Z]{4}, byte \d+/)
    rmSync(join(folder, 'changelog.1.mfs'))
    await assert.rejects(recover(realDisk, folder, { now: NOW }), /missing/)
  }))

test('checkpoints of different file systems are refused', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': idle }, async folder => {
    const { state } = await recover(realDisk, folder, { now: NOW })
    await storeCheckpoint(realDisk, folder, 'metadata.mfs.back', state)
    state.metaId = 8n
    await storeCheckpoint(realDisk, folder, 'metadata.mfs.back.1', state)
    await assert.rejects(recover(realDisk, folder, { now: NOW }), /different file systems/)
  }))

test('recovery up to a change leaves later ones out', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': idle + lines(2, 9) }, async folder => {
    assert.equal((await recover(realDisk, folder, { now: NOW, until: 5 })).state.version, 5)
  }))

test('an emergency checkpoint elsewhere counts when it is newer and of the same file system', () =>
  withFolder({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': idle + lines(2, 9) }, async folder => {
    const { state } = await recover(realDisk, folder, { now: NOW, until: 6 })
    await storeCheckpoint(realDisk, folder, 'metadata.mfs.back', state)
    const newer = (await recover(realDisk, folder, { now: NOW })).state
    const home = mkdtempSync(join(tmpdir(), 'elkfs-home-'))
    try {
      const places = [join(home, 'missing/metadata.mfs.emergency'), join(home, 'metadata.mfs.emergency')]
      assert.equal(await storeEmergency(realDisk, places, newer), places[1])
      rmSync(join(folder, 'changelog.0.mfs'))
      assert.equal((await recover(realDisk, folder, { now: NOW })).state.version, 6)
      assert.equal((await recover(realDisk, folder, { now: NOW, elsewhere: places })).state.version, 10)
      newer.metaId = 8n
      await storeEmergency(realDisk, places, newer)
      assert.equal((await recover(realDisk, folder, { now: NOW, elsewhere: places })).state.version, 6)
    } finally {
      rmSync(home, { recursive: true })
    }
  }))

const locked = `4: ${NOW}|SESADD(#1,1,0,0000,0,0,0,0,1,9,0,1,0x00000000,1,m):1\n5: ${NOW}|ACQUIRE(1,2)\n`

test('with -i a change that has come true already is passed over and said; any other stops with line and loss', () =>
  withFolder(
    {
      'metadata.mfs': 'MFSM NEW',
      'changelog.0.mfs': `${idle}${lines(2, 3)}${locked}6: ${NOW}|ACQUIRE(1,2)\n7: 5|IDLE()\n`,
    },
    async folder => {
      await assert.rejects(recover(realDisk, folder, { now: NOW }), /change 6: session 1 has inode 2 open/)
      const { state, notes } = await recover(realDisk, folder, { now: NOW, ignoresFlaws: true })
      assert.equal(state.version, 8)
      assert.match(notes.join(), /change 6: .*: passed over, it would have changed nothing: 6: \d+\|ACQUIRE\(1,2\)/)
      writeFileSync(join(folder, 'changelog.1.mfs'), `8: ${NOW}|UNLINK(1,nothing):9\n9: 5|IDLE()\n`)
      await assert.rejects(
        recover(realDisk, folder, { now: NOW, ignoresFlaws: true }),
        /change 8: no "nothing" in inode 1[\s\S]*UNLINK[\s\S]*this change and all after it, 2 as far as is known/,
      )
    },
  ))
