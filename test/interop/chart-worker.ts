// A scripted master and clients that give two chunkservers work of every kind, then ask what they counted, and for
// pictures of it: chart-worker.ts MASTER_IP SERVER_IP SERVER_IP PICTURES. With `-` for the master it only asks. Prints JSON.
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as charts from '../../src/protocol/charts.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import { VERSION } from '../../src/protocol/constants.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import * as cstoma from '../../src/protocol/cstoma.ts'
import { FrameReader } from '../../src/protocol/frame.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import { crc32 } from '../../src/util/crc32.ts'
import { parseIpv4 } from '../../src/util/ipv4.ts'

const MASTER_PORT = 9420
const SERVER_PORT = 9422
const META_ID = 0x1122334455667788n
const SERIES = 34
/** More than the whole work takes on the busiest machine. */
const MINUTES = 30
const UNKNOWN = 0xffffffffffffffffn
const BLOCK = 65536

/** Block, offset in it and size of a write. */
type Place = [number, number, number]

interface Packet {
  type: number
  payload: Buffer
}

/** One end of a connection. */
class Talk {
  readonly #socket: Socket
  readonly #packets: Packet[] = []
  #wake = () => {}

  constructor(socket: Socket, onPacket: (packet: Packet) => void = packet => this.arrived(packet)) {
    this.#socket = socket
    const frames = new FrameReader(1_000_000, (type, payload) => onPacket({ type, payload }))
    socket.on('data', bytes => frames.push(bytes as Buffer)).on('error', () => {})
  }

  arrived(packet: Packet): void {
    this.#packets.push(packet)
    this.#wake()
  }

  send(...packets: Buffer[]): void {
    for (const packet of packets) this.#socket.write(packet)
  }

  /** The next packet of this type; others before it are dropped. */
  async next(type: number): Promise<Buffer> {
    for (;;) {
      const packet = this.#packets.shift()
      if (packet?.type === type) return packet.payload
      if (packet) continue
      await Promise.race([
        new Promise<void>(resolve => {
          this.#wake = resolve
        }),
        sleep(10_000, undefined, { ref: false }).then(() => {
          throw new Error(`no message ${type}`)
        }),
      ])
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

class Server {
  readonly address: string
  /** Resolves when it has registered. */
  readonly registered: Promise<Talk>
  #isRegistered: (talk: Talk) => void = () => {}

  constructor(address: string) {
    this.address = address
    this.registered = new Promise(resolve => {
      this.#isRegistered = resolve
    })
  }

  welcome(socket: Socket): void {
    const talk: Talk = new Talk(socket, packet => {
      if (packet.type === cltocs.getConfig.code) {
        const { msgid } = cltocs.getConfig.decode(packet.payload)
        talk.send(cstocl.configValue.encode({ msgid, value: '' }))
      } else if (packet.type === cstoma.register.code) this.#register(talk, packet.payload)
      else if (packet.type > 2) talk.arrived(packet)
    })
    setInterval(() => talk.send(cltocs.nop.encode({})), 2000).unref()
  }

  #register(talk: Talk, payload: Buffer): void {
    const { BEGIN, CHUNKS, END } = cstoma.RegisterForm
    const { form } = cstoma.register.decode(payload)
    const serverId = Number(this.address.split('.').at(-1))
    const welcome = { kind: 'welcome', version: VERSION, timeout: 10, serverId, metaId: META_ID } as const
    if (form === BEGIN) talk.send(matocs.masterAck.encode(welcome))
    if (form === CHUNKS) talk.send(matocs.masterGoOn.encode({ kind: 0 }))
    if (form === END) this.#isRegistered(talk)
  }

  /** A command of the master. @returns its answer */
  async command(packet: Buffer): Promise<Buffer> {
    const talk = await this.registered
    talk.send(packet)
    return talk.next(packet.readUInt32BE(0) + 1)
  }

  get ip(): number {
    return parseIpv4(this.address) ?? 0
  }

  async #with<T>(action: (client: Talk) => Promise<T>): Promise<T> {
    const client = new Talk(connect(SERVER_PORT, this.address))
    try {
      return await action(client)
    } finally {
      client.close()
    }
  }

  ask(packet: Buffer): Promise<Buffer> {
    return this.#with(client => {
      client.send(packet)
      return client.next(packet.readUInt32BE(0) + 1)
    })
  }

  create(chunkId: number): Promise<Buffer> {
    return this.command(matocs.create.encode({ chunkId, version: 1 }))
  }

  /** One session of writes, each in one block. */
  write(chunkId: number, places: readonly Place[], chain: readonly Server[] = []): Promise<void> {
    const servers = chain.map(({ ip }) => ({ ip, port: SERVER_PORT }))
    return this.#with(async client => {
      client.send(cltocs.write.encode({ protocol: 1, chunkId, version: 1, chain: servers }))
      const { status } = cstocl.writeStatus.decode(await client.next(cstocl.writeStatus.code))
      if (status !== 0) return
      for (const [i, [blockIndex, offset, size]] of places.entries()) {
        const data = Buffer.alloc(size, i + 65)
        const head = { chunkId, writeId: i + 1, blockIndex, offset, crc: crc32(data) }
        client.send(cltocs.writeData.encodeHead(head, size), data)
        await client.next(cstocl.writeStatus.code)
      }
      client.send(cltocs.writeFinish.encode({ chunkId, version: 1 }))
      // An answer to what stands behind the end says that it has come.
      client.send(cltocs.getChunkBlocks.encode({ chunkId, version: 1 }))
      await client.next(cstocl.chunkBlocks.code)
    })
  }

  read(chunkId: number, offset: number, size: number): Promise<void> {
    return this.#with(async client => {
      client.send(cltocs.read.encode({ protocol: 1, chunkId, version: 1, offset, size }))
      await client.next(cstocl.readStatus.code)
    })
  }

  /** What it counted in the last minutes. */
  counted(): Promise<number[]> {
    return this.#with(async client => {
      const values: number[] = []
      for (let type = 0; type < SERIES; type++) {
        client.send(charts.chartData.encode({ chartId: type * 10, maxEntries: MINUTES }))
        const { series } = charts.chartValues.decode(await client.next(charts.chartValues.code))
        const known = series?.values.filter(value => value !== UNKNOWN).map(Number) ?? []
        values.push(known.reduce((sum, value) => sum + value, 0))
      }
      return values
    })
  }

  /** Pictures of charts, as far as their head: whether it is one, width, height. */
  pictures(questions: readonly number[][]): Promise<(number | boolean)[][]> {
    return this.#with(async client => {
      const heads: (number | boolean)[][] = []
      for (const [chartId = 0, width, height = 0] of questions) {
        client.send(charts.chart.encode(width === undefined ? { chartId } : { chartId, size: { width, height } }))
        const { image } = charts.chartImage.decode(await client.next(charts.chartImage.code))
        heads.push(
          image.length === 0
            ? [false]
            : [image.toString('latin1', 1, 4) === 'PNG', image.readUInt32BE(16), image.readUInt32BE(20)],
        )
      }
      return heads
    })
  }
}

