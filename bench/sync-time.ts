// How long the disk takes to keep a line of a log: what ours waits for in every change, and the original never.
import { closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const TIMES = 200
const LINE_BYTES = 100
const FILE_BYTES = 1 << 20
/** As changes of one program come, not one right behind the other: a disk that has rested is slower. */
const REST_MS = 1

/** @returns milliseconds, the median, for the folder of temporary files */
export async function syncMilliseconds(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-bench-'))
  let file: number | undefined
  try {
    file = openSync(join(folder, 'line'), 'w')
    writeSync(file, Buffer.alloc(FILE_BYTES))
    fsyncSync(file)
    const took: number[] = []
    for (let i = 0; i < TIMES; i++) {
      await sleep(REST_MS)
      const from = performance.now()
      writeSync(file, Buffer.alloc(LINE_BYTES), 0, LINE_BYTES, i * LINE_BYTES)
      fdatasyncSync(file)
      took.push(performance.now() - from)
    }
    return took.sort((a, b) => a - b)[TIMES / 2] as number
  } finally {
    if (file !== undefined) closeSync(file)
    rmSync(folder, { recursive: true, force: true })
  }
}
