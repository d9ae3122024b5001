// What monitors are told of chunks: their classes, and what is missing (spec tools-and-admin A.5.4, A.5.7).
import type { LabelMasks, StorageClass } from '../../../metadata/chunks/storage-classes.ts'
import type { State } from '../../../metadata/state.ts'
import { isFileType } from '../../../metadata/types.ts'
import * as monitors from '../../../protocol/monitors.ts'
import type { ChunkServer } from '../../chunks/chunk-server.ts'
import { matches } from '../../policy/labels.ts'
import { matchServers, UniqueMode } from '../../policy/matching.ts'
import type { ClientServices } from '../context.ts'

const CLASS_IDS = 256

export function classList({ ledger, chunks }: ClientServices): Buffer {
  const { state } = ledger
  const used = usedClasses(state)
  const servers = [...chunks.servers()]
  const classes = state.storageClasses.entries().map(([id, sclass]) => {
    const { under, exact, over } = chunks.tally.ofClass(id)
    const { name, adminOnly, mode, archiveDelayDays } = sclass
    return {
      ...{ id, name, files: used.files[id] ?? 0, folders: used.folders[id] ?? 0 },
      ...{ underStandard: under[0], underArchived: under[1], exactStandard: exact[0], exactArchived: exact[1] },
      ...{ overStandard: over[0], overArchived: over[1], adminOnly: adminOnly ? 1 : 0, mode, archiveDelayDays },
      ...wishesOf(sclass, servers),
    }
  })
  return monitors.classes.encode({ servers: servers.length, classes })
}

/** How many files and folders have each class: a look at every inode, at some 10 ns each. */
function usedClasses({ nodes }: State): { files: Uint32Array; folders: Uint32Array } {
  const [files, folders] = [new Uint32Array(CLASS_IDS), new Uint32Array(CLASS_IDS)]
  for (let inode = 1; inode <= nodes.maxInode; inode++) {
    const counted = nodes.isDirectory(inode) ? folders : isFileType(nodes.type(inode)) ? files : undefined
    if (!counted) continue
    const id = nodes.sclassId.get(inode)
    counted[id] = (counted[id] ?? 0) + 1
  }
  return { files, folders }
}

const wishesOf = ({ create, keep, archive }: StorageClass, servers: readonly ChunkServer[]) => ({
  create: wish(create, servers),
  keep: wish(keep, servers),
  archive: wish(archive, servers),
})

function wish(wanted: readonly LabelMasks[], servers: readonly ChunkServer[]): monitors.Wish {
  const fitting = (masks: LabelMasks) => servers.filter(({ labels }) => matches(labels, masks)).length
  return {
    fulfilment: fulfilment(wanted, servers),
    terms: wanted.map(masks => ({ masks, servers: fitting(masks) })),
  }
}

function fulfilment(wanted: readonly LabelMasks[], servers: readonly ChunkServer[]): monitors.Fulfilment {
  const { YES, OVERLOADED, NO_SPACE, NO } = monitors.Fulfilment
  const suffice = (some: readonly ChunkServer[]) => !matchServers(wanted, [some], UniqueMode.NONE).includes(undefined)
  const roomy = servers.filter(({ isSound, isFull }) => isSound && !isFull)
  if (suffice(roomy.filter(({ isOverloaded }) => !isOverloaded))) return YES
  if (suffice(roomy)) return OVERLOADED
  return suffice(servers) ? NO_SPACE : NO
}

export function fileCheck({ fileCheck }: ClientServices, detail: number | undefined): Buffer {
  return monitors.fstestOf(detail).encode({ ...fileCheck.last, messages: messagesOf(fileCheck.missing) })
}

const MAX_MESSAGES = 1000

function messagesOf(missing: ClientServices['fileCheck']['missing']): string {
  const lines = missing
    .slice(0, MAX_MESSAGES)
    .map(({ chunkId, inode, index }) => `inode ${inode}, index ${index}: nothing is left of chunk ${hex(chunkId)}\n`)
  if (missing.length > MAX_MESSAGES) lines.push(`and ${missing.length - MAX_MESSAGES} more\n`)
  return lines.join('')
}

const hex = (chunkId: number) => chunkId.toString(16).toUpperCase().padStart(16, '0')

export function missingChunks({ fileCheck }: ClientServices, detail = 0): Buffer {
  return monitors.missingChunksOf(detail).encode({ chunks: [...fileCheck.missing] })
}
