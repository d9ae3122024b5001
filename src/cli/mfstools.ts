// The command mfstools: all tools for objects of a mounted file system, each by its own name (spec tools-and-admin B).
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { rawArguments } from './shared/arguments.ts'
import { writeOut } from './shared/terminal.ts'
import { chunkTools } from './tools/chunks.ts'
import { systemErrorText } from './tools/failure.ts'
import { quotaTools } from './tools/quotas.ts'
import { settingTools } from './tools/settings.ts'
import { storageClassTools } from './tools/storage-classes.ts'
import { runTool, type Tool } from './tools/tool.ts'
import { treeTools } from './tools/trees.ts'

const tools = new Map<string, Tool>(
  Object.entries({ ...settingTools, ...storageClassTools, ...quotaTools, ...chunkTools, ...treeTools }),
)
/** Names from before there was -r. */
const recursiveNames = new Map([
  ['mfsrgetgoal', 'mfsgetgoal'],
  ['mfsrsetgoal', 'mfssetgoal'],
  ['mfsrgettrashtime', 'mfsgettrashtime'],
  ['mfsrsettrashtime', 'mfssettrashtime'],
])

const USAGE = `usage: mfstools mfsTOOL ...   runs a tool
       mfstools create        makes links in this folder by which each tool can be called by its name

tools, each with --help:
${[...tools.keys()].map(name => `  ${name}\n`).join('')}`

/** Links to the program that began this one. What is there already stays. @returns the exit code */
function makeLinks(): number {
  const launcher = join(import.meta.dirname, '../../bin/mfstools')
  let code = 0
  for (const name of [...tools.keys(), ...recursiveNames.keys()]) {
    try {
      symlinkSync(launcher, name)
    } catch (error) {
      process.stderr.write(`mfstools: can't make ${name} here: ${systemErrorText(error).text}\n`)
      code = 1
    }
  }
  return code
}

async function main(): Promise<number> {
  const [name = ''] = process.argv.slice(2)
  if (name === '--help') {
    process.stdout.write(USAGE)
    return 0
  }
  if (name === '') {
    process.stderr.write(USAGE)
    return 1
  }
  if (name === 'create') return makeLinks()
  const newName = recursiveNames.get(name)
  if (newName !== undefined) process.stderr.write(`deprecated tool - use "${newName} -r"\n`)
  const tool = tools.get(newName ?? name)
  const args = [...(newName === undefined ? [] : ['-r']), ...rawArguments().slice(1)]
  if (!tool) {
    process.stderr.write(`mfstools: ${name}: unknown tool; mfstools --help lists them\n`)
    return 1
  }
  // Line by line: long work is seen while it goes on, and ends when nobody reads any more.
  let written = Promise.resolve()
  const code = await runTool(newName ?? name, tool, args, text => {
    written = written.then(() => writeOut(text))
  })
  await written
  return code
}

process.exitCode = await main()
