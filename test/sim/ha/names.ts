// What clients of a simulated cluster do: names in the root directory come, move and go.
import { Status } from '../../../src/protocol/status.ts'
import type { Model } from './linearizable.ts'

export type Call =
  | { readonly op: 'create'; readonly name: string }
  | { readonly op: 'unlink'; readonly name: string }
  | { readonly op: 'lookup'; readonly name: string }
  | { readonly op: 'rename'; readonly name: string; readonly to: string }

/** `inode` is what create made or lookup found. */
export interface Result {
  readonly status: number
  readonly inode?: number
}

/** Names with their inode numbers; 0 stands for one that nobody was told. */
export type Names = Readonly<Record<string, number>>

const without = (names: Names, name: string): Names => {
  const { [name]: _, ...others } = names
  return others
}

/** @returns the names afterwards, and the status that the call gets */
function carriedOut(names: Names, call: Call, inode: number): [Names, number] {
  const there = names[call.name]
  switch (call.op) {
    case 'create':
      return there === undefined ? [{ ...names, [call.name]: inode }, Status.OK] : [names, Status.EEXIST]
    case 'lookup':
      return [names, there === undefined ? Status.ENOENT : Status.OK]
    case 'unlink':
      return there === undefined ? [names, Status.ENOENT] : [without(names, call.name), Status.OK]
    case 'rename':
      if (there === undefined) return [names, Status.ENOENT]
      return [{ ...without(names, call.name), [call.to]: there }, Status.OK]
  }
}

export const namesModel: Model<Names, Call, Result> = {
  initial: {},
  key: names =>
    Object.entries(names)
      .map(([name, inode]) => `${name}=${inode}`)
      .sort()
      .join(),
  apply(names, call, result) {
    const [after, status] = carriedOut(names, call, result?.inode ?? 0)
    if (!result) return after
    if (status !== result.status) return undefined
    if (call.op !== 'lookup' || status !== Status.OK) return after
    const inode = names[call.name] as number
    // The first that is told the number of a file whose creator never heard it.
    if (inode === 0) return { ...names, [call.name]: result.inode as number }
    return inode === result.inode ? after : undefined
  },
}
