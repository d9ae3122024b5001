import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusyPoll, type PollLoop } from './busy-poll.ts'

const LIMIT_MS = 0.3
const LOOK_MS = 0.01

/** A loop that a test turns by hand; each look takes LOOK_MS, and `awayMs` once when it is set. */
class Loop implements PollLoop {
  now = 1000
  looks = 0
  awayMs = 0
  #next: (() => void) | undefined

  nowMs = () => this.now
  again = (action: () => void) => {
    assert.equal(this.#next, undefined, 'it looks once at a time')
    this.#next = action
  }
  yieldProcessor = () => {
    this.now += LOOK_MS + this.awayMs
    this.awayMs = 0
  }

  get isAwake(): boolean {
    return this.#next !== undefined
  }

  turn(): void {
    const action = this.#next
    this.#next = undefined
    this.looks++
    action?.()
  }

  /** @returns how long the loop stayed awake */
  untilAsleep(): number {
    const from = this.now
    while (this.isAwake) this.turn()
    return this.now - from
  }
}

function poll(): { loop: Loop; busy: BusyPoll } {
  const loop = new Loop()
  return { loop, busy: new BusyPoll(loop, LIMIT_MS) }
}

/** @returns whether it waited awake in vain */
function futile(loop: Loop, busy: BusyPoll): boolean {
  busy.expect()
  return loop.untilAsleep() >= LIMIT_MS
}

test('nothing keeps the loop awake before anything was sent', () => {
  const { loop, busy } = poll()
  busy.came()
  assert.equal(loop.isAwake, false)
})

test('the loop looks again and again for as long as it may, not longer', () => {
  const { loop, busy } = poll()
  busy.expect()
  const awakeMs = loop.untilAsleep()
  assert.ok(awakeMs >= LIMIT_MS && awakeMs < LIMIT_MS + 2 * LOOK_MS, `${awakeMs} ms`)
  assert.ok(loop.looks > 20, `${loop.looks} looks`)
})

test('a message ends the wait, and what is sent then begins another one', () => {
  const { loop, busy } = poll()
  busy.expect()
  for (let i = 0; i < 3; i++) loop.turn()
  busy.came()
  assert.ok(loop.untilAsleep() <= LOOK_MS)
  busy.expect()
  busy.came()
  busy.expect()
  assert.ok(loop.untilAsleep() >= LIMIT_MS)
})

test('where nothing ever comes it is left for a while, and tried again', () => {
  const { loop, busy } = poll()
  let waits = 0
  while (futile(loop, busy)) assert.ok(++waits < 20)
  assert.ok(waits >= 2, `${waits} waits`)
  loop.now += 50
  assert.equal(futile(loop, busy), false)
  loop.now += 100
  assert.equal(futile(loop, busy), true)
})

test('one message in two waits is enough to go on', () => {
  const { loop, busy } = poll()
  for (let i = 0; i < 100; i++) {
    assert.equal(futile(loop, busy), true, `wait ${i}`)
    busy.expect()
    busy.came()
    loop.untilAsleep()
  }
})

test('who gets the processor back late leaves it to others for a second', () => {
  const { loop, busy } = poll()
  busy.expect()
  loop.awayMs = 3
  assert.ok(loop.untilAsleep() < 3 + 3 * LOOK_MS)
  loop.now += 900
  assert.equal(futile(loop, busy), false)
  loop.now += 200
  assert.equal(futile(loop, busy), true)
})

test('a processor that is taken away seldom is worth waiting on, one that is taken away often is not', () => {
  const { loop, busy } = poll()
  const messagesUntilPause = (every: number) => {
    for (let messages = 1; messages <= 1000; messages++) {
      busy.expect()
      if (!loop.isAwake) return messages
      if (messages % every === 0) loop.awayMs = 2
      loop.turn()
      busy.came()
      loop.untilAsleep()
    }
    return 1000
  }
  assert.equal(messagesUntilPause(100), 1000)
  assert.ok(messagesUntilPause(10) < 500)
})

test('however much was saved, somebody who computes gets the processor soon', () => {
  const { loop, busy } = poll()
  for (let i = 0; i < 10_000; i++) {
    busy.expect()
    busy.came()
    loop.untilAsleep()
  }
  let lostMs = 0
  for (busy.expect(); loop.isAwake; busy.expect()) {
    loop.awayMs = 3
    loop.turn()
    busy.came()
    loop.untilAsleep()
    lostMs += 3
  }
  assert.ok(lostMs <= 15, `${lostMs} ms`)
})
