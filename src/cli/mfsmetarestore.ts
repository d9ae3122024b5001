// The command mfsmetarestore: metadata and changelogs into one metadata file. The original gave it up for `mfsmaster -a`;
// the recipes that call it work here, and it can go back to any moment that the files still cover.
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { DATA_ROOT } from '../config/common.ts'
import { lockFilePath, lockOwner } from '../daemon/lock-file.ts'
import { realClock } from '../env/real.ts'
import { realDisk } from '../env/real-disk.ts'
import { changelogPattern } from '../journal/changelog-files.ts'
import { CHECKPOINT, inspectCheckpoint } from '../journal/checkpoint-files.ts'
import { foreignTail, inspectTail, TAIL_NAME } from '../journal/commit-tail.ts'
import { checkpointPattern, RecoveryError } from '../journal/recovery.ts'
import { type Restored, type RestoreProgress, restore, type Until, writeState } from '../journal/restore.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { VERSION_TEXT } from '../protocol/constants.ts'
import { dateText } from '../util/date-text.ts'
import { dumpFile } from './offline/metadata-file.ts'
import { parseUntil } from './offline/moment.ts'
import { type Arguments, parseArguments, UsageError } from './shared/arguments.ts'
import { messageOf, Progress, percent, say } from './shared/terminal.ts'

const USAGE = `usage: mfsmetarestore [-nbx] -m OLD -o NEW [--until MOMENT] [CHANGELOG...]
       mfsmetarestore [-nbx] -a [-d DIR]
       mfsmetarestore [-nbx] --until MOMENT [-d DIR] -o NEW
       mfsmetarestore -m FILE

The first form applies CHANGELOGs to the metadata file OLD and writes NEW. The order of the changelogs does not matter,
they may overlap, and what OLD already holds is passed over.
The second form takes the newest whole metadata file and all changelogs of a master's or metalogger's folder (default
${DATA_ROOT}) and leaves one metadata.mfs there. A metadata.mfs that was there is kept under another name.
The third form brings back an earlier moment from all metadata files and changelogs of a folder. Chunks that were
deleted since then are gone.
The last form prints a metadata file as text, as mfsmetadump does.

  -n         dry run: does everything, reports, and writes nothing (also --dry-run)
  -b         on damage or a gap: the latest state before it, instead of nothing (also -i)
  -x         say which files hold which changes; twice: also every change that is applied
  --until M  the moment: a change number (that change is the last one), or a time in which the last changes happened:
             2026-01-31T12:00:00 (local time), 2026-01-31T12:00:00Z, or @1769860800 (seconds since 1970). A request that
             is only begun by then is left out as a whole
  -f         take all changelogs (always so: accepted for old recipes)
  -v         the version
  --help     this text

Files that are read are never changed. exit code: 0, or 1 when nothing was written
`

interface Task {
  checkpoints: string[]
  changelogs: string[]
  /** Where the result goes; undefined: to metadata.mfs of the folder. */
  output: string | undefined
  folder: string | undefined
  until: Until | undefined
  bestPossible: boolean
  dryRun: boolean
  verbosity: number
}

async function filesOf(folder: string): Promise<{ checkpoints: string[]; changelogs: string[] }> {
  const names = (await realDisk.list(folder)).sort()
  const matching = (pattern: RegExp) => names.filter(name => pattern.test(name)).map(name => `${folder}/${name}`)
  return { checkpoints: matching(checkpointPattern), changelogs: matching(changelogPattern) }
}

