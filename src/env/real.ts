// The real doors: this machine's clock, chance, network and disk.
import { randomBytes, randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import koffi from 'koffi'
import { BusyPoll, type PollLoop } from './busy-poll.ts'
import type { Clock, Env, Random, Usage } from './env.ts'
import type { Log } from './log.ts'
import { realDisk } from './real-disk.ts'
import { realHelpers } from './real-helpers.ts'
import { netWith } from './real-net.ts'

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  utcOffsetSeconds: () => -60 * new Date().getTimezoneOffset(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  soon: action => void setImmediate(action),
  every(ms, action) {
    const timer = setInterval(action, ms)
    return { cancel: () => clearInterval(timer) }
  },
  sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
}

export const realRandom: Random = {
  below: limit => randomInt(limit),
  bytes: count => randomBytes(count),
}

/** Of x86-64 and of nearly all arm64 systems. */
const PAGE_BYTES = 4096

/** The first number of statm is in pages. */
const virtualBytes = () => Number.parseInt(readFileSync('/proc/self/statm', 'latin1'), 10) * PAGE_BYTES

function realUsage(): Usage {
  const { user, system } = process.cpuUsage()
  return {
    memoryBytes: process.memoryUsage.rss(),
    virtualBytes: virtualBytes(),
    userMicroseconds: user,
    systemMicroseconds: system,
  }
}

const schedYield = koffi.load(null).func('int sched_yield()')

const pollLoop: PollLoop = {
  nowMs: () => performance.now(),
  again: action => void setImmediate(action),
  yieldProcessor: () => void schedYield(),
}

/**
 * The doors of this machine, with messages going to `log`.
 *
 * @param busyPollMicroseconds how long to wait awake for what follows a message; 0: not at all
 */
export function realEnv(log: Log, busyPollMicroseconds = 0): Env {
  const helpers = realHelpers(log)
  const net = netWith(busyPollMicroseconds > 0 ? new BusyPoll(pollLoop, busyPollMicroseconds / 1000) : undefined)
  return { clock: realClock, random: realRandom, net, disk: realDisk, log, helpers, usage: realUsage }
}
