// mfshdd.cfg: the folders that hold chunks (spec chunkserver 6.1).
import { parseSize } from '../../config/units.ts'

export interface FolderLine {
  /** With a slash at its end. */
  readonly path: string
  /** `*`: its chunks are to be kept elsewhere. */
  readonly markedForRemoval: boolean
  /** `~`: a change of the disk's size is no sign of damage. */
  readonly ignoreSize: boolean
  /** `>` to be filled from the others, `<` to be emptied to them. */
  readonly balance: 'fill' | 'empty' | undefined
  /** Space to use at most. */
  readonly limitBytes: number | undefined
  /** Space to leave free; undefined: the default. */
  readonly leaveBytes: number | undefined
}

/** One folder a line; empty lines and those that begin with `#` say nothing. */
export function parseFolderList(text: string): FolderLine[] {
  const lines = text.split('\n').map(line => line.trimEnd())
  return lines.filter(line => line !== '' && !line.startsWith('#')).map(parseFolderLine)
}

function parseFolderLine(line: string): FolderLine {
  const [, prefixes = '', rest = ''] = /^([*~<>]*)(.*)$/.exec(line) ?? []
  const { path, ...limits } = splitLimit(rest)
  const direction = [...prefixes].findLast(prefix => prefix === '<' || prefix === '>')
  return {
    path: path.endsWith('/') ? path : `${path}/`,
    markedForRemoval: prefixes.includes('*'),
    ignoreSize: prefixes.includes('~'),
    balance: direction === '>' ? 'fill' : direction === '<' ? 'empty' : undefined,
    ...limits,
  }
}

/** The last word is a limit if it reads as one; paths may contain blanks. */
function splitLimit(text: string): Pick<FolderLine, 'path' | 'limitBytes' | 'leaveBytes'> {
  const none = { path: text, limitBytes: undefined, leaveBytes: undefined }
  const [, path = '', sign = '', word = ''] = /^(.*\S)\s+(-?)([0-9.]\S*)$/.exec(text) ?? []
  const bytes = parseSize(word)
  if (path === '' || bytes === undefined) return none
  if (sign === '-') return { path, limitBytes: undefined, leaveBytes: bytes }
  return { path, limitBytes: bytes > 0 ? bytes : undefined, leaveBytes: undefined }
}
