// Sums over trees: as the master has them, or node by node, each inode and each chunk once (spec tools-and-admin B.3).
import * as cltoma from '../../protocol/cltoma.ts'
import { Reader, record, u8, u16, u32, u64n } from '../../protocol/codec.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Progress, percent } from '../shared/terminal.ts'
import { MSGID } from './master-link.ts'
import { cell, column, type NumberKind } from './numbers.ts'
import type { Target } from './targets.ts'
import type { Call, Tool } from './tool.ts'

interface Sums {
  inodes: number
  directories: number
  files: number
  chunks: number
  length: number
  size: number
  realsize: number
}

/** In the order in which they are shown, by their letters. */
const SHOWN: readonly (readonly [letter: string, what: keyof Sums, title: string, kind: NumberKind])[] = [
  ['i', 'inodes', ' inodes:', 'count'],
  ['d', 'directories', '  directories:', 'count'],
  ['f', 'files', '  files:', 'count'],
  ['c', 'chunks', ' chunks:', 'count'],
  ['l', 'length', ' length:', 'bytes'],
  ['s', 'size', ' size:', 'bytes'],
  ['r', 'realsize', ' realsize:', 'bytes'],
]

/** Connections of mounts get zeros between the numbers, those of tools don't. */
async function sums({ inode, master }: Target): Promise<Sums> {
  const { numbers } = await master.query(cltoma.fuseGetdirstats.encode({ msgid: MSGID, inode }), matocl.fuseGetdirstats)
  const input = new Reader(numbers)
  const hasZeros = input.left > 40
  const [inodes, directories, files] = [u32.read(input), u32.read(input), u32.read(input)]
  if (hasZeros) u64n.read(input)
  const chunks = u32.read(input)
  if (hasZeros) u64n.read(input)
  return {
    inodes,
    directories,
    files,
    chunks,
    length: u64n.read(input),
    size: u64n.read(input),
    realsize: u64n.read(input),
  }
}

const ENTRIES_AT_ONCE = 500
const NodeKind = { DIRECTORY: 1, FILE: 2 } as const
const chunkRecord = record({ chunkId: u64n, size: u32, copies: u8 })

/** Walks a tree and counts every inode and every chunk once, with the copies that there are. */
class PreciseSums {
  readonly sums: Sums = { inodes: 0, directories: 0, files: 0, chunks: 0, length: 0, size: 0, realsize: 0 }
  readonly #master: Target['master']
  readonly #chunks = new Set<number>()

  constructor(master: Target['master']) {
    this.#master = master
  }

  /** @param counted told how many nodes were counted after each */
  async walk(root: number, counted: (nodes: number) => void): Promise<void> {
    const seen = new Set([root])
    const waiting = [root]
    for (let inode = waiting.pop(); inode !== undefined; inode = waiting.pop()) {
      for (const child of await this.#count(inode)) {
        if (seen.has(child)) continue
        seen.add(child)
        waiting.push(child)
      }
      counted(this.sums.inodes)
    }
  }

  /** @returns what is in it */
  async #count(inode: number): Promise<number[]> {
    const children: number[] = []
    let continueId = 0
    do {
      const answer = await this.#ask(inode, continueId)
      // Removed meanwhile.
      if (!answer) return children
      const { kind, input } = answer
      const isFirst = continueId === 0
      if (isFirst) this.#countNode(kind)
      continueId = kind === NodeKind.DIRECTORY || kind === NodeKind.FILE ? u64n.read(input) : 0
      if (kind === NodeKind.DIRECTORY) while (input.left > 0) children.push(u32.read(input))
      if (kind === NodeKind.FILE) this.#countChunks(input, isFirst)
    } while (continueId !== 0)
    return children
  }

  async #ask(inode: number, continueId: number): Promise<{ kind: number; input: Reader } | undefined> {
    const question = cltoma.nodeInfo.encode({ msgid: MSGID, inode, maxEntries: ENTRIES_AT_ONCE, continueId })
    const { body } = await this.#master.ask(question, matocl.nodeInfo)
    if (body.length === 1) return undefined
    const input = new Reader(body)
    return { kind: u16.read(input), input }
  }

  #countNode(kind: number): void {
    this.sums.inodes++
    if (kind === NodeKind.DIRECTORY) this.sums.directories++
    if (kind === NodeKind.FILE) this.sums.files++
  }

  /** Each part of the answer has the length of the file. */
  #countChunks(input: Reader, isFirst: boolean): void {
    const length = u64n.read(input)
    if (isFirst) this.sums.length += length
    while (input.left > 0) {
      const { chunkId, size, copies } = chunkRecord.read(input)
      if (this.#chunks.has(chunkId)) continue
      this.#chunks.add(chunkId)
      this.sums.chunks++
      this.sums.size += size
      this.sums.realsize += size * copies
    }
  }
}

function tell(call: Call, name: string, sums: Sums, isPrecise: boolean): void {
  const chosen = SHOWN.filter(([letter]) => call.has(letter))
  const precise = isPrecise ? ' (precise data)' : ''
  if (chosen.length > 0) {
    const cells = chosen.map(([, what, , kind]) => `${cell(sums[what], kind, call.numbers)}\t`)
    return call.say(`${cells.join('')}${name}${precise}`)
  }
  call.say(`${name}${precise}:`)
  for (const [, what, title, kind] of SHOWN) call.say(`${title.padEnd(15)}${column(sums[what], kind, call.numbers)}`)
}

async function tellPrecise(call: Call, { name, inode, master }: Target, about: number): Promise<void> {
  const precise = new PreciseSums(master)
  const progress = new Progress()
  await precise.walk(inode, nodes => progress.tell(() => `${name}: ${percent(Math.min(nodes / about, 1))}`))
  progress.clear()
  tell(call, name, precise.sums, true)
}

export const directoryInfo: Tool = {
  about: 'tells how much is in folders and in all that is below them',
  hasNumbers: true,
  switches: 'idfclsrp',
  syntax: '[-nhHkmg] [-idfclsr] [-p] name [name ...]',
  help: [
    ' -i, -d, -f, -c - inodes, directories, files, chunks',
    ' -l - sum of the lengths of files',
    ' -s - sum of the sizes of chunks',
    ' -r - space that all copies take, as their class wants them',
    ' -p - node by node, too: each inode and chunk counts once, with the copies that it has',
    '',
    'Without any of -idfclsr all are shown.',
  ],
  run: call =>
    call.each(call.names(), false, async target => {
      const all = await sums(target)
      tell(call, target.name, all, false)
      if (call.has('p')) await tellPrecise(call, target, all.inodes)
    }),
}
