// A real cluster becomes ours, one daemon at a time, under a mounted client that never notices.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { dropCaches } from './tree.ts'

const skip = whyNot() ?? false

/** Writes, appends, overwrites and reads files until it is told to stop; one line a round, and one for each error. */
const LOAD = `
cd "$1" || exit 1
i=0
while [ ! -e "$2/stop" ]; do
  i=$((i+1)); f=file$((i % 40)); s="$2/source$((i % 7))"
  cp "$s" "$f" || echo "cp $f failed" >> "$2/errors"
  cmp "$s" "$f" || echo "$f differs from what was written" >> "$2/errors"
  cat "$s" >> "log" && echo "$((i % 7))" >> "$2/appended" || echo "append failed" >> "$2/errors"
  mv "$f" "moved$((i % 40))" || echo "mv failed" >> "$2/errors"
  echo "$i" >> "$2/rounds"
done`

class Load {
  readonly #folder: string
  readonly #shell: ChildProcess
  readonly #ended: Promise<unknown>

  constructor(cluster: Cluster) {
    this.#folder = cluster.folder
    for (let i = 0; i < 7; i++) {
      writeFileSync(join(this.#folder, `source${i}`), Buffer.alloc(20_000 + i * 33_333, `contents ${i} `))
    }
    this.#shell = spawn('sh', ['-c', LOAD, 'load', cluster.mountPoint, this.#folder], { stdio: 'ignore' })
    this.#ended = new Promise(resolve => this.#shell.once('exit', resolve))
  }

  #lines(name: string): string[] {
    const path = join(this.#folder, name)
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
  }

  get errors(): string[] {
    return this.#lines('errors')
  }

  /** The load makes some more rounds. */
  async goesOn(): Promise<void> {
    const rounds = this.#lines('rounds').length
    for (let second = 0; this.#lines('rounds').length < rounds + 5; second++) {
      assert.ok(second < 240, 'the load stands still')
      await sleep(1000)
    }
  }

  kill(): void {
    this.#shell.kill('SIGKILL')
  }

  async stop(): Promise<void> {
    writeFileSync(join(this.#folder, 'stop'), '')
    await this.#ended
  }

  /** What the log must hold. */
  get log(): Buffer {
    return Buffer.concat(this.#lines('appended').map(i => readFileSync(join(this.#folder, `source${i}`))))
  }
}

test('a real cluster is replaced by ours, one daemon at a time, and the client sees no error', { skip }, async () => {
  installPackages()
  const cluster = new Cluster()
  let load: Load | undefined
  try {
    cluster.startRealMaster()
    for (const host of [2, 3, 4]) cluster.startRealChunkserver(host)
    await sleep(3000)
    cluster.mountReal()
    load = new Load(cluster)
    await load.goesOn()
    cluster.stopRealMaster()
    await cluster.startOurMaster()
    await load.goesOn()
    for (const host of [2, 3, 4]) {
      await everyChunkTwice(cluster)
      cluster.stopRealChunkserver(host)
      await load.goesOn()
      await cluster.startOurChunkserver(host)
      await load.goesOn()
    }
    await load.stop()
    assert.deepEqual(load.errors, [])
    dropCaches()
    assert.ok(readFileSync(join(cluster.mountPoint, 'log')).equals(load.log), 'the log holds what was appended')
    await everyChunkTwice(cluster)
  } finally {
    load?.kill()
    await cluster.close()
  }
})

/** Chunks whose newest version lies on one server only: that one must not be stopped. */
function singleChunks(folder: string): string[] {
  const copies = new Map<string, string[]>()
  for (const host of [2, 3, 4]) {
    const names = readdirSync(join(folder, `disk${host}`), { recursive: true, encoding: 'utf8' })
    for (const [, id = '', version = ''] of names.map(name => /chunk_([0-9A-F]{16})_([0-9A-F]{8})/.exec(name) ?? [])) {
      if (id) copies.set(id, [...(copies.get(id) ?? []), version])
    }
  }
  const isSingle = (versions: string[]) => versions.filter(version => version === versions.toSorted().at(-1)).length < 2
  return [...copies].filter(([, versions]) => isSingle(versions)).map(([id]) => id)
}

/** Waits for a moment without such chunks: while files are written there are always some on their way. */
async function everyChunkTwice({ folder }: Cluster): Promise<void> {
  let single = singleChunks(folder)
  for (let second = 0; second < 240 && single.length > 0; second++) {
    await sleep(1000)
    single = singleChunks(folder)
  }
  assert.deepEqual(single, [])
}
