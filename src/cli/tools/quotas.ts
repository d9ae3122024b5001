// Limits for folders (spec tools-and-admin A.3, B.3).
import * as cltoma from '../../protocol/cltoma.ts'
import type { Body } from '../../protocol/codec.ts'
import * as matocl from '../../protocol/matocl.ts'
import { UsageError } from '../shared/arguments.ts'
import { MSGID } from './master-link.ts'
import { column, type NumberKind, noColumn } from './numbers.ts'
import { periodSeconds, quantity } from './quantities.ts'
import type { Target } from './targets.ts'
import type { Call, Tool } from './tool.ts'

type Quota = Omit<Exclude<Body<typeof matocl.fuseQuotacontrol>, { status: number }>, 'msgid' | 'status'>
type Limits = NonNullable<Body<typeof cltoma.fuseQuotacontrol>['limits']>

interface Limit {
  readonly letter: string
  /** In the order of messages; the bit of the soft one is 1 << i, of the hard one 16 << i. */
  readonly soft: keyof Limits
  readonly hard: keyof Limits
  readonly current: 'inodes' | 'length' | 'size' | 'realsize'
  readonly kind: NumberKind
  /** What complaints call it. */
  readonly words: string
  readonly most: bigint
}

const U32 = 0xffffffffn
const U64 = 0xffffffffffffffffn
const LIMITS: readonly Limit[] = [
  { letter: 'i', soft: 'softInodes', hard: 'hardInodes', current: 'inodes', kind: 'count', words: 'inodes', most: U32 },
  { letter: 'l', soft: 'softLength', hard: 'hardLength', current: 'length', kind: 'bytes', words: 'length', most: U64 },
  { letter: 's', soft: 'softSize', hard: 'hardSize', current: 'size', kind: 'bytes', words: 'size', most: U64 },
  {
    ...{ letter: 'r', soft: 'softRealsize', hard: 'hardRealsize', current: 'realsize', kind: 'bytes' },
    ...{ words: 'real size', most: U64 },
  },
]
const softBit = (i: number) => 1 << i
const hardBit = (i: number) => 16 << i
const ALL_SOFT = 0x0f
const ALL_HARD = 0xf0
const NONE: Limits = {
  ...{ softInodes: 0, softLength: 0, softSize: 0, softRealsize: 0 },
  ...{ hardInodes: 0, hardLength: 0, hardSize: 0, hardRealsize: 0 },
}

/** What is asked of a folder's quota: with limits they are set, without those of `flags` are deleted; 0 only reads. */
interface Wish {
  flags: number
  gracePeriodSeconds: number
  limits?: Limits
}
const READ: Wish = { flags: 0, gracePeriodSeconds: 0 }

function carryOut({ inode, master }: Target, wish: Wish): Promise<Quota> {
  return master.query(cltoma.fuseQuotacontrol.encode({ msgid: MSGID, inode, ...wish }), matocl.fuseQuotacontrol)
}

function tell(call: Call, { name }: Target, quota: Quota): void {
  const grace = quota.gracePeriodSeconds ? `${quota.gracePeriodSeconds} seconds` : 'default'
  call.say(`${name}: (current values | soft quota | hard quota) ; soft quota grace period: ${grace}`)
  for (const [i, { soft, hard, current, kind }] of LIMITS.entries()) {
    const limit = (bit: number, value: number) =>
      quota.flags & bit ? column(value, kind, call.numbers) : noColumn(kind, call.numbers)
    const values = [
      column(quota[current], kind, call.numbers),
      limit(softBit(i), quota[soft]),
      limit(hardBit(i), quota[hard]),
    ]
    call.say(` ${current.padEnd(8)} | ${values.join(' | ')} |`)
  }
}

const HELP = [
  ' -i/-I - soft/hard limit for the number of inodes',
  ' -l/-L - soft/hard limit for the sum of the lengths of files',
  ' -s/-S - soft/hard limit for the sum of the sizes of chunks',
  ' -r/-R - soft/hard limit for the space that all copies take',
]
const numbers = { hasNumbers: true }

/** @throws UsageError */
function checkRoot(): void {
  if (process.getuid?.() !== 0) throw new UsageError('only root can change quota')
}

const getQuota: Tool = {
  about: 'tells the limits for folders, and what is used',
  ...numbers,
  syntax: '[-nhHkmg] dirname [dirname ...]',
  run: call => call.each(call.names(), false, async target => tell(call, target, await carryOut(target, READ))),
}

