// The open FUSE device of one mount: messages of the kernel in, answers out.
//
// Measured on two cores with a null file system, 4 programs calling stat: four outstanding fs.read calls 26,000/s
// (each message wakes a pool thread, which wakes us); the event loop's own epoll on the device 47,000/s, with a third
// of the CPU time. So the device is read like a pipe. Node opens pipes by descriptor but not other devices: we
// open a pipe, then put the device in its place, before the first read.
import { closeSync, write, writeSync, writevSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Log } from '../../env/log.ts'
import { type AnswerSink, MESSAGE_BYTES_MAX } from './dispatcher.ts'
import { duplicate, pipe, readNow } from './system.ts'

export interface DeviceHandlers {
  /** One message. A promise keeps its bytes untouched until it resolves. */
  message(bytes: Buffer): Promise<void> | undefined
  /** Unmounted, by us or others. `error` when it was something else that ended the reading. */
  closed(error?: Error): void
}

/** Buffers kept for reuse; more may be in use. */
const SPARE_BUFFERS_MAX = 8
/** Messages taken in one turn of the event loop: what they make us send goes out together. */
const MESSAGES_PER_TURN = 32

export class FuseDevice implements AnswerSink {
  readonly #fd: number
  readonly #log: Log
  readonly #spare: Buffer<ArrayBuffer>[] = []
  #current: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(MESSAGE_BYTES_MAX)
  #socket: Socket | undefined
  #closed = false

  /**
   * @param fd the device, mounted or about to be, opened non-blocking; closed by close()
   */
  constructor(fd: number, log: Log) {
    this.#fd = fd
    this.#log = log
  }

  /** Starts reading. */
  start(handlers: DeviceHandlers): void {
    const [readEnd, writeEnd] = pipe()
    const onread = {
      buffer: () => this.#current,
      callback: (bytes: number): boolean => {
        this.#pass(handlers, bytes)
        this.#passMore(handlers)
        return true
      },
    }
    // `onread` is a documented option of connect() and works for every socket.
    const options = { fd: readEnd, readable: true, writable: false, onread }
    const socket = new Socket(options)
    duplicate(this.#fd, readEnd)
    closeSync(writeEnd)
    this.#socket = socket
    let failure: Error | undefined
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // ENODEV: unmounted. ECONNABORTED: aborted through /sys/fs/fuse/connections.
      if (error.code !== 'ENODEV' && error.code !== 'ECONNABORTED') failure = error
    })
    socket.on('close', () => {
      this.close()
      handlers.closed(failure)
    })
  }

  /** Hands over the message that was read. Its buffer is used again once nobody needs it. */
  #pass(handlers: DeviceHandlers, bytes: number): void {
    const message = this.#current
    const inUse = handlers.message(message.subarray(0, bytes))
    if (!inUse) return
    this.#current = this.#spare.pop() ?? Buffer.allocUnsafeSlow(MESSAGE_BYTES_MAX)
    inUse.then(() => {
      if (this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(message)
    })
  }

  /** The event loop gives one message a turn; what else has come by now is read here. */
  #passMore(handlers: DeviceHandlers): void {
    for (let count = 1; count < MESSAGES_PER_TURN && !this.#closed; count++) {
      const bytes = readNow(this.#fd, this.#current)
      if (bytes <= 0) return
      this.#pass(handlers, bytes)
    }
  }

  send(message: Buffer): void {
    if (this.#closed) return
    try {
      writeSync(this.#fd, message, 0, message.length)
    } catch (error) {
      this.#sendFailed(error as NodeJS.ErrnoException, message)
    }
  }

  sendParts(parts: Buffer[]): void {
    if (this.#closed) return
    try {
      writevSync(this.#fd, parts)
    } catch (error) {
      this.#sendFailed(error as NodeJS.ErrnoException, parts[0] as Buffer)
    }
  }

  /**
   * Sends a message that the kernel may make wait, for locks that it drops only once we have answered something:
   * never on the main thread. Resolves to whether the kernel took it.
   */
  notify(message: Buffer): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    return new Promise(resolve => write(this.#fd, message, 0, message.length, null, error => resolve(error === null)))
  }

  /** Ends the reading and gives the descriptor back; a file system that is still mounted is cut off. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket?.destroy()
    closeSync(this.#fd)
  }

  #sendFailed(error: NodeJS.ErrnoException, message: Buffer): void {
    // The caller is gone (ENOENT) or the file system is unmounted (ENODEV): nobody waits for this answer.
    if (error.code === 'ENOENT' || error.code === 'ENODEV') return
    this.#log.error(`answer of ${message.readUInt32LE(0)} bytes refused by the kernel: ${error.code}`)
    // An answer that the kernel finds wrong must not leave the caller waiting for ever.
    const instead = Buffer.from(message.subarray(0, 16))
    instead.writeUInt32LE(16, 0)
    instead.writeInt32LE(-5, 4)
    try {
      writeSync(this.#fd, instead)
    } catch {
      // The request is gone as well.
    }
  }
}
