// The door of the command line tools (spec client-master 7.8, tools-and-admin B.1): they connect here, on this
// machine, and their messages go to the master as messages of the mount's session.
import type { Clock, Timer } from '../env/env.ts'
import type { Connection, Listener, Net } from '../env/net.ts'
import { REGISTER_BLOB_ACL, RegisterCode } from '../protocol/cltoma.ts'
import { FrameReader } from '../protocol/frame.ts'

const REGISTER = 400
const REGISTER_ANSWER = 401
const REGISTER_BYTES = 73
const BLOB_BYTES = 64
const SNAPSHOT = 468
const PAYLOAD_BYTES_MAX = 50_000
const MSGID_BYTES = 4
const SILENCE_MS = 20_000

/** Sends a message of a tool with a msgid of the session and gives back the answer, both without their msgid. */
export type Forward = (type: number, body: Buffer) => Promise<{ type: number; body: Buffer }>

export class ToolsProxy {
  readonly #listener: Listener
  readonly #connections: Set<Connection>

  private constructor(listener: Listener, connections: Set<Connection>) {
    this.#listener = listener
    this.#connections = connections
  }

  /** @param snapshotMade called when a tool has made a snapshot: names may exist that were missing */
  static async listen(
    net: Net,
    clock: Clock,
    host: string,
    forward: Forward,
    snapshotMade: () => void,
  ): Promise<ToolsProxy> {
    const connections = new Set<Connection>()
    const listener = await net.listen(host, 0, connection => {
      connections.add(connection)
      serve(connection, clock, forward, snapshotMade, () => connections.delete(connection))
    })
    return new ToolsProxy(listener, connections)
  }

  get port(): number {
    return this.#listener.port
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    await this.#listener.close()
  }
}

function serve(
  connection: Connection,
  clock: Clock,
  forward: Forward,
  snapshotMade: () => void,
  over: () => void,
): void {
  let silence: Timer | undefined
  const listenOn = () => {
    silence?.cancel()
    silence = clock.after(SILENCE_MS, () => connection.destroy())
  }
  // A tool asks one thing after the other: what it sends meanwhile waits for the answer.
  let turn = Promise.resolve()
  const frames = new FrameReader(PAYLOAD_BYTES_MAX, (type, payload) => {
    turn = turn.then(() => answer(connection, type, payload, forward, snapshotMade))
  })
  connection.handle({
    data(bytes) {
      listenOn()
      try {
        frames.push(bytes)
      } catch (error) {
        connection.destroy(error as Error)
      }
    },
    closed() {
      silence?.cancel()
      over()
    },
  })
  listenOn()
}

async function answer(
  connection: Connection,
  type: number,
  payload: Buffer,
  forward: Forward,
  snapshotMade: () => void,
): Promise<void> {
  if (type === REGISTER) {
    const known =
      payload.length === REGISTER_BYTES &&
      payload.toString('latin1', 0, BLOB_BYTES) === REGISTER_BLOB_ACL &&
      payload[BLOB_BYTES] === RegisterCode.TOOLS
    if (known) connection.write(frame(REGISTER_ANSWER, Buffer.alloc(1)))
    else connection.destroy()
    return
  }
  if (payload.length < MSGID_BYTES) {
    connection.destroy()
    return
  }
  try {
    const reply = await forward(type, payload.subarray(MSGID_BYTES))
    if (type === SNAPSHOT) snapshotMade()
    connection.write(frame(reply.type, Buffer.concat([payload.subarray(0, MSGID_BYTES), reply.body])))
  } catch (error) {
    // No answer can be had: the tool connects again and repeats.
    connection.destroy(error as Error)
  }
}

function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(type, 0)
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}
