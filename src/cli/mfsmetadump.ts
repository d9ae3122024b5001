// The command mfsmetadump: a metadata file as text (spec metadata 7.1).
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { dumpFile } from './offline/metadata-file.ts'
import { parseArguments, pathOf, rawArguments, UsageError } from './shared/arguments.ts'
import { messageOf, Progress, percent, say } from './shared/terminal.ts'

const USAGE = `usage: mfsmetadump [-d] [-s SECTION] FILE

Prints a metadata file (metadata.mfs, metadata.mfs.back, metadata_ml.mfs.back, ...) as text.

  -d          a dot in place of every byte of a name that is not printable ASCII
  -s SECTION  only this section:
                HEAD  version and id of the file     PACL  POSIX ACLs
                SESS  sessions of clients            OPEN  open files
                SCLA  storage classes                FLCK  locks of flock()
                LABS  their older name               PLCK  locks of fcntl() and lockf()
                NODE  inodes                         CSDB  chunkservers
                EDGE  names                          CHNK  chunks
                FREE  inode numbers to be used again
                QUOT  quotas                         XATR  extended attributes
  --help      this text

exit code: 0, or 1 when the file can not be read or is damaged
`

async function dump(path: string, section: string | undefined, dots: boolean): Promise<number> {
  const progress = new Progress()
  // On a terminal the text itself is the progress.
  const told = (part: number) => process.stdout.isTTY || progress.tell(() => `dumping: ${percent(part)}`)
  try {
    await dumpFile(path, { ...(section ? { section } : {}), dots }, told)
    progress.clear()
    return 0
  } catch (error) {
    progress.clear()
    const message = messageOf(error, [CheckpointError])
    say(error instanceof CheckpointError ? `${path}: ${message}` : `can't open metadata file: ${message}`)
    return 1
  }
}

async function main(): Promise<number> {
  try {
    const { options, operands } = parseArguments(rawArguments(), 'd', 's')
    if (options.has('help')) {
      process.stdout.write(USAGE)
      return 0
    }
    const section = options.get('s')
    if (section !== undefined && section.length !== 4) throw new UsageError(`"${section}" is no name of a section`)
    const [path] = operands
    if (path === undefined) throw new UsageError('which file?')
    return await dump(pathOf(path), section, options.has('d'))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stdout.write(`mfsmetadump: ${error.message}\n${USAGE}`)
    return 1
  }
}

process.exitCode = await main()