/** What a letter stands for. */
function limitOf(letter: string): { limit: Limit; bit: number; key: keyof Limits; words: string } | undefined {
  const i = LIMITS.findIndex(limit => limit.letter === letter.toLowerCase())
  const limit = LIMITS[i]
  if (!limit) return undefined
  const isHard = letter !== letter.toLowerCase()
  const words = `${isHard ? 'hard' : 'soft'} ${limit.words}`
  return { limit, bit: isHard ? hardBit(i) : softBit(i), key: isHard ? limit.hard : limit.soft, words }
}

/** @throws UsageError */
function wishedLimits(call: Call): Wish {
  const wish = { flags: 0, gracePeriodSeconds: 0, limits: { ...NONE } }
  for (const [letter, text] of call.given) {
    if (letter === 'p') {
      if (wish.gracePeriodSeconds !== 0) throw new UsageError("'grace period' defined twice")
      const seconds = periodSeconds(text)
      if (!seconds) throw new UsageError('bad grace period')
      wish.gracePeriodSeconds = seconds
      continue
    }
    const found = limitOf(letter)
    if (!found) continue
    const { limit, bit, key, words } = found
    if (wish.flags & bit) throw new UsageError(`'${words}' quota defined twice`)
    const value = quantity(text, limit.letter !== 'i')
    if (value === undefined || value > limit.most) throw new UsageError(`bad ${limit.words} limit`)
    wish.flags |= bit
    wish.limits[key] = Number(value)
  }
  if (wish.flags === 0) throw new UsageError('quota options not defined')
  return wish
}

const setQuota: Tool = {
  about: 'sets limits for folders',
  ...numbers,
  valued: 'piIlLsSrR',
  syntax: '[-nhHkmg] [-iI inodes] [-p grace_period] [-lL length] [-sS size] [-rR realsize] dirname [dirname ...]',
  help: [
    ' -p - how long soft limits may be exceeded: seconds, or with s, m, h, d or w',
    ...HELP,
    '',
    'Numbers may have a decimal point, and a unit: k, M, G, T, P, E (powers of 1000) or Ki, Mi, Gi, Ti, Pi, Ei (of 1024).',
  ],
  async run(call) {
    checkRoot()
    const wish = wishedLimits(call)
    await call.each(call.names(), true, async target => tell(call, target, await carryOut(target, wish)))
  },
}

/** @throws UsageError */
function flagsToDelete(call: Call): number {
  let flags = 0
  for (const [letter] of call.given) {
    if (letter === 'a') flags |= ALL_SOFT
    if (letter === 'A') flags |= ALL_HARD
    const found = limitOf(letter)
    if (!found) continue
    if (flags & found.bit) throw new UsageError(`'${found.words}' option given twice`)
    flags |= found.bit
  }
  if (flags === 0) throw new UsageError('quota options not defined')
  return flags
}

const deleteQuota: Tool = {
  about: 'removes limits for folders',
  ...numbers,
  switches: 'iIlLsSrRaA',
  syntax: '[-nhHkmgailsrAILSR] dirname [dirname ...]',
  help: [...HELP, ' -a/-A - all soft/hard limits'],
  async run(call) {
    checkRoot()
    const flags = flagsToDelete(call)
    const wish = { flags, gracePeriodSeconds: 0 }
    await call.each(call.names(), true, async target => tell(call, target, await carryOut(target, wish)))
  },
}

/** Sets the limits that another folder has; others stay. */
function giveQuota(target: Target, { flags, gracePeriodSeconds = 0, ...limits }: Quota): Promise<Quota> {
  return carryOut(target, flags === 0 ? READ : { flags, gracePeriodSeconds, limits })
}

const copyQuota: Tool = {
  about: 'sets the limits that another folder has; others stay',
  ...numbers,
  syntax: '[-nhHkmg] srcdirname dstdirname [dstdirname ...]',
  async run(call) {
    checkRoot()
    const [source = ''] = call.names()
    const others = call.names(1)
    let quota: Quota | undefined
    await call.each([source], false, async target => {
      quota = await carryOut(target, READ)
      tell(call, target, quota)
    })
    const found = quota
    if (found) await call.each(others, true, async target => tell(call, target, await giveQuota(target, found)))
  },
}

export const quotaTools: Readonly<Record<string, Tool>> = {
  mfsgetquota: getQuota,
  mfssetquota: setQuota,
  mfsdelquota: deleteQuota,
  mfscopyquota: copyQuota,
}
