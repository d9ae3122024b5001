// Administration of storage classes (spec tools-and-admin B.3).
import * as cltoma from '../../protocol/cltoma.ts'
import { type Codec, Reader } from '../../protocol/codec.ts'
import * as matocl from '../../protocol/matocl.ts'
import { UsageError } from '../shared/arguments.ts'
import { Failure } from './failure.ts'
import { formatLabels, parseLabels } from './label-expression.ts'
import { type MasterLink, MSGID } from './master-link.ts'
import { realPath } from './targets.ts'
import type { Call, Tool } from './tool.ts'

type ClassDefinition = cltoma.ClassDefinition
type Changes = Partial<ClassDefinition>

const NAME_BYTES_MAX = 255
/** The only form of definitions there is. */
const FORM = 0
const Mode = { LOOSE: 0, STANDARD: 1, STRICT: 2 } as const
const MODE_TEXTS = ['LOOSE', 'STD', 'STRICT']

/** `3->2->1 ; admin_only: NO ; ...`; labels for archived chunks are of no interest when no chunk is ever archived. */
function definitionText({ adminOnly, mode, archiveDelayDays, create, keep, archive }: ClassDefinition): string {
  const isArchiving = archiveDelayDays > 0
  const counts = [create, keep, ...(isArchiving ? [archive] : [])].map(set => set.length)
  return [
    new Set(counts).size === 1 ? String(counts[0]) : counts.join('->'),
    `admin_only: ${adminOnly ? 'YES' : 'NO'}`,
    `mode: ${MODE_TEXTS[mode] ?? 'Unknown'}`,
    `create_labels: ${formatLabels(create)}`,
    `keep_labels: ${formatLabels(keep)}`,
    ...(isArchiving ? [`arch_labels: ${formatLabels(archive)}`, `arch_delay: ${archiveDelayDays}d`] : []),
  ].join(' ; ')
}

// Options.

/** @throws UsageError after the mistakes were told on stdout */
function labels(call: Call, text: string): number[][] {
  const parsed = parseLabels(text)
  if ('copies' in parsed) return parsed.copies
  for (const complaint of parsed.complaints) call.say(complaint)
  throw new UsageError('')
}

function mode(text: string): number {
  if (/^l/i.test(text)) return Mode.LOOSE
  if (/^d/i.test(text)) return Mode.STANDARD
  if (/^s/i.test(text)) return Mode.STRICT
  throw new UsageError(`-m ${text}: there is no such mode`)
}

function adminOnly(text: string): boolean {
  if (/^[1yt]/i.test(text)) return true
  if (/^[0nf]/i.test(text)) return false
  throw new UsageError(`-a ${text}: neither yes nor no`)
}

/** The original takes anything and keeps the 16 lowest bits of whatever number it sees in it. */
function days(text: string): number {
  const [, digits] = /^(\d+)d?$/i.exec(text) ?? []
  if (digits === undefined || Number(digits) > 0xffff) throw new UsageError(`-d ${text}: not 0 to 65535 days`)
  return Number(digits)
}

/** What an option changes, and its bit in CLTOMA_SCLASS_CHANGE. */
interface ClassOption {
  readonly bit: number
  read(value: string, call: Call): Changes
}
const OPTIONS: Readonly<Record<string, ClassOption>> = {
  a: { bit: 0x0001, read: value => ({ adminOnly: adminOnly(value) }) },
  m: { bit: 0x0002, read: value => ({ mode: mode(value) }) },
  C: { bit: 0x0004, read: (value, call) => ({ create: labels(call, value) }) },
  K: { bit: 0x0008, read: (value, call) => ({ keep: labels(call, value) }) },
  A: { bit: 0x0010, read: (value, call) => ({ archive: labels(call, value) }) },
  d: { bit: 0x0020, read: value => ({ archiveDelayDays: days(value) }) },
  f: { bit: 0x8000, read: () => ({}) },
}
const VALUED = 'amCKAd'

/** @throws UsageError */
function readChanges(call: Call): { mask: number; changes: Changes } {
  const changes: Changes = {}
  let mask = 0
  for (const [letter, value] of call.given) {
    const { bit, read } = OPTIONS[letter] as ClassOption
    if (mask & bit) throw new UsageError(`-${letter} was given twice`)
    mask |= bit
    Object.assign(changes, read(value, call))
  }
  return { mask, changes }
}

// Commands. Each can be given the mount point, or whatever lies in the file system; else the working folder serves.

const masterOf = (call: Call, folder: string | undefined): MasterLink => call.targets.master(folder ?? realPath('.'))

