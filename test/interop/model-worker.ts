// Works in a folder and knows what must be in it: model-worker.ts FOLDER SEED. Every operation that returned is in the
// model, which lives here, outside the file system. Told `check` on its standard input it stops, compares the folder with
// the model, and answers with one line of JSON: { done, wrong }. Told `go` it goes on. An operation that fails is wrong:
// each is one that must succeed.
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { seeded } from '../sim/scheduler.ts'

const [folder = '', seed = '1'] = process.argv.slice(2)
const random = seeded(Number(seed))
const below = (limit: number) => Math.floor(random() * limit)
const NAMES = 40

type Kind = 'file' | 'folder' | 'link'
interface Node {
  kind: Kind
  /** Of a file: its bytes; of a link: its target. Names of one file share it. */
  content: string
  mode: number
  names: number
}

const model = new Map<string, Node>()
const wrong: string[] = []
let done = 0

const path = (name: string) => join(folder, name)
const freeName = () => Array.from({ length: NAMES }, (_, i) => `n${i}`).filter(name => !model.has(name))[below(5)]
const nameOf = (kind: Kind) => [...model].filter(([, node]) => node.kind === kind).map(([name]) => name)[below(8)]

function forget(name: string): void {
  const node = model.get(name)
  if (node) node.names--
  model.delete(name)
}

async function create(name: string): Promise<void> {
  const content = `${name} ${done} `.repeat(1 + below(400))
  const file = await fs.open(path(name), 'wx', 0o640)
  model.set(name, { kind: 'file', content: '', mode: 0o640, names: 1 })
  try {
    if (below(3) > 0) return
    await file.writeFile(content)
    await file.sync()
    ;(model.get(name) as Node).content = content
  } finally {
    await file.close()
  }
}

/** What may be done next, with a free name or one of a kind; the model changes when it is done. */
const operations: [weight: number, pick: () => string | undefined, run: (name: string) => Promise<void>][] = [
  [4, freeName, create],
  [
    2,
    freeName,
    async name => {
      await fs.mkdir(path(name), 0o750)
      model.set(name, { kind: 'folder', content: '', mode: 0o750, names: 1 })
    },
  ],
  [
    1,
    freeName,
    async name => {
      await fs.symlink(`target of ${name}`, path(name))
      model.set(name, { kind: 'link', content: `target of ${name}`, mode: 0o777, names: 1 })
    },
  ],
  [
    2,
    () => nameOf('file'),
    async name => {
      const target = freeName()
      if (target === undefined) return
      await fs.link(path(name), path(target))
      const node = model.get(name) as Node
      node.names++
      model.set(target, node)
    },
  ],
  [
    4,
    () => nameOf('file'),
    async name => {
      const target = below(2) === 0 ? freeName() : nameOf('file')
      const node = model.get(name) as Node
      // Of two names of one file nothing happens.
      if (target === undefined || model.get(target) === node) return
      await fs.rename(path(name), path(target))
      forget(target)
      model.delete(name)
      model.set(target, node)
    },
  ],
  [
    3,
    () => nameOf(below(4) === 0 ? 'link' : 'file'),
    async name => {
      await fs.unlink(path(name))
      forget(name)
    },
  ],
  [
    2,
    () => nameOf('folder'),
    async name => {
      await fs.rmdir(path(name))
      forget(name)
    },
  ],
  [
    1,
    () => nameOf('file'),
    async name => {
      const mode = 0o600 + below(0o100)
      await fs.chmod(path(name), mode)
      ;(model.get(name) as Node).mode = mode
    },
  ],
]
const lots = operations.flatMap(operation => Array.from({ length: operation[0] }, () => operation))

async function step(): Promise<void> {
  const [, pick, run] = lots[below(lots.length)] as (typeof operations)[number]
  const name = pick()
  if (name === undefined) return
  try {
    await run(name)
    done++
  } catch (error) {
    wrong.push(`${run.name || 'operation'} ${name}: ${(error as Error).message}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function compare(): Promise<void> {
  const there = new Set(await fs.readdir(folder))
  for (const name of there) if (!model.has(name)) wrong.push(`${name} was never made or was removed, and is there`)
  for (const [name, node] of model) {
    if (!there.has(name)) {
      wrong.push(`${name} is missing`)
      continue
    }
    const stat = await fs.lstat(path(name))
    const kind = stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'file'
    if (kind !== node.kind) wrong.push(`${name} is a ${kind}, not a ${node.kind}`)
    if (kind !== node.kind || kind === 'folder') continue
    const content = kind === 'link' ? await fs.readlink(path(name)) : await fs.readFile(path(name), 'utf8')
    if (content !== node.content) wrong.push(`${name} has ${content.length} wrong bytes`)
    if ((stat.mode & 0o777) !== node.mode) wrong.push(`${name} has mode ${(stat.mode & 0o777).toString(8)}`)
    if (kind === 'file' && stat.nlink !== node.names) wrong.push(`${name} has ${stat.nlink} names, not ${node.names}`)
  }
}

let checkWanted = false
const commands = createInterface({ input: process.stdin })
let goOn: (() => void) | undefined
commands.on('line', line => {
  if (line === 'check') checkWanted = true
  else goOn?.()
})
commands.on('close', () => process.exit(0))
for (;;) {
  if (checkWanted) {
    checkWanted = false
    await compare()
    process.stdout.write(`${JSON.stringify({ done, wrong })}\n`)
    await new Promise<void>(resolve => {
      goOn = resolve
    })
  }
  await step()
}
