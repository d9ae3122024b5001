// Connecting to whichever of several addresses answers, without waiting long for one that is gone.
import type { Env } from '../env/env.ts'
import type { Connection, ConnectOptions } from '../env/net.ts'

/** An address that has not answered for so long gets company. */
const STAGGER_MS = 200

/**
 * Tries the addresses in order, the next one when one fails or is slow, and takes the first that answers.
 * @throws Error of the last one when none answers
 */
export function dialFirst(
  { clock, net }: Pick<Env, 'clock' | 'net'>,
  addresses: readonly string[],
  port: number,
  options: ConnectOptions,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let next = 0
    let running = 0
    let isOver = false
    const begin = () => {
      const address = addresses[next++]
      if (isOver || address === undefined) return
      running++
      const timer = clock.after(STAGGER_MS, begin)
      net.connect(address, port, options).then(
        connection => {
          timer.cancel()
          if (isOver) return connection.destroy()
          isOver = true
          resolve(connection)
        },
        error => {
          timer.cancel()
          running--
          if (next < addresses.length) begin()
          else if (running === 0 && !isOver) reject(error)
        },
      )
    }
    if (addresses.length === 0) reject(new Error('no master is named'))
    else begin()
  })
}
