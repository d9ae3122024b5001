// The command mfstools: all tools for objects of a mounted file system, each by its own name (spec tools-and-admin B).
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { rawArguments } from './shared/arguments.ts'
import { writeOut } from './shared/terminal.ts'
import { chunkTools } from './tools/chunks.ts'
import { quotaTools } from './tools/quotas.ts'
import { settingTools } from './tools/settings.ts'
import { storageClassTools } from './tools/storage-classes.ts'
import { runTool, type Tool } from './tools/tool.ts'
import { treeTools } from './tools/trees.ts'

const tools: Readonly<Record<string, Tool>> = {
  ...settingTools,
  ...storageClassTools,
  ...quotaTools,
  ...chunkTools,
  ...treeTools,
}
/** Names from before there was -r. */
const RECURSIVE_NAMES: Readonly<Record<string, string>> = {
  mfsrgetgoal: 'mfsgetgoal',
  mfsrsetgoal: 'mfssetgoal',
  mfsrgettrashtime: 'mfsgettrashtime',
  mfsrsettrashtime: 'mfssettrashtime',
}

const USAGE = `usage: mfstools mfsTOOL ...   runs a tool
       mfstools create        makes links in this folder by which each tool can be called by its name

tools, each with --help:
${Object.keys(tools)
  .map(name => `  ${name}\n`)
  .join('')}`

/** Links to the program that began this one. */
function makeLinks(): void {
  const launcher = join(import.meta.dirname, '../../bin/mfstools')
  for (const name of [...Object.keys(tools), ...Object.keys(RECURSIVE_NAMES)]) symlinkSync(launcher, name)
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
  if (name === 'create') {
    makeLinks()
    return 0
  }
  const newName = RECURSIVE_NAMES[name]
  if (newName !== undefined) process.stderr.write(`deprecated tool - use "${newName} -r"\n`)
  const tool = tools[newName ?? name]
  const args = [...(newName === undefined ? [] : ['-r']), ...rawArguments().slice(1)]
  if (!tool) {
    process.stderr.write(`mfstools: ${name}: unknown tool; mfstools --help lists them\n`)
    return 1
  }
  let text = ''
  const code = await runTool(newName ?? name, tool, args, said => {
    text += said
  })
  await writeOut(text)
  return code
}

process.exitCode = await main()
