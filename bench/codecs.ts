// How many small messages a second are encoded and decoded: `node bench/codecs.ts`.
import * as abi from '../src/mount/fuse/abi.ts'
import * as cltocs from '../src/protocol/cltocs.ts'
import * as cltoma from '../src/protocol/cltoma.ts'
import type { Message } from '../src/protocol/codec.ts'
import * as cstocl from '../src/protocol/cstocl.ts'
import * as matocl from '../src/protocol/matocl.ts'
import { markdown } from './report.ts'

const ROUNDS = 5
const ROUND_MS = 200

/** Calls a second: the best of some rounds, so that what else the machine does counts little. */
function rate(action: () => void): number {
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now()
    let count = 0
    let now = started
    for (; now - started < ROUND_MS; now = performance.now()) {
      for (let i = 0; i < 1000; i++) action()
      count += 1000
    }
    best = Math.max(best, (count * 1000) / (now - started))
  }
  return best
}

const attributes = {
  ...{ flags: 0, type: 1, mode: 0o644, uid: 1000, gid: 1000, atime: 1795333779, mtime: 1795333779, ctime: 1795333779 },
  ...{ nlink: 1, length: 123_456, winattr: 0 },
}
const caller = { uid: 1000, gids: [1000, 4, 24] }
const copy = { ip: 0x0a580001, port: 9422, serverVersion: 0x030d75, labels: 0 }

// biome-ignore lint/suspicious/noExplicitAny: messages of every type in one list
const samples: [Message<any>, unknown][] = [
  [cltoma.fuseLookup, { msgid: 7, parent: 1, name: 'file-000123.txt', caller }],
  [matocl.fuseLookup, { msgid: 7, inode: 99, attributes, rights: { flags: 0 } }],
  [cltoma.fuseGetattr, { msgid: 7, inode: 99, opened: 0, uid: 1000, gid: 1000 }],
  [matocl.fuseGetattr, { msgid: 7, attributes }],
  [cltoma.fuseCreate, { msgid: 7, parent: 1, name: 'file-000123.txt', mode: 0o644, umask: 0o22, caller }],
  [
    matocl.fuseReadChunk,
    { msgid: 7, protocolId: 1, length: 123_456, chunkId: 77, version: 1, copies: [copy, { ...copy, ip: copy.ip + 1 }] },
  ],
  [cltocs.read, { protocol: cltocs.PROTOCOL, chunkId: 77, version: 1, offset: 65536, size: 4096 }],
  [cstocl.writeStatus, { chunkId: 77, writeId: 12, status: 0 }],
]

const million = (perSecond: number) => (perSecond / 1e6).toFixed(2)

const rows = samples.map(([message, body]) => {
  const payload = message.encode(body).subarray(8)
  return [
    message.name,
    String(payload.length + 8),
    million(rate(() => void message.encode(body))),
    million(rate(() => void message.decode(payload))),
  ]
})
const entry = Buffer.alloc(abi.entryOut.bytes)
const read = Buffer.alloc(abi.readIn.bytes)
rows.push(['FUSE read_in', String(read.length), '-', million(rate(() => void abi.readIn.read(read, 0)))])
rows.push(['FUSE entry_out', String(entry.length), million(rate(() => abi.entryOut.write(entry, 0, {}))), '-'])
console.log(markdown([['message', 'bytes', 'encoded, million/s', 'decoded, million/s'], ...rows]))
