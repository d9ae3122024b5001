// One question to a chunkserver, and its answer.
import type { ServerConnection } from './server-pool.ts'

/** @throws Error when no answer comes, or another one */
export function askServer(server: ServerConnection, question: Buffer, answerCode: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    server.use({
      packet: (type, payload) => {
        if (type === answerCode) resolve(payload)
        else reject(new Error(`unexpected message ${type}`))
      },
      failed: reject,
    })
    server.write(question)
  })
}