/** @param words what is done to which class @param names the names of classes in it */
async function order(
  call: Call,
  folder: string | undefined,
  words: string,
  names: readonly string[],
  action: (master: MasterLink) => Promise<void>,
): Promise<void> {
  await call.attempt(`storage class ${words}: error`, async () => {
    const tooLong = names.find(name => name.length > NAME_BYTES_MAX)
    if (tooLong !== undefined) throw new Failure(`${tooLong}: name too long`)
    await action(masterOf(call, folder))
  })
}

/** The same, where there is nothing to tell but that it was done. */
async function orderAndTell(
  call: Call,
  folder: string | undefined,
  words: string,
  names: readonly string[],
  action: (master: MasterLink) => Promise<void>,
): Promise<void> {
  await order(call, folder, words, names, async master => {
    await action(master)
    call.say(`storage class ${words}: ok`)
  })
}

const FORCE_HELP = ' -f - even when it is one of 1 to 9, which are goals'
const DEFINITION_HELP = [
  ' -a YES|NO - whether only administrators may give it to objects; 1 or true, 0 or false do as well',
  ' -m MODE - what to do when no server with the right labels can take a chunk:',
  '    default - wait for busy servers; when they are full, take others',
  '    strict - wait for busy servers; when they are full, do not take others',
  '    loose - take others in both cases',
  ' -K LABELS - labels of the servers that keep chunks',
  ' -C LABELS - labels of the servers that get new chunks, when they are not those of -K',
  ' -A LABELS - labels of the servers that get archived chunks, when they are not those of -K',
  ' -d DAYS - files that nobody touched for so long are archived; 0: never',
  ' LABELS - for each copy the letters that its server has: A,B - one copy on A, one on B; 2A - two copies on A;',
  '    AB - on a server with both; A+B - with one of both; (A+B)C - with brackets; * - on any server; 3 - the same as 3*',
]

const STANDARD = { adminOnly: false, mode: Mode.STANDARD, archiveDelayDays: 0 }

/** What a new class shall be, and the names of such classes. @throws UsageError */
function wantedClass(call: Call): { definition: ClassDefinition; names: readonly string[] } {
  const { changes } = readChanges(call)
  const { keep } = changes
  for (const letter of 'CA') {
    if (call.has(letter) && !keep) throw new UsageError(`-${letter} is of no use without -K`)
  }
  if (keep && call.has('A') !== call.has('d')) throw new UsageError('-A and -d are of use together only')
  const names = call.names(keep ? 0 : 1)
  const everywhere = keep ?? labels(call, call.operands[0] as string)
  return {
    definition: { ...STANDARD, create: everywhere, keep: everywhere, archive: everywhere, ...changes },
    names,
  }
}

const create = (folder?: string): Tool => ({
  about: 'makes storage classes',
  syntax: '[-a YES|NO] [-m MODE] {LABELS | [-C LABELS] -K LABELS [-A LABELS -d DAYS]} class [class ...]',
  valued: VALUED,
  help: DEFINITION_HELP,
  async run(call) {
    const { definition, names } = wantedClass(call)
    for (const name of names) {
      await orderAndTell(call, folder, `make ${name}`, [name], master =>
        master.order(cltoma.sclassCreate.encode({ msgid: MSGID, name, form: FORM, definition }), matocl.sclassCreate),
      )
    }
  },
})

const modify = (folder?: string): Tool => ({
  about: 'changes storage classes, or shows them when nothing is to be changed',
  syntax: '[-f] [-a YES|NO] [-m MODE] [-C LABELS] [-K LABELS] [-A LABELS] [-d DAYS] class [class ...]',
  switches: 'f',
  valued: VALUED,
  help: [FORCE_HELP, ...DEFINITION_HELP],
  async run(call) {
    const { mask, changes } = readChanges(call)
    const definition = { ...STANDARD, create: [], keep: [], archive: [], ...changes }
    for (const name of call.names()) {
      await order(call, folder, `${mask === 0 ? 'show' : 'change'} ${name}`, [name], async master => {
        const question = cltoma.sclassChange.encode({ msgid: MSGID, name, form: FORM, mask, definition })
        const answer = await master.query(question, matocl.sclassChange)
        call.say(`storage class change ${name}: ${definitionText(answer.definition)}`)
      })
    }
  },
})

const remove = (folder?: string): Tool => ({
  about: 'deletes storage classes that nothing uses',
  syntax: 'class [class ...]',
  async run(call) {
    for (const name of call.names()) {
      await orderAndTell(call, folder, `remove ${name}`, [name], master =>
        master.order(cltoma.sclassDelete.encode({ msgid: MSGID, name }), matocl.sclassDelete),
      )
    }
  },
})

