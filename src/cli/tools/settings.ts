// What is set for objects, alone or with all below them: goal or storage class, time in the trash, extra attributes
// (spec tools-and-admin B.3).
import * as cltoma from '../../protocol/cltoma.ts'
import * as matocl from '../../protocol/matocl.ts'
import { UsageError } from '../shared/arguments.ts'
import { ownUid } from './caller.ts'
import { MSGID } from './master-link.ts'
import { column } from './numbers.ts'
import { periodSeconds } from './quantities.ts'
import type { Target } from './targets.ts'
import type { Call, Tool } from './tool.ts'

const SetMode = { SET: 0, INCREASE: 1, DECREASE: 2, EXCHANGE: 3, RECURSIVE: 4 } as const
type Wish = 0 | 1 | 2 | 3

const isRecursive = (call: Call) => call.has('r')
const depth = (call: Call) => (isRecursive(call) ? 1 : 0)
const modeOf = (call: Call, wish: Wish) => wish | (isRecursive(call) ? SetMode.RECURSIVE : 0)

interface Counts {
  changed: number
  notChanged: number
  notPermitted: number
}

function tellCounts(call: Call, { name }: Target, what: string, counts: Counts): void {
  // Goals are classes.
  const width = ` inodes with ${what === 'goal' ? 'storage class' : what} not changed: `.length
  const line = (words: string, count: number) =>
    call.say(` inodes with ${words}`.padEnd(width) + column(count, 'counter', call.numbers))
  call.say(`${name}:`)
  line(`${what} changed:`, counts.changed)
  line(`${what} not changed:`, counts.notChanged)
  line('permission denied:', counts.notPermitted)
}

// Goals and storage classes.

type ClassOf = { goal: number } | { name: string }
const classText = (given: ClassOf) => ('goal' in given ? String(given.goal) : `'${given.name}'`)

async function tellClass(call: Call, target: Target): Promise<void> {
  const question = cltoma.fuseGetsclass.encode({ msgid: MSGID, inode: target.inode, recursive: depth(call) })
  const { fileCount, items } = await target.master.query(question, matocl.fuseGetsclass)
  if (!isRecursive(call)) return call.say(`${target.name}: ${items.map(classText).join('')}`)
  call.say(`${target.name}:`)
  for (const [i, item] of items.entries()) {
    const words = ` ${i < fileCount ? 'files' : 'directories'} with ${'goal' in item ? 'goal' : 'storage class'}`
    call.say(`${words.padEnd(32)}${classText(item)} : ${column(item.count, 'counter', call.numbers)}`)
  }
}

async function setClass(call: Call, target: Target, wish: Wish, wanted: ClassOf, before?: string): Promise<void> {
  const { inode, master, name } = target
  const what =
    'goal' in wanted
      ? { goal: wanted.goal }
      : { newName: wanted.name, ...(before === undefined ? {} : { oldName: before }) }
  const question = cltoma.fuseSetsclass.encode({
    msgid: MSGID,
    inode,
    uid: ownUid(),
    mode: modeOf(call, wish),
    ...what,
  })
  const counts = await master.query(question, matocl.fuseSetsclass)
  const thing = 'goal' in wanted ? 'goal' : 'storage class'
  if (isRecursive(call)) tellCounts(call, target, thing, counts)
  else if (wish !== SetMode.SET && counts.changed === 0) call.say(`${name}: ${thing} not changed`)
  else call.say(`${name}: ${thing}: ${classText(wanted)}`)
}

/** `3`, `3+` or `3-` with the number of the wish. */
function wishOf(text: string): { value: string; wish: Wish } {
  if (text.endsWith('+')) return { value: text.slice(0, -1), wish: SetMode.INCREASE }
  if (text.endsWith('-')) return { value: text.slice(0, -1), wish: SetMode.DECREASE }
  return { value: text, wish: SetMode.SET }
}

const ofTree = { hasNumbers: true, switches: 'r' }
const RECURSIVE = ' -r - everything below, too'
const ofTrees = { ...ofTree, syntax: '[-nhHkmgr] name [name ...]', help: [RECURSIVE] }
const copies = { ...ofTree, syntax: '[-nhHkmgr] srcname dstname [dstname ...]', help: [RECURSIVE] }

/** A tool that tells something of each object. */
const getter = (about: string, tell: (call: Call, target: Target) => Promise<void>): Tool => ({
  about,
  ...ofTrees,
  run: call => call.each(call.names(), false, target => tell(call, target)),
})

/** A tool that sets for others what the first object has. */
function copier<T>(
  about: string,
  read: (target: Target) => Promise<T>,
  tell: (call: Call, name: string, value: T) => void,
  set: (call: Call, target: Target, value: T) => Promise<void>,
): Tool {
  return {
    about,
    ...copies,
    async run(call) {
      const [source, ...others] = [call.names()[0] as string, ...call.names(1)]
      let value: T | undefined
      await call.each([source], false, async target => {
        value = await read(target)
        tell(call, source, value)
      })
      const found = value
      if (found !== undefined) await call.each(others, true, target => set(call, target, found))
    },
  }
}