/** @throws UsageError */
async function taskOf({ options, counts, operands }: Arguments): Promise<Task> {
  const until = options.has('until') ? parseUntil(options.get('until') as string) : undefined
  const output = options.has('o') ? resolve(options.get('o') as string) : undefined
  const old = options.get('m')
  const common = {
    ...{ output, until, bestPossible: options.has('b') || options.has('i') },
    ...{ dryRun: options.has('n') || options.has('dry-run'), verbosity: counts.get('x') ?? 0 },
  }
  if (old !== undefined) {
    if (options.has('a') || options.has('d')) throw new UsageError('-m names one file; -a and -d take a folder')
    if (output === undefined && !common.dryRun) throw new UsageError('where to? -o NEW')
    return {
      ...common,
      folder: undefined,
      checkpoints: [resolve(old)],
      changelogs: operands.map(path => resolve(path)),
    }
  }
  if (!options.has('a') && until === undefined) throw new UsageError('what is to be restored? -m OLD, -a, or --until')
  if (operands.length > 0) throw new UsageError('changelogs are named with -m only; of a folder all are taken')
  if (until !== undefined && output === undefined && !common.dryRun) {
    throw new UsageError(
      'with --until the result needs a place of its own (-o NEW): beside the newer changelogs the next start would ' +
        'take the file system to the present again',
    )
  }
  const folder = resolve(options.get('d') ?? DATA_ROOT)
  return { ...common, folder, ...(await filesOf(folder)) }
}

function progressOf(verbosity: number, progress: Progress): RestoreProgress {
  return {
    surveying: change => progress.tell(() => `reading changelogs: change ${change}`),
    loading: path => {
      progress.clear()
      say(`loading ${path}`)
    },
    applying: (line, last) => {
      if (verbosity > 1) say(`${line.path}: ${line.text}`)
      else
        progress.tell(() => `applying changes: ${line.id} of ${last}${last > 0 ? ` (${percent(line.id / last)})` : ''}`)
    },
  }
}

