// The command mfschunktool: checks chunk files, and mends them (spec daemons-and-config 11.4).
import { VERSION_TEXT } from '../protocol/constants.ts'
import { inspectChunkFile } from './offline/chunk-inspection.ts'
import { parseArguments, pathOf, rawArguments, UsageError } from './shared/arguments.ts'
import { sayBytes, writeOut } from './shared/terminal.ts'

const USAGE = `usage: mfschunktool [-frnex] FILE...

Checks files of chunks: the header against the file's name, the blocks against their CRCs.

  -f   fast: of the blocks only the last one
  -e   CRCs of blocks that are not there, too, in files that say they are of version 1.0
  -x   tell of good files, too
  -r   repair: a header is made from the name, CRCs from the blocks. Whatever damaged a block stays in it and is not
       found any more, so only where no other copy of the chunk is left
  -n   a file whose name is no chunk's is named as its header tells
  -v   version
  --help this text

Files are changed (-r, -n) only while no chunkserver uses their folder.

exit code, a sum: 0 all is well, 1 wrong name or header, 2 wrong CRC, 4 header repaired, 8 CRCs repaired, 16 a file
that can not be read, has no chunk's size or was not changed
`

async function main(): Promise<number> {
  const { options, operands } = parseArguments(rawArguments(), 'frnexhv', '')
  if (options.has('v')) {
    await writeOut(`version: ${VERSION_TEXT}\n`)
    return 0
  }
  if (options.has('h') || options.has('help') || operands.length === 0) {
    await writeOut(USAGE)
    return 0
  }
  const wishes = {
    ...{ isFast: options.has('f'), isStrict: options.has('e') },
    ...{ repairs: options.has('r'), renames: options.has('n') },
  }
  let outcome = 0
  for (const shown of operands) {
    const mended: string[] = []
    const found = inspectChunkFile(pathOf(shown), wishes, {
      wrong: line => sayBytes(`${shown}: ${Buffer.from(line).toString('latin1')}`),
      mended: line => mended.push(`${shown}: ${line}\n`),
    })
    if (found === 0 && options.has('x')) mended.push(`${shown}: OK\n`)
    await writeOut(mended.join(''))
    outcome |= found
  }
  return outcome
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`mfschunktool: ${error.message}\n${USAGE}`)
  process.exitCode = 1
}