async function classOf({ inode, master }: Target): Promise<ClassOf> {
  const question = cltoma.fuseGetsclass.encode({ msgid: MSGID, inode, recursive: 0 })
  return (await master.query(question, matocl.fuseGetsclass)).items[0] as ClassOf
}

const copyClass = (about: string) =>
  copier(
    about,
    classOf,
    (call, name, value) => call.say(`${name}: ${classText(value)}`),
    (call, target, value) => setClass(call, target, SetMode.SET, value),
  )

const setGoal: Tool = {
  about: 'sets the number of copies that objects shall have',
  ...ofTree,
  syntax: '[-nhHkmgr] GOAL[-|+] name [name ...]',
  help: [RECURSIVE, ' GOAL - so many copies, 1 to 9', ' GOAL+ - not less', ' GOAL- - not more'],
  async run(call) {
    const { value, wish } = wishOf(call.names()[0] as string)
    if (!/^[1-9]$/.test(value)) {
      call.say(`${call.operands[0]}: wrong goal definition`)
      throw new UsageError('')
    }
    await call.each(call.names(1), true, target => setClass(call, target, wish, { goal: Number(value) }))
  },
}

const CLASS_SYNTAX = { ...ofTree, help: [RECURSIVE] }
const setStorageClass: Tool = {
  about: 'sets the storage class of objects',
  ...CLASS_SYNTAX,
  syntax: '[-nhHkmgr] STORAGE_CLASS name [name ...]',
  async run(call) {
    const name = call.names()[0] as string
    await call.each(call.names(1), true, target => setClass(call, target, SetMode.SET, { name }))
  },
}
const exchangeStorageClass: Tool = {
  about: 'sets another storage class for the objects that have a certain one',
  ...CLASS_SYNTAX,
  syntax: '[-nhHkmgr] OLD_STORAGE_CLASS NEW_STORAGE_CLASS name [name ...]',
  async run(call) {
    const [before = '', name = ''] = [call.names()[0], call.names(1)[0]]
    await call.each(call.names(2), true, target => setClass(call, target, SetMode.EXCHANGE, { name }, before))
  },
}

// Time in the trash.

async function trashTimes(target: Target, recursive: number) {
  const question = cltoma.fuseGettrashtime.encode({ msgid: MSGID, inode: target.inode, recursive })
  return await target.master.query(question, matocl.fuseGettrashtime)
}

async function tellTrashTime(call: Call, target: Target): Promise<void> {
  const { fileCount, items } = await trashTimes(target, depth(call))
  if (!isRecursive(call)) return call.say(`${target.name}: ${items[0]?.value}`)
  call.say(`${target.name}:`)
  for (const [i, { value, count }] of items.entries()) {
    const words = ` ${i < fileCount ? 'files' : 'directories'} with trashtime`
    call.say(`${words.padEnd(28)}${String(value).padStart(11)} : ${column(count, 'counter', call.numbers)}`)
  }
}

async function setTrashTime(call: Call, target: Target, wish: Wish, seconds: number): Promise<void> {
  const { inode, master, name } = target
  const question = cltoma.fuseSettrashtime.encode({
    msgid: MSGID,
    inode,
    uid: ownUid(),
    seconds,
    mode: modeOf(call, wish),
  })
  const counts = await master.query(question, matocl.fuseSettrashtime)
  if (isRecursive(call)) tellCounts(call, target, 'trashtime', counts)
  else if (wish !== SetMode.SET && counts.changed === 0) call.say(`${name}: trashtime not changed`)
  else call.say(`${name}: ${seconds}`)
}

const setTrashTimeTool: Tool = {
  about: 'sets how long files stay in the trash after they are deleted',
  ...ofTree,
  syntax: '[-nhHkmgr] SECONDS[-|+] name [name ...]',
  help: [
    RECURSIVE,
    ' SECONDS - so long; s, m, h, d and w behind it are units',
    ' SECONDS+ - not less',
    ' SECONDS- - not more',
  ],
  async run(call) {
    const { value, wish } = wishOf(call.names()[0] as string)
    const seconds = periodSeconds(value)
    if (seconds === undefined) throw new UsageError(`${call.operands[0]}: wrong trashtime definition`)
    await call.each(call.names(1), true, target => setTrashTime(call, target, wish, seconds))
  },
}

const copyTrashTime = copier(
  'sets the time in the trash that another object has',
  async target => (await trashTimes(target, 0)).items[0]?.value ?? 0,
  (call, name, seconds) => call.say(`${name}: ${seconds}`),
  (call, target, seconds) => setTrashTime(call, target, SetMode.SET, seconds),
)

