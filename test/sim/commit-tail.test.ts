// A journal whose machine loses its power again and again: what was acknowledged is in its changelogs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageOf } from '../../src/journal/changelog-files.ts'
import { ChangelogFile } from '../../src/journal/changelog-reader.ts'
import { inspectTail, settleTail, TAIL_NAME } from '../../src/journal/commit-tail.ts'
import { Journal, type SyncMode } from '../../src/journal/journal.ts'
import { makeReady } from '../../src/journal/recovery.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

const FOLDER = '/data'
const CHANGELOG = `${FOLDER}/changelog.0.mfs`

class World {
  readonly scheduler: Scheduler
  readonly host: SimHost
  /** The number of the next line, and how many were acknowledged. */
  next = 1
  acknowledged = 0
  putBack = 0
  readonly #sync: SyncMode

  constructor(seed: number, sync: SyncMode) {
    this.scheduler = new Scheduler(seed)
    this.host = new SimHost(this.scheduler, new SimNetwork(this.scheduler), '10.0.0.1')
    this.#sync = sync
  }

  get disk() {
    return this.host.env('test').disk
  }

  openJournal(): Journal {
    const { disk, clock } = this.host.env('journal')
    return new Journal(disk, clock, FOLDER, { sync: this.#sync }, error => {
      throw error
    })
  }

  append(journal: Journal, bytes: number): void {
    journal.append(`${this.next}: 1700000000|NAME(${'x'.repeat(bytes)})`)
    const last = this.next++
    journal.whenDurable(() => {
      this.acknowledged = Math.max(this.acknowledged, last)
    })
  }

  run(work: () => Promise<void>): Promise<void> {
    return this.scheduler.finished(work())
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.scheduler.at(ms, resolve))
  }

  /** Numbers of the lines in a file, which follow each other. */
  async #numbers(path: string): Promise<{ from: number; to: number; torn: ChangelogFile['tornTail'] } | undefined> {
    const file = new ChangelogFile(this.disk, path)
    let [from, to] = [0, 0]
    for await (const { text } of file.lines()) {
      const id = Number(text.split(':')[0])
      assert.match(text, /^\d+: 1700000000\|NAME\(x+\)$/, path)
      if (to === 0) from = id
      else assert.equal(id, to + 1, path)
      to = id
    }
    return { from, to, torn: file.tornTail }
  }

  /** As a master starts. Everything acknowledged is there. */
  async recover(): Promise<void> {
    // The power may go again while the tail is settled.
    while (this.scheduler.random() < 0.4) {
      void settleTail(this.disk, FOLDER)
      await this.sleep(this.scheduler.random())
      this.host.powerCut(this.scheduler.random() < 0.5 ? 'everything' : 'chance')
    }
    const copy = (await inspectTail(this.disk, FOLDER))?.lines
    const note = await settleTail(this.disk, FOLDER)
    if (note) this.putBack++
    assert.doesNotMatch(note ?? '', /another master/)
    assert.ok(!(await this.disk.list(FOLDER)).includes(TAIL_NAME))
    const names = (await this.disk.list(FOLDER)).filter(name => name.endsWith('.mfs'))
    let last = 0
    for (const name of names.sort((a, b) => (ageOf(b) ?? 0) - (ageOf(a) ?? 0))) {
      const numbers = await this.#numbers(`${FOLDER}/${name}`)
      if (!numbers || numbers.to === 0) continue
      if (last > 0) assert.equal(numbers.from, last + 1, `${name} does not lead on`)
      last = numbers.to
      if (`${FOLDER}/${name}` === CHANGELOG && copy) {
        const whole = (await this.disk.readFile(CHANGELOG)).toString('latin1')
        assert.ok(whole.includes(copy.toString('latin1')), 'the lines that tools are shown are in the changelog')
      }
    }
    assert.ok(last >= this.acknowledged, `${this.acknowledged} were acknowledged, ${last} are there`)
    this.next = last + 1
    this.acknowledged = last
    const { torn } = (names.includes('changelog.0.mfs') && (await this.#numbers(CHANGELOG))) || {}
    if (torn) await makeReady(this.disk, FOLDER, [{ path: CHANGELOG, ...torn, hasLines: false }])
  }
}

async function oneLife(world: World): Promise<void> {
  const { scheduler } = world
  const journal = world.openJournal()
  const untilMs = scheduler.nowMs + scheduler.between(1, 4000)
  while (scheduler.nowMs < untilMs) {
    for (let lines = scheduler.between(1, 4); lines > 0; lines--) world.append(journal, scheduler.between(1, 400))
    if (scheduler.random() < 0.02) void journal.rotate().catch(() => {})
    await world.sleep(scheduler.random() < 0.1 ? scheduler.between(1, 1500) : scheduler.between(0, 3))
  }
  const luck = scheduler.random()
  if (luck < 0.15) await journal.close()
  else if (luck < 0.3) world.host.kill()
  if (luck >= 0.3 || scheduler.random() < 0.5) world.host.powerCut(luck > 0.65 ? 'everything' : 'chance')
}

const modes: readonly [string, SyncMode][] = [
  ['a tail of a few records', { kind: 'commit', tailBytes: 600 }],
  ['a tail of some records', { kind: 'commit', tailBytes: 8192 }],
  ['a tail too small for any', { kind: 'commit', tailBytes: 10 }],
]

for (const [name, sync] of modes) {
  test(`${name}: no power cut takes what was acknowledged`, async () => {
    let putBack = 0
    for (let seed = 1; seed <= 60; seed++) {
      const world = new World(seed, sync)
      await world.run(async () => {
        await world.disk.makeFolder(FOLDER)
        await world.disk.syncFolder('/')
        for (let life = 0; life < 6; life++) {
          await oneLife(world)
          await world.recover()
        }
      })
      putBack += world.putBack
    }
    if (sync.kind === 'commit' && (sync.tailBytes ?? 0) > 100) assert.ok(putBack > 20, `only ${putBack} were put back`)
    else assert.equal(putBack, 0)
  })
}
