// A wire between clients and a master with a listener on it: wiretap-process.ts HOST MASTER.
//
// Every packet is told on stdout, one JSON object a line. A line `lose TYPE` on stdin takes the next answer of that type
// off the wire, after the master has sent it, and cuts the connection at both ends: the answer is lost.
import { createServer, Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { FrameReader } from '../../src/protocol/frame.ts'

const [host = '', master = ''] = process.argv.slice(2)
const PORT = 9421
let connections = 0
let toLose: number | undefined

const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)

createInterface({ input: process.stdin }).on('line', line => {
  toLose = Number(line.replace(/^lose /, ''))
  tell({ losing: toLose })
})

function packet(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(type, 0)
  head.writeUInt32BE(payload.length, 4)
  return Buffer.concat([head, payload])
}

createServer(client => {
  const connection = ++connections
  const server = new Socket()
  const cut = () => {
    client.destroy()
    server.destroy()
  }
  const relay = (from: 'client' | 'master', target: Socket) => {
    const frames = new FrameReader(50_000_000, (type, payload) => {
      if (client.destroyed || server.destroyed) return
      const lost = from === 'master' && type === toLose
      if (type !== 0) tell({ atMs: Date.now(), connection, from, type, payload: payload.toString('hex'), lost })
      if (!lost) return target.write(packet(type, payload))
      toLose = undefined
      cut()
    })
    return (bytes: Buffer) => frames.push(bytes)
  }
  client.setNoDelay(true)
  server.setNoDelay(true)
  client.on('data', relay('client', server)).on('error', cut).on('close', cut)
  server.on('data', relay('master', client)).on('error', cut).on('close', cut)
  server.connect(PORT, master)
}).listen(PORT, host, () => tell({ listening: host }))