const copy = (folder?: string): Tool => ({
  about: 'makes storage classes that are like another one',
  syntax: 'class newclass [newclass ...]',
  async run(call) {
    const [source = ''] = call.operands
    for (const target of call.names(1)) {
      await orderAndTell(call, folder, `copy ${source}->${target}`, [source, target], master =>
        master.order(cltoma.sclassDuplicate.encode({ msgid: MSGID, source, target }), matocl.sclassDuplicate),
      )
    }
  },
})

const rename = (folder?: string): Tool => ({
  about: 'gives a storage class another name',
  syntax: 'class newname',
  failureCode: 255,
  async run(call) {
    const [oldName = '', newName = ''] = call.operands
    if (call.operands.length !== 2) throw new UsageError('')
    await orderAndTell(call, folder, `move ${oldName}->${newName}`, [oldName, newName], master =>
      master.order(cltoma.sclassRename.encode({ msgid: MSGID, oldName, newName }), matocl.sclassRename),
    )
  },
})

function everything<T>(bytes: Buffer, { read }: Codec<T>): T[] {
  const [reader, items]: [Reader, T[]] = [new Reader(bytes), []]
  while (reader.left > 0) items.push(read(reader))
  return items
}

async function tellClasses(call: Call, folder: string | undefined): Promise<void> {
  const isLong = call.has('l')
  const question = cltoma.sclassList.encode({ msgid: MSGID, long: isLong ? 1 : 0 })
  const { classes } = await masterOf(call, folder).query(question, matocl.sclassList)
  if (!isLong) for (const { name } of everything(classes, matocl.sclassListed)) call.say(name)
  else {
    for (const { name, definition } of everything(classes, matocl.sclassListedLong))
      call.say(`${name} : ${definitionText(definition)}`)
  }
}

const LONG_HELP = ' -l - with their definitions'
const lister = { about: 'tells which storage classes there are', switches: 'l', failureCode: 255 }

const list = (folder?: string): Tool => ({
  ...lister,
  syntax: '[-l]',
  help: [LONG_HELP],
  run(call) {
    if (call.operands.length > 0) throw new UsageError('')
    return tellClasses(call, folder)
  },
})

const listClasses: Tool = {
  ...lister,
  syntax: '[-l] [folder]',
  help: [LONG_HELP, ' folder - anything in the file system; without it, the working folder'],
  run(call) {
    if (call.operands.length > 1) throw new UsageError('')
    return tellClasses(call, call.operands[0])
  },
}

const COMMANDS: readonly (readonly [words: readonly string[], command: (folder?: string) => Tool])[] = [
  [['create', 'make'], create],
  [['modify', 'change'], modify],
  [['delete', 'remove'], remove],
  [['copy', 'duplicate'], copy],
  [['rename'], rename],
  [['list'], list],
]

/** The command that the first words name, and its arguments; undefined when there are none but perhaps --help. */
function choose(args: readonly string[]): { tool: Tool; args: readonly string[] } | undefined {
  const [first] = args
  if (first === undefined || first === '--help') return undefined
  const folder = first.startsWith('/') ? first : undefined
  const [word, ...rest] = folder === undefined ? args : args.slice(1)
  if (word === undefined) throw new UsageError('there is no command behind the mount point')
  const command = COMMANDS.find(([words]) => words.includes(word))?.[1]
  if (!command) throw new UsageError(`${word}: there is no such command`)
  return { tool: command(folder), args: rest }
}

const administer: Tool = {
  about: 'administers storage classes',
  syntax: '[/mountpoint] COMMAND ...',
  help: [
    ...COMMANDS.map(([words, command]) => ` ${words.join('|')} ${command().syntax}\n    ${command().about}`),
    '',
    'options of create and modify:',
    FORCE_HELP,
    ...DEFINITION_HELP,
    '',
    'options of list:',
    LONG_HELP,
    '',
    'Without a mount point, the file system is that of the working folder. All commands but list, and modify without',
    'options, need a mount that has "admin" in mfsexports.cfg.',
  ],
  choose,
  run() {
    throw new UsageError('')
  },
}

/** The short names are commands of mfsscadmin in the working folder. */
export const storageClassTools: Readonly<Record<string, Tool>> = {
  mfslistsclass: listClasses,
  mfsscadmin: administer,
  mfsmksc: create(),
  mfschsc: modify(),
  mfsrmsc: remove(),
  mfscpsc: copy(),
  mfsmvsc: rename(),
  mfslssc: list(),
}
