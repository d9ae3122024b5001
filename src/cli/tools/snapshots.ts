// Snapshots: copies of trees that share their chunks (spec tools-and-admin A.3, B.3).
import { type BigIntStats, lstatSync, statSync } from 'node:fs'
import * as cltoma from '../../protocol/cltoma.ts'
import * as matocl from '../../protocol/matocl.ts'
import { ownCaller } from './caller.ts'
import { Failure, Refusal, systemErrorText } from './failure.ts'
import { MSGID } from './master-link.ts'
import { bytesOf, lastPart, ownPath, parentOf, realPath, statsOf, type Target } from './targets.ts'
import type { Call, Tool } from './tool.ts'

const SnapshotMode = { OVERWRITE: 0x01, LIKE_CP: 0x02, FORCE: 0x04, KEEP_LINKS: 0x08, REMOVE: 0x80 } as const

function currentUmask(): number {
  const mask = process.umask(0)
  process.umask(mask)
  return mask
}

function snapshot(parent: Target, name: string, source: number, mode: number): Promise<void> {
  const question = cltoma.fuseSnapshot.encode({
    ...{ msgid: MSGID, inode: source, parent: parent.inode, name, mode, umask: currentUmask() },
    caller: ownCaller(),
  })
  return parent.master.order(question, matocl.fuseSnapshot)
}

const withoutSlashes = (path: string) => path.replace(/\/+$/, '') || '/'

/** What is at a path; links are followed. Undefined when there is nothing. */
function found(name: string): BigIntStats | undefined {
  try {
    return statSync(bytesOf(name), { bigint: true })
  } catch {
    return undefined
  }
}

/** @throws Failure */
function checkThere(name: string, look: typeof lstatSync | typeof statSync, call: string): void {
  try {
    look(bytesOf(name))
  } catch (error) {
    const { code, text } = systemErrorText(error)
    throw new Failure(`${name}: ${call} error: ${code} (${text})`)
  }
}

/** Where the snapshot of a source is made: an absolute path. @throws Failure */
function placeOf(source: string, isFolder: boolean, destination: string): string {
  const there = found(destination)
  // With a slash behind it what is in the folder is meant, not the folder.
  const isMerged = source.endsWith('/') && isFolder
  if (there?.isDirectory()) {
    const folder = realPath(destination)
    return isMerged ? folder : `${folder}/${lastPart(ownPath(source))}`
  }
  if (!there && destination.endsWith('/') && !isFolder) throw new Failure(`directory ${destination} does not exist`)
  const path = withoutSlashes(destination)
  checkThere(path.includes('/') ? parentOf(path) : '.', statSync, 'stat')
  return ownPath(path)
}

async function makeOne(call: Call, name: string, destination: string, mode: number): Promise<void> {
  checkThere(name, lstatSync, 'lstat')
  const own = ownPath(name)
  const stats = statsOf(own)
  const path = placeOf(name, stats?.isDirectory() ?? false, destination)
  const folder = parentOf(path)
  if (statsOf(folder)?.dev !== stats?.dev) {
    throw new Failure(`(${destination},${name}): both elements must be on the same device`)
  }
  const source = call.targets.at(name, own, false)
  try {
    await snapshot(call.targets.at(destination, folder, true), lastPart(path), source.inode, mode)
  } catch (error) {
    if (error instanceof Refusal) throw new Failure(`${name}->${path}: ${error.message}`)
    throw error
  }
}

const makeSnapshot: Tool = {
  about: 'makes snapshots: copies that share all chunks with what they were made of until either is written to',
  switches: 'ocp',
  syntax: '[-ocp] src [src ...] dst',
  help: [
    ' -o - takes the place of objects that are there',
    " -c - owner, rights and times as with cp, not the source's",
    ' -p - several names of a file stay names of one file',
  ],
  failureCode: 255,
  async run(call) {
    const names = call.names(1).length > 0 ? call.operands : []
    const [sources, destination = ''] = [names.slice(0, -1), names.at(-1)]
    const flag = (letter: string, bit: number) => (call.has(letter) ? bit : 0)
    const mode =
      flag('o', SnapshotMode.OVERWRITE) | flag('c', SnapshotMode.LIKE_CP) | flag('p', SnapshotMode.KEEP_LINKS)
    if (sources.length > 1 && !found(destination)?.isDirectory()) {
      throw new Failure('can snapshot multiple elements only into existing directory')
    }
    for (const source of sources) await call.attempt(source, () => makeOne(call, source, destination, mode))
  },
}

const removeSnapshot: Tool = {
  about: 'removes snapshots, whole trees at once',
  switches: 'f',
  syntax: '[-f] name [name ...]',
  help: [' -f - what may be removed goes, the rest stays'],
  async run(call) {
    const mode = SnapshotMode.REMOVE | (call.has('f') ? SnapshotMode.FORCE : 0)
    for (const name of call.names()) {
      await call.attempt(name, async () => {
        const path = ownPath(withoutSlashes(name))
        try {
          await snapshot(call.targets.at(name, parentOf(path), true), lastPart(path), 0, mode)
        } catch (error) {
          if (error instanceof Refusal) throw new Failure(`${path}: ${error.message}`)
          throw error
        }
      })
    }
  },
}

export const snapshotTools: Readonly<Record<string, Tool>> = {
  mfsmakesnapshot: makeSnapshot,
  mfsrmsnapshot: removeSnapshot,
}
