// The command mfsmetadirinfo: sums over directories of a metadata file, without a master (spec metadata 7.2).
import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { type Phase, type SummedPath, type Sums, sumDirectories } from '../metadata/dump/directory-sums.ts'
import { type ReadAt, SectionIndex } from '../metadata/dump/section-index.ts'
import { humanBytes } from './offline/human.ts'
import { parseArguments, pathOf, rawArguments, UsageError } from './shared/arguments.ts'
import { messageOf, sayBytes, writeOut } from './shared/terminal.ts'

const USAGE = `usage: mfsmetadirinfo [-f J|C[SEPARATOR]] [-o OUTPUT] [-a NAME] FILE PATH...

Counts what lies below PATHs in a metadata file: inodes, files, directories, chunks, and sizes with and without copies.

  -f J   as JSON
  -f C   as CSV; the character after C separates the columns (a comma when there is none)
  -o F   write to file F
  -a N   begin with an entry named N: all paths together, every inode and chunk counted once
  --help this text

exit code: 0, also when a path does not exist; 1 when the file can not be read or is damaged
`
const RULE = '-'.repeat(30)

type Format = (entries: [name: string, SummedPath][]) => string

function plain(entries: [string, SummedPath][]): string {
  const bytes = (title: string, value: bigint) => `${title}: ${value} = ${humanBytes(value)}\n`
  const numbers = (sums: Sums) =>
    `inodes: ${sums.inodes}\n files: ${sums.files}\n dirs: ${sums.dirs}\n` +
    `chunks: ${sums.chunks}\n keep chunks: ${sums.keepChunks}\n arch chunks: ${sums.archiveChunks}\n` +
    bytes('length', sums.length) +
    bytes('size', sums.size) +
    bytes('keep size', sums.keepSize) +
    bytes('arch size', sums.archiveSize) +
    bytes('real size', sums.realSize)
  const blocks = entries.map(
    ([name, { found, sums }]) => `${RULE}\npath: ${name}\n${found ? numbers(sums) : 'path not found !!!\n'}`,
  )
  return `${blocks.join('')}${RULE}\n`
}

/** What JSON and CSV both need escaped. Other bytes stay as they are. */
function quoted(name: string): string {
  const escapes: Record<string, string> = { '\n': 'n', '\t': 't', '\r': 'r', '\b': 'b', '\f': 'f' }
  return `"${name.replace(/["\\\n\t\r\b\f]/g, character => `\\${escapes[character] ?? character}`)}"`
}

function json(entries: [string, SummedPath][]): string {
  const objects = entries.map(([name, { found, sums }]) => {
    const fields = {
      ...{ inodes: sums.inodes, files: sums.files, dirs: sums.dirs },
      ...{ chunks: sums.chunks, kchunks: sums.keepChunks, achunks: sums.archiveChunks },
      ...{ length: sums.length, size: sums.size, rsize: sums.realSize, ksize: sums.keepSize, asize: sums.archiveSize },
      error: found ? 0 : 1,
    }
    const lines = Object.entries(fields).map(([key, value]) => `\t\t"${key}": ${value}`)
    return `\t${quoted(name)}: {\n${lines.join(',\n')}\n\t}`
  })
  return `{\n${objects.join(',\n')}${objects.length > 0 ? '\n' : ''}}\n`
}

const CSV_COLUMNS = 'path inodes files dirs chunks keep_chunks arch_chunks length size real_size keep_size arch_size'

function csv(separator: string, entries: [string, SummedPath][]): string {
  const rows = entries.map(([name, { found, sums }]) => {
    const counts = [sums.inodes, sums.files, sums.dirs, sums.chunks, sums.keepChunks, sums.archiveChunks]
    const sizes = [sums.length, sums.size, sums.realSize, sums.keepSize, sums.archiveSize]
    const values = [...counts, ...sizes].map(value => (found ? String(value) : 'error'))
    return [quoted(name), ...values].join(separator)
  })
  return `${[CSV_COLUMNS.split(' ').join(separator), ...rows].join('\n')}\n`
}

/** @throws UsageError */
function parseFormat(text: string | undefined): Format {
  if (text === undefined) return plain
  if (/^j/i.test(text)) return json
  if (/^c/i.test(text)) return entries => csv(text[1] ?? ',', entries)
  throw new UsageError(`unknown format "${text}": J is JSON, C is CSV`)
}

/** One line a phase on stderr, brought up to date on a terminal. */
function phaseProgress(): (phase: Phase, part: number) => void {
  let last = 0
  return (phase, part) => {
    const done = part >= 1
    if (!done && (!process.stderr.isTTY || performance.now() - last < 100)) return
    last = performance.now()
    process.stderr.write(
      `${process.stderr.isTTY ? '\r' : ''}${phase} scan: ${(part * 100).toFixed(2)}%${done ? '\n' : ''}`,
    )
  }
}

async function sum(file: FileHandle, shown: string, paths: string[], total: string | undefined): Promise<SummedPath[]> {
  const readAt: ReadAt = async (offset, bytes) => {
    const buffer = Buffer.allocUnsafeSlow(bytes)
    const { bytesRead } = await file.read(buffer, 0, bytes, offset)
    return buffer.subarray(0, bytesRead)
  }
  const index = await SectionIndex.read(readAt)
  if (index.header.isNew) throw new CheckpointError('HEAD', 8, 'an empty file system: there is nothing to count')
  if (index.header.old?.sectioned === false) throw new CheckpointError('HEAD', 5, `${shown} is too old (before 1.6)`)
  const missing = (path: string) => sayBytes(`path '${path}': no such file or directory`)
  return sumDirectories(index, paths, total, phaseProgress(), missing)
}

async function run(shown: string, paths: string[], total: string | undefined, format: Format): Promise<string> {
  const file = await open(pathOf(shown), 'r')
  try {
    const summed = await sum(file, shown, paths, total)
    const names = total === undefined ? paths : [total, ...paths]
    return format(summed.map((entry, i) => [names[i] as string, entry]))
  } finally {
    await file.close()
  }
}

async function main(): Promise<number> {
  let shown: string | undefined
  try {
    const { options, operands } = parseArguments(rawArguments(), '', 'foa')
    if (options.has('help')) {
      process.stdout.write(USAGE)
      return 0
    }
    const format = parseFormat(options.get('f'))
    shown = operands[0]
    if (shown === undefined) throw new UsageError('which file?')
    const text = await run(shown, operands.slice(1), options.get('a'), format)
    const output = options.get('o')
    if (output === undefined) await writeOut(text)
    else await writeFile(pathOf(output), Buffer.from(text, 'latin1'))
    return 0
  } catch (error) {
    if (error instanceof UsageError) process.stdout.write(`mfsmetadirinfo: ${error.message}\n${USAGE}`)
    else sayBytes(`${shown}: ${messageOf(error, [CheckpointError])}`)
    return 1
  }
}

process.exitCode = await main()
