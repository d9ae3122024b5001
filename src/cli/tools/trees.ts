// What is done with whole trees: sums, archiving, snapshots; and paths and appended chunks (spec tools-and-admin B.3).
import { closeSync, constants, lstatSync, openSync } from 'node:fs'
import * as cltoma from '../../protocol/cltoma.ts'
import { Reader, u32, u64n } from '../../protocol/codec.ts'
import * as matocl from '../../protocol/matocl.ts'
import { UsageError } from '../shared/arguments.ts'
import { ownCaller, ownUid } from './caller.ts'
import { directoryInfo } from './directory-info.ts'
import { Failure, systemErrorText } from './failure.ts'
import { MSGID } from './master-link.ts'
import { column } from './numbers.ts'
import { snapshotTools } from './snapshots.ts'
import { bytesOf, realPath, type Target } from './targets.ts'
import type { Call, Tool } from './tool.ts'

// Paths.

const isInode = (text: string) => /^\d+$/.test(text)

function isThere(path: string): boolean {
  return lstatSync(bytesOf(path), { throwIfNoEntry: false }) !== undefined
}

async function tellPaths(call: Call, name: string, inode: number, { master }: Target): Promise<void> {
  const { paths } = await master.query(cltoma.fusePaths.encode({ msgid: MSGID, inode }), matocl.fusePaths)
  call.say(`${name}:`)
  for (const path of paths) call.say(path)
}

const filePaths: Tool = {
  about: 'tells all paths of files, given by name or by number of inode',
  syntax: 'name/inode [name/inode ...]',
  help: ['', 'A number that is no name here is an inode of the file system that this folder belongs to.'],
  async run(call) {
    const folder = realPath('.')
    for (const name of call.names()) {
      await call.attempt(name, async () => {
        const byNumber = isInode(name) && !isThere(name)
        const target = byNumber ? call.targets.at(folder, folder, false) : call.targets.find(name, false)
        await tellPaths(call, name, byNumber ? Number(name) : target.inode, target)
      })
    }
  },
}

// Archiving.

async function archive({ inode, master }: Target, command: number, uid?: number): Promise<Reader> {
  const question = cltoma.fuseArchctl.encode({ msgid: MSGID, inode, command, ...(uid === undefined ? {} : { uid }) })
  return new Reader((await master.query(question, matocl.fuseArchctl)).numbers)
}

async function tellArchived(call: Call, target: Target): Promise<void> {
  const input = await archive(target, cltoma.ArchiveCommand.GET)
  const [chunks, otherChunks] = [u64n.read(input), u64n.read(input)]
  const [files, partly, others] = [u32.read(input), u32.read(input), u32.read(input)]
  const { name } = target
  if (files + partly + others === 1) {
    if (files === 1) return call.say(`${name}: all chunks are archived`)
    if (others === 1) return call.say(`${name}: all chunks are not archived`)
    return call.say(
      `${name}: file is partially archived (archived chunks: ${chunks} ; not archived chunks: ${otherChunks})`,
    )
  }
  const line = (words: string, text: string) => call.say(` ${words.padEnd(36)}${text}`)
  call.say(`${name}:`)
  line('files with all chunks archived:', column(files, 'counter', call.numbers))
  line('files with all chunks not archived:', column(others, 'counter', call.numbers))
  line('files partially archived:', column(partly, 'counter', call.numbers))
  line('archived chunks:', column(chunks, 'counter', call.numbers))
  line('not archived chunks:', column(otherChunks, 'counter', call.numbers))
}

const checkArchive: Tool = {
  about: 'tells which chunks of files, or of all files below folders, are archived',
  hasNumbers: true,
  syntax: '[-nhHkmg] name [name ...]',
  run: call => call.each(call.names(), false, target => tellArchived(call, target)),
}

const archiveTool = (about: string, command: number): Tool => ({
  about,
  hasNumbers: true,
  syntax: '[-nhHkmg] name [name ...]',
  run: call =>
    call.each(call.names(), true, async target => {
      const input = await archive(target, command, ownUid())
      const line = (words: string, value: number) =>
        call.say(` ${words.padEnd(30)}${column(value, 'counter', call.numbers)}`)
      call.say(`${target.name}:`)
      line('chunks changed:', u64n.read(input))
      line('chunks not changed:', u64n.read(input))
      line('files with permission denied:', u32.read(input))
    }),
})

// Appending.

const WHOLE_FILE = { from: 0, to: 0x80000000, flags: 0 }

/** `1:-1`, `:2`, `3:`. @throws UsageError */
function sliceOf(text: string): typeof WHOLE_FILE {
  const [, from, to] = /^(-?\d*):(-?\d*)$/.exec(text) ?? []
  const isNumber = (part: string | undefined) =>
    part !== undefined && part !== '-' && Math.abs(Number(part)) <= 0x80000000
  if (!isNumber(from) || !isNumber(to)) throw new UsageError(`${text}: not a slice: from:to are numbers of chunks`)
  const flags =
    (from?.startsWith('-') ? cltoma.AppendFlag.FROM_END : 0) | (to?.startsWith('-') ? cltoma.AppendFlag.TO_END : 0)
  return { from: Math.abs(Number(from)), to: to === '' ? WHOLE_FILE.to : Math.abs(Number(to)), flags }
}

/** A fifo that nobody reads is refused, not waited for. */
const OPEN_OR_MAKE = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK

/** Makes it unless it is there. @throws Failure when it is no file that may be written to */
function openOrMake(name: string): void {
  try {
    closeSync(openSync(bytesOf(name), OPEN_OR_MAKE, 0o666))
  } catch (error) {
    throw new Failure(`can't create/open file: ${name}: ${systemErrorText(error).text}`)
  }
}

function checkFile({ name, stats }: Target): void {
  if (!stats.isFile()) throw new Failure(`${name}: not a file`)
}

const appendChunks: Tool = {
  about: 'appends the chunks of files to another file, which is made when it is missing, without copying them',
  valued: 's',
  syntax: '[-s slice_from:slice_to] dstfile name [name ...]',
  help: [' -s - only chunks from:to of each file; from 0 on, negative numbers count from the end'],
  async run(call) {
    const [destination = ''] = call.names()
    const sources = call.names(1)
    const given = call.given.findLast(([letter]) => letter === 's')
    const slice = given ? sliceOf(given[1]) : WHOLE_FILE
    openOrMake(destination)
    await call.each([destination], true, async target => {
      checkFile(target)
      await call.each(sources, false, async source => {
        checkFile(source)
        if (source.stats.dev !== target.stats.dev) throw new Failure(`${source.name}: different device`)
        const inodes = { inode: target.inode, source: source.inode }
        const question = cltoma.fuseAppendSlice.encode({ msgid: MSGID, ...inodes, ...slice, caller: ownCaller() })
        await target.master.order(question, matocl.fuseAppendSlice)
      })
    })
  },
}

export const treeTools: Readonly<Record<string, Tool>> = {
  mfsappendchunks: appendChunks,
  mfsdirinfo: directoryInfo,
  mfsfilepaths: filePaths,
  mfschkarchive: checkArchive,
  mfssetarchive: archiveTool('archives the chunks of files, or of all files below folders', cltoma.ArchiveCommand.SET),
  mfsclrarchive: archiveTool(
    'takes chunks back from the archive; files are archived again after the delay of their class',
    cltoma.ArchiveCommand.CLEAR,
  ),
  ...snapshotTools,
}
