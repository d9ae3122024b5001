// A metadata.mfs of a large tree, without a master that makes it: every file has one chunk and a name of 16 bytes, and
// PER_FOLDER files a folder unless told otherwise. Both masters load it.
import { open } from 'node:fs/promises'
import { CheckpointOutput } from '../src/metadata/checkpoint/output.ts'
import { FIRST_EDGE_ID } from '../src/metadata/types.ts'

export const PER_FOLDER = 1000
/** All times in it. */
export const NOW = 1_700_000_000

type Section = [header: string, bytes: number, records: (out: CheckpointOutput) => Generator<void>]

/** Sections that hold nothing, with the bytes of their bodies. */
const empty = (header: string, bytes: number): Section => [
  header,
  bytes,
  function* (out) {
    out.zeros(bytes)
    yield
  },
]

function node(out: CheckpointOutput, type: number, inode: number): void {
  out.u8(type)
  out.u32(inode)
  for (const byte of [2, 0, 0]) out.u8(byte)
  out.u16(type === 2 ? 0o755 : 0o644)
  for (const word of [1000, 1000, NOW, NOW, NOW]) out.u32(word)
  out.u16(24)
}

/** The sections of a tree of `files` files. */
function sections(files: number, perFolder: number): Section[] {
  const folders = Math.ceil(files / perFolder)
  const [firstFile, edges] = [2 + folders, folders + files]
  const edge = (out: CheckpointOutput, parent: number, child: number, age: number, name: string) => {
    out.u32(parent)
    out.u32(child)
    out.u64(FIRST_EDGE_ID - BigInt(age))
    out.u16(name.length)
    out.text(name)
  }
  const nodes: Section['2'] = function* (out) {
    out.u32(firstFile + files - 1)
    out.u32(1 + folders + files)
    for (let i = 0; i <= folders; i++) node(out, 2, 1 + i)
    for (let i = 0; i < files; i++) {
      node(out, 1, firstFile + i)
      out.u64n(1000)
      out.u32(1)
      out.u64n(i + 1)
      yield
    }
    out.u8(0)
  }
  const names: Section['2'] = function* (out) {
    out.u64(FIRST_EDGE_ID - BigInt(edges))
    // Newest first.
    for (let i = folders - 1; i >= 0; i--) edge(out, 1, 2 + i, i, `d${String(i).padStart(7, '0')}`)
    for (let folder = 0; folder < folders; folder++) {
      for (let i = Math.min(files, (folder + 1) * perFolder) - 1; i >= folder * perFolder; i--) {
        edge(out, 2 + folder, firstFile + i, folders + i, `f${String(i).padStart(15, '0')}`)
        yield
      }
    }
    out.zeros(18)
  }
  const chunks: Section['2'] = function* (out) {
    out.u64n(files + 1)
    for (let i = 1; i <= files; i++) {
      out.u64n(i)
      out.u32(1)
      out.u32(0)
      out.u8(0)
      yield
    }
    out.zeros(17)
  }
  const sessions: Section['2'] = function* (out) {
    out.u32(1)
    out.u16(16)
    out.zeros(189)
    yield
  }
  const classes: Section['2'] = function* (out) {
    out.u8(4)
    out.zeros(10)
    yield
  }
  return [
    ['SESS 1.5', 195, sessions],
    ['SCLA 1.6', 11, classes],
    ['NODE 1.4', 9 + 32 * (1 + folders) + 52 * files, nodes],
    ['EDGE 1.1', 26 + 26 * folders + 34 * files, names],
    ...[empty('FREE 1.0', 4), empty('QUOT 1.1', 4), empty('XATR 1.0', 9), empty('PACL 1.1', 17)],
    ...[empty('OPEN 1.0', 8), empty('FLCK 1.0', 17), empty('PLCK 1.0', 37), empty('CSDB 1.3', 4)],
    ['CHNK 1.1', 8 + 17 * (files + 1), chunks],
  ]
}

/** Writes the file. Folders are dNNNNNNN in the root, files fNNNNNNNNNNNNNNN, both counted from 0. */
export async function writeTree(path: string, files: number, perFolder = PER_FOLDER): Promise<void> {
  const file = await open(path, 'w')
  try {
    const out = new CheckpointOutput()
    const write = async () => {
      for (const piece of out.takeFull()) await file.write(piece)
    }
    out.text('MFSM 2.0')
    out.u64n(1000)
    out.u64(0x1234567812345678n)
    for (const [header, bytes, records] of sections(files, perFolder)) {
      out.text(header)
      out.u64n(bytes)
      let written = 0
      for (const _ of records(out)) if (++written % 10_000 === 0) await write()
    }
    out.text('[MFS EOF MARKER]')
    for (const piece of out.takeAll()) await file.write(piece)
  } finally {
    await file.close()
  }
}