function report({ checkpoint, applied, state, survey, notes }: Restored, task: Task): void {
  for (const note of notes) say(note)
  const { runs, repeated, firstTime, lastTime, files } = survey
  if (task.verbosity > 0) for (const [path, { from, to }] of files) say(`${path}: changes ${from} to ${to}`)
  const held = runs.map(({ from, to }) => `${from} to ${to}`).join(', ')
  const dates =
    firstTime === undefined || lastTime === undefined ? '' : ` (${dateText(firstTime)} to ${dateText(lastTime)})`
  const id = state.metaId.toString(16).toUpperCase().padStart(16, '0')
  const lines = [
    `metadata file: ${checkpoint.path}, version ${checkpoint.version}`,
    `changelogs: ${task.changelogs.length} files, changes ${held || 'none'}${dates}`,
    `lines that are in more than one file: ${repeated}`,
    `gaps between the changelogs: ${gapsText(survey.runs)}`,
    `result: version ${state.version}, id ${id}, ${applied} changes applied, ${state.nodes.count} inodes`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function gapsText(runs: Restored['survey']['runs']): string {
  const gaps = runs.slice(1).map(({ from }, i) => `${(runs[i]?.to ?? 0) + 1} to ${from - 1}`)
  return gaps.length === 0 ? 'none' : gaps.join(', ')
}

const sameFile = (one: string, other: string) => {
  const [a, b] = [one, other].map(path => statSync(path, { throwIfNoEntry: false }))
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
}

/** Refuses to write over anything that somebody may still need. @throws RecoveryError */
async function checkOutput(path: string, task: Task, { state }: Restored): Promise<void> {
  const input = [...task.checkpoints, ...task.changelogs].find(file => sameFile(file, path))
  if (input) throw new RecoveryError(`${path} is one of the files that were read: choose another name for -o`)
  if (!existsSync(path)) return
  const refusal = (what: string) =>
    new RecoveryError(`${path} exists and ${what}: move it away, or choose another name`)
  const there = await inspectCheckpoint(realDisk, path).catch(error => {
    throw error instanceof CheckpointError ? refusal('is no metadata file') : error
  })
  if (there.version > state.version) throw refusal(`is newer (version ${there.version})`)
  if (there.metaId !== 0n && there.metaId !== state.metaId) throw refusal('belongs to another file system')
}

/** The name for a metadata.mfs that makes room. Masters look at names of this form too, so nothing is lost. */
function asideName(path: string): string {
  for (let n = 0; ; n++) {
    const name = `${path}.old${String(n).padStart(3, '0')}`
    if (!existsSync(name)) return name
  }
}

async function write(task: Task, restored: Restored): Promise<void> {
  const path = task.output ?? `${task.folder}/${CHECKPOINT}`
  if (task.output !== undefined) await checkOutput(task.output, task, restored)
  else if (restored.checkpoint.path === path && restored.applied === 0) {
    process.stdout.write(`${path} holds everything already: nothing was written\n`)
    return
  }
  const aside = task.output === undefined && existsSync(path) ? asideName(path) : undefined
  // The old one makes room only when the new one is whole.
  await writeState(realDisk, aside ? `${path}.new` : path, restored.state)
  if (aside) {
    renameSync(path, aside)
    renameSync(`${path}.new`, path)
    await realDisk.syncFolder(task.folder as string)
    process.stdout.write(`the metadata.mfs from before is now ${aside}\n`)
  }
  process.stdout.write(`written: ${path}\n`)
}

function refuseRunningMaster({ folder, output, dryRun }: Task): void {
  if (folder === undefined || output !== undefined || dryRun) return
  const pid = lockOwner(lockFilePath(folder, 'mfsmaster'))
  if (pid === undefined) return
  throw new RecoveryError(
    `a master is running in ${folder} (process ${pid}): stop it first, or write elsewhere with -o`,
  )
}

/** A changelog of what a power cut took from the folder's newest one, in a temporary folder; undefined: it lacks nothing. */
async function tailAsChangelog(folder: string): Promise<string | undefined> {
  const tail = await inspectTail(realDisk, folder)
  if (tail?.standing === 'foreign') say(`${foreignTail(folder)}. They are not used`)
  if (tail?.standing !== 'lacking') return undefined
  const path = join(mkdtempSync(join(tmpdir(), 'mfsmetarestore-')), TAIL_NAME)
  writeFileSync(path, tail.lines)
  return path
}

async function run(task: Task): Promise<void> {
  refuseRunningMaster(task)
  const progress = new Progress()
  const now = Math.floor(realClock.nowMs() / 1000)
  const { folder, checkpoints, until, bestPossible } = task
  const tail = folder === undefined ? undefined : await tailAsChangelog(folder)
  const changelogs = tail === undefined ? task.changelogs : [...task.changelogs, tail]
  const input = { checkpoints, changelogs, until, bestPossible }
  const restored = await restore(realDisk, input, now, progressOf(task.verbosity, progress)).finally(() => {
    progress.clear()
    if (tail !== undefined) rmSync(dirname(tail), { recursive: true })
  })
  report(restored, task)
  if (task.dryRun) process.stdout.write('dry run: nothing was written\n')
  else await write(task, restored)
}

async function main(): Promise<number> {
  try {
    const given = parseArguments(process.argv.slice(2), 'abfhinvx', 'dmo', { until: true, 'dry-run': false })
    const { options, operands } = given
    if (options.has('help') || options.has('h') || options.has('v')) {
      process.stdout.write(options.has('v') ? `version: ${VERSION_TEXT}\n` : USAGE)
      return 0
    }
    const old = options.get('m')
    const onlyShown =
      old !== undefined && operands.length === 0 && !['o', 'n', 'until', 'a', 'd'].some(o => options.has(o))
    if (onlyShown) await dumpFile(old, {}, () => {})
    else await run(await taskOf(given))
    return 0
  } catch (error) {
    if (error instanceof UsageError) process.stderr.write(`mfsmetarestore: ${error.message}\n${USAGE}`)
    else process.stderr.write(`mfsmetarestore: ${messageOf(error, [RecoveryError, CheckpointError])}\n`)
    return 1
  }
}

process.exitCode = await main()
