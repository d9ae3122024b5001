// A chunk store on a machine with simulated disks, and what it tells the master.
import { ChunkStore, type StoreReports } from '../../src/chunkserver/disks/chunk-store.ts'
import { parseFolderList } from '../../src/chunkserver/disks/folder-list.ts'
import type { BlockPiece } from '../../src/chunkserver/disks/open-chunk.ts'
import { noCounts } from '../../src/chunkserver/statistics.ts'
import { MFSBLOCKSIZE } from '../../src/protocol/constants.ts'
import { crc32 } from '../../src/util/crc32.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

const options = {
  leaveBytes: 0,
  subfolderChunks: 10000,
  errorsTolerated: 2,
  errorPeriodSeconds: 600,
  hangSeconds: 30,
  sparsify: true,
  sync: false,
  keepDuplicatesHours: 1,
}

export class StoreMachine {
  readonly scheduler: Scheduler
  readonly host: SimHost
  readonly heard: string[] = []

  constructor(seed: number) {
    this.scheduler = new Scheduler(seed)
    this.host = new SimHost(this.scheduler, new SimNetwork(this.scheduler), '10.0.0.1')
  }

  /** Runs virtual time until the promise is there. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let over = false
    const settled = promise.finally(() => {
      over = true
    })
    settled.catch(() => undefined)
    await this.scheduler.until(() => over, 60_000, 'an operation on the disk')
    return settled
  }

  /** With a master that counts on all that is there. */
  async start(text?: string, extra?: Partial<typeof options>): Promise<ChunkStore> {
    const store = await this.startAlone(text, extra)
    store.vouch(store.unsureChunks())
    return store
  }

  async startAlone(text = '/d1/\n', extra: Partial<typeof options> = {}): Promise<ChunkStore> {
    const { heard } = this
    const reports: StoreReports = {
      damaged: chunkId => void heard.push(`damaged ${chunkId}`),
      lost: chunkIds => void (chunkIds.length > 0 && heard.push(`lost ${chunkIds.join(' ')}`)),
      unsure: chunkIds => void (chunkIds.length > 0 && heard.push(`unsure ${chunkIds.join(' ')}`)),
      appeared: chunks => void (chunks.length > 0 && heard.push(`new ${chunks.map(c => `${c.chunkId}v${c.version}`)}`)),
      ioError: () => void heard.push('error'),
      spaceChanged: () => {},
    }
    const store = new ChunkStore(this.host.env('cs'), { ...options, ...extra }, reports, noCounts())
    for (const line of parseFolderList(text)) {
      await this.host.disk.makeFolder(line.path.slice(0, -1))
      const { scanned } = await this.run(store.addFolder(line, undefined))
      await this.run(scanned)
    }
    return store
  }
}

export function piece(blockIndex: number, offset: number, data: Buffer): BlockPiece {
  return { blockIndex, offset, size: data.length, crc: crc32(data), parts: [data] }
}

export async function write(
  machine: StoreMachine,
  store: ChunkStore,
  id: number,
  version: number,
  pieces: BlockPiece[],
) {
  const open = await machine.run(store.open(id, version))
  const result = await machine.run(store.write(open, version, pieces))
  store.done(open)
  return result
}

export async function contents(machine: StoreMachine, store: ChunkStore, id: number, version: number): Promise<Buffer> {
  const open = await machine.run(store.open(id, version))
  const target = Buffer.alloc(open.blockCount * MFSBLOCKSIZE)
  try {
    await machine.run(store.read(open, version, 0, target))
  } finally {
    store.done(open)
  }
  return target
}
