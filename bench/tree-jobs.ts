// How long work on a large tree keeps a master's loop: processor time of the turns while it goes on. (The
// clock would measure what else runs on the machine.)
//   node bench/tree-jobs.ts [INODES]
// 1000 files a folder, and one folder that holds a tenth of all.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MasterSession } from '../src/client/master-session.ts'
import { masterConfigFile } from '../src/config/mfsmaster.ts'
import { defaultConfig } from '../src/config/parse.ts'
import { realEnv } from '../src/env/real.ts'
import { parseExports } from '../src/master/clients/exports.ts'
import { Master } from '../src/master/master.ts'
import { masterOptions } from '../src/master/options.ts'
import { apply } from '../src/metadata/apply.ts'
import type { State } from '../src/metadata/state.ts'
import { NodeType } from '../src/metadata/types.ts'
import * as cltoma from '../src/protocol/cltoma.ts'
import * as matocl from '../src/protocol/matocl.ts'

const inodes = Number(process.argv[2] ?? 1_000_000)
const PORT = 19_421
const HOST = '127.0.0.1'
const caller = { uid: 0, gids: [0] }

const folder = mkdtempSync(join(tmpdir(), 'elkfs-tree-jobs-'))
writeFileSync(join(folder, 'metadata.mfs'), 'MFSM NEW')
const say = (text: string) => console.log(text)
const env = realEnv({ debug: () => {}, info: say, notice: () => {}, warning: say, error: say })
const exports = parseExports('* / rw,alldirs,admin,maproot=0:0', 'exports', {
  uid: () => undefined,
  gid: () => undefined,
})
const config = { ...defaultConfig(masterConfigFile), DATA_PATH: folder }
const ports = { clientsPort: PORT, metaloggersPort: PORT + 1, chunkserversPort: PORT + 2 }
const hosts = { clientsHost: HOST, metaloggersHost: HOST, chunkserversHost: HOST }
const master = await Master.start(env, { ...masterOptions(config, exports), ...ports, ...hosts }, error => {
  throw error
})

/** Without the log, which is not what is measured. @returns the inode of the tree */
function grow(state: State): number {
  const make = (parent: number, name: string, type: NodeType) => {
    const inode = state.nodes.nextInode()
    const owner = { uid: 0, gid: 0, mode: 0o755, cumask: 0, rdev: 0 }
    apply(state, { op: 'CREATE', ts: 1_700_000_000, parent, name, type, ...owner, inode })
    return inode
  }
  const tree = make(1, 'tree', NodeType.DIRECTORY)
  const wide = make(tree, 'wide', NodeType.DIRECTORY)
  for (let i = 0; i < inodes / 10; i++) make(wide, `file${i}`, NodeType.FILE)
  for (let at = wide, i = 0; i < inodes * 0.9; i++) {
    if (i % 1000 === 0) at = make(tree, `folder${i}`, NodeType.DIRECTORY)
    make(at, `file${i}`, NodeType.FILE)
  }
  return tree
}

const tree = grow(master.ledger.state)
const options = {
  ...{ hosts: [HOST], port: PORT, bindHost: undefined, info: '/bench', folder: '/', meta: false },
  ...{ passwordDigest: undefined, rememberPassword: false, patient: false, giveUpMs: 600_000 },
}
const deaf = {
  chunkHasChanged() {},
  lengthHasChanged() {},
  serversHaveChanged() {},
  renewed() {},
  folderRecalled() {},
  disconnected() {},
}
const client = await MasterSession.connect(env, options, deaf)

/** Runs after each turn of the loop. @returns what ends it, and tells the processor time of every turn in ms, sorted */
function watchTurns(): () => number[] {
  const turns: number[] = []
  const cpuMs = () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let before = cpuMs()
  let goesOn = true
  const look = () => {
    const now = cpuMs()
    turns.push(now - before)
    before = now
    if (goesOn) setTimeout(look, 0)
  }
  look()
  return () => {
    goesOn = false
    return turns.sort((x, y) => x - y)
  }
}

async function measured(title: string, ask: () => Promise<unknown>): Promise<void> {
  const startedMs = performance.now()
  const end = watchTurns()
  await ask()
  const turns = end()
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const cpu = (turns.reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(1)
  const at = (part: number) => turns[Math.min(turns.length - 1, Math.floor(part * turns.length))]?.toFixed(1)
  say(`${title}: ${seconds} s, processor ${cpu} s; ms of it a turn: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`)
}

const snapshot = { inode: tree, parent: 1, name: 'copy', caller, mode: 0, umask: 0 }
try {
  await measured('settrashtime -r', () =>
    client.ask(cltoma.fuseSettrashtime, { inode: tree, uid: 0, seconds: 7200, mode: 4 }, matocl.fuseSettrashtime),
  )
  await measured('gettrashtime -r', () =>
    client.ask(cltoma.fuseGettrashtime, { inode: tree, recursive: 1 }, matocl.fuseGettrashtime),
  )
  await measured('setgoal -r', () =>
    client.ask(cltoma.fuseSetsclass, { inode: tree, uid: 0, mode: 4, goal: 3 }, matocl.fuseSetsclass),
  )
  await measured('makesnapshot', () => client.ask(cltoma.fuseSnapshot, snapshot, matocl.fuseSnapshot))
  await measured('rmsnapshot', () =>
    client.ask(cltoma.fuseSnapshot, { ...snapshot, inode: 0, mode: 0x80 }, matocl.fuseSnapshot),
  )
} finally {
  rmSync(folder, { recursive: true })
  process.exit()
}
