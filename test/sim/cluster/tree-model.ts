// What must be in a folder, by all that was acknowledged; and how it is compared with what is there.
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import type { Caller } from '../../../src/protocol/attributes.ts'
import { OpenFlag } from '../../../src/protocol/cltoma.ts'
import { FileModel } from './file-model.ts'

export const root: Caller = { uid: 0, gids: [0] }
const [FILE, DIRECTORY] = [1, 2]

export class FolderModel {
  readonly kind = 'folder'
  inode: number
  mode: number
  readonly names = new Map<string, NodeModel>()

  constructor(inode: number, mode: number) {
    this.inode = inode
    this.mode = mode
  }
}

export interface SymlinkModel {
  kind: 'symlink'
  inode: number
  readonly target: string
}

export type NodeModel = FolderModel | FileModel | SymlinkModel

/** A node as it was found. */
interface Found {
  type: number
  inode: number
  mode: number
  links: number
  length: number
  target: string | undefined
  names: Map<string, Found>
}

/** The client could not tell. */
class Unanswered extends Error {}

/** Everything below a folder, without the contents of files. */
export async function findTree(session: ClusterSession, inode: number): Promise<Map<string, Found>> {
  const listed = await session.readdir(inode, true, root)
  if (listed.status !== undefined) throw new Unanswered(`readdir of ${inode}: status ${listed.status}`)
  const names = new Map<string, Found>()
  for (const { name, inode: child, attributes } of listed.names) {
    if (name === '.' || name === '..' || !attributes) continue
    const { type, mode, nlink, length } = attributes
    const isLink = type !== FILE && type !== DIRECTORY
    const target = isLink ? await session.readlink(child) : undefined
    if (target?.status !== undefined) throw new Unanswered(`readlink of ${child}: status ${target.status}`)
    const inside = type === DIRECTORY ? await findTree(session, child) : new Map<string, Found>()
    names.set(name, { type, inode: child, mode, links: nlink, length, target: target?.target, names: inside })
  }
  return names
}

/** What is not as it must be, one difference a line. Inodes that were not known yet are learned. */
export function differences(folder: FolderModel, found: Map<string, Found>, path: string): string[] {
  const wrong: string[] = []
  for (const name of found.keys()) if (!folder.names.has(name)) wrong.push(`${path}/${name} should not be there`)
  for (const [name, node] of folder.names) {
    const there = found.get(name)
    if (!there) wrong.push(`${path}/${name} is missing (${node.kind} ${node.inode})`)
    else wrong.push(...nodeDifferences(node, there, `${path}/${name}`))
  }
  return wrong
}

function nodeDifferences(node: NodeModel, there: Found, path: string): string[] {
  const kind = there.type === FILE ? 'file' : there.type === DIRECTORY ? 'folder' : 'symlink'
  if (kind !== node.kind) return [`${path} is a ${kind}, not a ${node.kind}`]
  if (node.inode === 0) node.inode = there.inode
  const wrong: string[] = []
  const compare = (what: string, is: unknown, should: unknown) => {
    if (is !== should) wrong.push(`${path}: ${what} is ${is}, not ${should}`)
  }
  compare('inode', there.inode, node.inode)
  switch (node.kind) {
    case 'symlink':
      compare('target', there.target, node.target)
      break
    case 'folder':
      compare('mode', there.mode, node.mode)
      compare('links', there.links, 2 + [...node.names.values()].filter(({ kind }) => kind === 'folder').length)
      wrong.push(...differences(node, there.names, path))
      break
    case 'file':
      compare('mode', there.mode, node.mode)
      compare('links', there.links, node.links)
      if (!node.allowsLength(there.length)) compare('length', there.length, node.length)
  }
  return wrong
}

/** Every file below a folder once, with one of its paths. */
export function filesBelow(folder: FolderModel, path: string, files = new Map<FileModel, string>()) {
  for (const [name, node] of folder.names) {
    if (node instanceof FileModel) files.set(node, `${path}/${name}`)
    else if (node.kind === 'folder') filesBelow(node, `${path}/${name}`, files)
  }
  return files
}

/** Reads a range of an open file. */
export async function readRange(session: ClusterSession, inode: number, offset: number, size: number): Promise<Buffer> {
  const read = await session.data(inode).read(offset, size)
  if (typeof read === 'number') throw new Unanswered(`reading inode ${inode}: errno ${read}`)
  return Buffer.concat(read)
}

/** Where two buffers begin to differ, in words; undefined when they are equal. */
export function firstDifference(is: Buffer, should: Buffer, offset: number): string | undefined {
  if (is.equals(should)) return undefined
  if (is.length !== should.length) return `${is.length} bytes at ${offset}, not ${should.length}`
  const at = is.findIndex((byte, i) => byte !== should[i])
  const shown = (bytes: Buffer) => bytes.toString('hex', at, at + 8)
  return `at ${offset + at} is ${shown(is)}, not ${shown(should)}`
}

/**
 * Opens a file, reads all of it and compares or adopts it.
 *
 * @param repair lets go of chunks that are gone, where they may be
 * @returns what is wrong
 */
export async function checkContents(
  session: ClusterSession,
  file: FileModel,
  repair?: () => Promise<void>,
): Promise<string | undefined> {
  const opened = await session.open(file.inode, OpenFlag.READ, root)
  if (opened.status !== undefined) return `can't be opened: status ${opened.status}`
  const length = file.isUnsure ? opened.attributes.length : file.length
  const ranges = file.ranges(length)
  const found: { offset: number; bytes: Buffer }[] = []
  for (const { offset, size } of ranges) {
    const read = () => readRange(session, file.inode, offset, size)
    const bytes = await read().catch(async error => {
      if (!repair || !file.mayBeGone(offset)) throw error
      await repair()
      return read()
    })
    found.push({ offset, bytes })
  }
  session.release(file.inode)
  const short = found.findIndex(({ bytes }, i) => bytes.length !== ranges[i]?.size)
  if (short >= 0) return `${found[short]?.bytes.length} bytes at ${ranges[short]?.offset}, not ${ranges[short]?.size}`
  if (file.isUnsure) return file.adopt(length, found)
  for (const { offset, bytes } of found) {
    const wrong = firstDifference(bytes, file.expected(offset, bytes.length), offset)
    if (wrong) return wrong
  }
  return undefined
}