// Extra attributes.

/** By their bits, from the lowest on. */
const ATTRIBUTES: readonly (readonly [name: string, meaning: string])[] = [
  ['noowner', 'belongs to whoever looks at it'],
  ['noattrcache', 'attributes are not cached'],
  ['noentrycache', 'names in it are not cached'],
  ['nodatacache', 'its data is not cached'],
  ['snapshot', 'was made as a snapshot'],
  ['undeletable', 'can not be deleted'],
  ['appendonly', 'can only be appended to'],
  ['immutable', 'can not be changed at all'],
]

const attributesText = (bits: number) =>
  ATTRIBUTES.filter((_, i) => bits & (1 << i))
    .map(([name]) => name)
    .join(',') || '-'

async function attributes(target: Target, recursive: number) {
  const question = cltoma.fuseGeteattr.encode({ msgid: MSGID, inode: target.inode, recursive })
  return await target.master.query(question, matocl.fuseGeteattr)
}

async function tellAttributes(call: Call, target: Target): Promise<void> {
  const { fileCount, items } = await attributes(target, depth(call))
  if (!isRecursive(call)) return call.say(`${target.name}: ${attributesText(items[0]?.eattr ?? 0)}`)
  call.say(`${target.name}:`)
  for (const [bit, [name]] of ATTRIBUTES.entries()) {
    const having = (some: typeof items) =>
      some.reduce((sum, { eattr, count }) => sum + (eattr & (1 << bit) ? count : 0), 0)
    const line = (words: string, count: number) =>
      call.say(
        `${` ${words} with attribute`.padEnd(36)}${name.padStart(16)} : ${column(count, 'counter', call.numbers)}`,
      )
    line('not directory nodes', having(items.slice(0, fileCount)))
    line('directories', having(items.slice(fileCount)))
  }
}

async function setAttributes(call: Call, target: Target, wish: Wish, eattr: number): Promise<void> {
  const { inode, master, name } = target
  const question = cltoma.fuseSeteattr.encode({ msgid: MSGID, inode, uid: ownUid(), eattr, mode: modeOf(call, wish) })
  const counts = await master.query(question, matocl.fuseSeteattr)
  if (isRecursive(call)) tellCounts(call, target, 'attributes', counts)
  else call.say(`${name}: attribute(s) ${counts.changed > 0 ? 'changed' : 'not changed'}`)
}

const attributeTool = (verb: string, wish: Wish): Tool => ({
  about: `${verb}s extra attributes of objects`,
  ...ofTree,
  valued: 'f',
  syntax: '[-nhHkmgr] -f attrname [-f attrname ...] name [name ...]',
  help: [
    RECURSIVE,
    ` -f attrname - attribute to ${verb}`,
    '',
    'attributes:',
    ...ATTRIBUTES.map(([name, meaning]) => ` ${name} - ${meaning}`),
  ],
  async run(call) {
    const bits = call.given
      .filter(([letter]) => letter === 'f')
      .map(([, value]) => ATTRIBUTES.findIndex(([name]) => name === value))
    if (bits.includes(-1)) throw new UsageError('unknown flag')
    if (bits.length === 0 && call.operands.length > 0) throw new UsageError(`no attribute(s) to ${verb}`)
    const eattr = bits.reduce((sum, bit) => sum | (1 << bit), 0)
    await call.each(call.names(), true, target => setAttributes(call, target, wish, eattr))
  },
})

const copyAttributes = copier(
  'sets the extra attributes that another object has',
  async target => (await attributes(target, 0)).items[0]?.eattr ?? 0,
  (call, name, bits) => call.say(`${name}: ${attributesText(bits)}`),
  (call, target, bits) => setAttributes(call, target, SetMode.SET, bits),
)

export const settingTools: Readonly<Record<string, Tool>> = {
  mfsgetgoal: getter('tells how many copies objects shall have', tellClass),
  mfssetgoal: setGoal,
  mfscopygoal: copyClass('sets the number of copies that another object shall have'),
  mfsgetsclass: getter('tells the storage class of objects', tellClass),
  mfssetsclass: setStorageClass,
  mfscopysclass: copyClass('sets the storage class that another object has'),
  mfsxchgsclass: exchangeStorageClass,
  mfsgettrashtime: getter('tells how long files stay in the trash after they are deleted', tellTrashTime),
  mfssettrashtime: setTrashTimeTool,
  mfscopytrashtime: copyTrashTime,
  mfsgeteattr: getter('tells the extra attributes of objects', tellAttributes),
  mfsseteattr: attributeTool('set', SetMode.INCREASE),
  mfsdeleattr: attributeTool('delete', SetMode.DECREASE),
  mfscopyeattr: copyAttributes,
}
