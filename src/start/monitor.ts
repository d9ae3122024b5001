// Asks the master how the cluster is (spec tools-and-admin A.5).
import { realClock } from '../env/real.ts'
import { realNet } from '../env/real-net.ts'
import * as cltoma from '../protocol/cltoma.ts'
import type { Body, Message } from '../protocol/codec.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { FrameReader } from '../protocol/frame.ts'
import * as matocl from '../protocol/matocl.ts'

const TIMEOUT_MS = 2000
const ANSWER_BYTES_MAX = 1 << 20
const MATRIX_SIDE = 11

export interface Health {
  serversConnected: number
  folders: number
  files: number
  chunks: number
  /** Chunks with fewer good copies than wanted, but some. */
  undergoal: number
  /** Chunks without a good copy. */
  missing: number
  /** Bytes that a server has left; on one machine they all have the same disk. */
  availableBytes: number
}

/** Undefined when the master does not answer. */
export async function askHealth(host: string, port: number): Promise<Health | undefined> {
  try {
    const [info, servers, matrix] = await askAll(host, port, [
      [cltoma.info.encode({}), matocl.info],
      [cltoma.cservList.encode({}), matocl.cservList],
      [cltoma.chunksMatrix.encode({ kind: 0 }), matocl.chunksMatrix],
    ])
    const { folders, files, chunks } = info as Body<typeof matocl.info>
    const connected = (servers as Body<typeof matocl.cservList>).servers.filter(
      ({ flags }) => (flags & matocl.ServerFlag.DISCONNECTED) === 0,
    )
    return {
      serversConnected: connected.length,
      folders,
      files,
      chunks,
      ...shortages((matrix as Body<typeof matocl.chunksMatrix>).body),
      availableBytes: Math.max(0, ...connected.map(({ total, used }) => total - used)),
    }
  } catch {
    return undefined
  }
}

function shortages(matrix: Buffer): { undergoal: number; missing: number } {
  let [undergoal, missing] = [0, 0]
  for (let wanted = 1; wanted < MATRIX_SIDE; wanted++) {
    for (let good = 0; good < wanted; good++) {
      const chunks = matrix.readUInt32BE((wanted * MATRIX_SIDE + good) * 4)
      if (good === 0) missing += chunks
      else undergoal += chunks
    }
  }
  return { undergoal, missing }
}

/** One connection for some questions, answered in their order. */
async function askAll(host: string, port: number, questions: [Buffer, Message<unknown>][]): Promise<unknown[]> {
  const connection = await realNet.connect(host, port, { timeoutMs: TIMEOUT_MS })
  const answers: unknown[] = []
  return new Promise((resolve, reject) => {
    const timer = realClock.after(TIMEOUT_MS, () => connection.destroy(new Error('no answer')))
    const frames = new FrameReader(ANSWER_BYTES_MAX, (type, payload) => {
      const expected = questions[answers.length]?.[1]
      if (type !== expected?.code) throw new ProtocolError(`answer ${type}`)
      answers.push(expected.decode(payload))
      if (answers.length === questions.length) connection.end()
    })
    connection.handle({
      data: bytes => {
        try {
          frames.push(bytes)
        } catch (error) {
          connection.destroy(error as Error)
        }
      },
      closed: error => {
        timer.cancel()
        if (answers.length === questions.length) resolve(answers)
        else reject(error ?? new Error('connection closed'))
      },
    })
    for (const [packet] of questions) connection.write(packet)
  })
}
