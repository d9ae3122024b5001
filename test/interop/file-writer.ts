// Writes files into a folder until it is killed: file-writer.ts FOLDER WORKERS. Says `NAME SEED BYTES` of each file that
// fsync or close has acknowledged, and of a log, which is appended to, after each record. The contents of a file follow
// from its seed.
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { contentsOf } from './contents.ts'

const [folder = '', workers = '1'] = process.argv.slice(2)

async function write(name: string, seed: number): Promise<void> {
  const bytes = contentsOf(seed, 1 + ((seed * 7919) % 150_000))
  let file: FileHandle | undefined
  try {
    file = await open(join(folder, name), 'wx')
    const half = bytes.length >> 1
    await file.write(bytes, 0, half, 0)
    await file.write(bytes, half, bytes.length - half, half)
    // Every other file is acknowledged by close alone.
    if (seed % 2 === 0) await file.sync()
    const acknowledged = `${name} ${seed} ${bytes.length}\n`
    if (seed % 2 === 0) process.stdout.write(acknowledged)
    await file.close()
    file = undefined
    if (seed % 2 === 1) process.stdout.write(acknowledged)
  } finally {
    await file?.close().catch(() => undefined)
  }
}

async function work(worker: number): Promise<void> {
  for (let i = 0; ; i++) await write(`w${worker}-${i}`, worker * 100_000 + i)
}

const LOG_BYTES = 8 << 20
const RECORD_BYTES_MAX = 600

/** Appends to one file; each record is acknowledged by fsync. */
async function log(worker: number): Promise<void> {
  const name = `log${worker}`
  const bytes = contentsOf(worker, LOG_BYTES)
  const file = await open(join(folder, name), 'wx')
  for (let end = 0, i = 1; ; i++) {
    const size = 1 + ((i * 7919) % RECORD_BYTES_MAX)
    await file.write(bytes, end, size, end)
    await file.sync()
    end += size
    process.stdout.write(`${name} ${worker} ${end}\n`)
  }
}

await Promise.all([...Array.from({ length: Number(workers) }, (_, worker) => work(worker)), log(0)])