const blocks = (count: number): Place[] => Array.from({ length: count }, (_, block) => [block, 0, BLOCK])

async function work(source: Server, target: Server): Promise<void> {
  const version = 1
  for (const id of [1, 2, 3, 4]) await source.create(id)
  await target.create(3)
  await source.write(1, blocks(3))
  await source.write(1, [
    [0, 0, BLOCK],
    [0, 500, 1000],
    [0, 700, 1000],
    [1, 0, 4096],
  ])
  await source.write(2, [[0, 500, 1000]])
  await source.write(2, [])
  await source.write(3, blocks(3), [target])
  await source.write(77, blocks(1))
  for (const [offset, size] of [
    [0, BLOCK],
    [500, 1000],
    [1000, 2 * BLOCK],
  ] as const)
    await source.read(1, offset, size)
  await source.read(4, 0, BLOCK)
  await source.read(77, 0, BLOCK)
  for (const question of [cltocs.getChunkBlocks, cltocs.getChunkChecksum, cltocs.getChunkChecksumTab]) {
    await source.ask(question.encode({ chunkId: 1, version }))
  }
  await source.command(matocs.duplicate.encode({ chunkId: 5, version, sourceChunkId: 1, sourceVersion: 1 }))
  await source.command(
    matocs.duptrunc.encode({ chunkId: 6, version, sourceChunkId: 1, sourceVersion: 1, length: 100_000 }),
  )
  const change = { version: 2, previousVersion: 1 }
  await source.command(matocs.setVersion.encode({ chunkId: 2, ...change }))
  await source.command(matocs.truncate.encode({ chunkId: 3, length: 100_000, ...change }))
  await source.command(matocs.truncate.encode({ chunkId: 4, length: 300_000, ...change }))
  const test = { newVersion: 0, copyChunkId: 0, copyVersion: 0, length: 2 }
  await source.command(matocs.chunkOp.encode({ chunkId: 1, version, ...test }))
  await source.command(matocs.remove.encode({ chunkId: 5, version: 0 }))
  await source.command(matocs.remove.encode({ chunkId: 77, version: 0 }))
  for (const chunkId of [1, 77]) {
    await target.command(matocs.replicate.encode({ chunkId, version, ip: source.ip, port: SERVER_PORT }))
  }
}

const untilNextMinute = () => sleep(60_000 - (Date.now() % 60_000) + 1500)

const [masterIp = '', sourceIp = '', targetIp = '', questions = '[]'] = process.argv.slice(2)
const servers = [new Server(sourceIp), new Server(targetIp)] as const
const [source, target] = servers
if (masterIp !== '-') {
  createServer(socket => servers.find(({ address }) => address === socket.remoteAddress)?.welcome(socket)).listen(
    MASTER_PORT,
    masterIp,
  )
  await Promise.all(servers.map(({ registered }) => registered))
  // Their disks are looked through.
  await sleep(2000)
  await work(source, target)
  await untilNextMinute()
}
const counted = await Promise.all(servers.map(server => server.counted()))
console.log(JSON.stringify({ counted, pictures: await source.pictures(JSON.parse(questions)) }))
process.exit(0)
