// One mounted file system, from mount to unmount.
import type { Clock } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import type { FileSystem } from '../file-system.ts'
import * as abi from './abi.ts'
import { FuseDevice } from './device.ts'
import { Dispatcher, type DispatcherOptions, defaultOptions } from './dispatcher.ts'
import { isMounted, type MountOptions, mountKernel, setReadAhead, unmountKernel } from './kernel-mount.ts'

export interface MountRequest extends Partial<DispatcherOptions>, MountOptions {
  target: string
}

/** Tells the kernel what it must forget. Calls return at once; the kernel acts a moment later. */
export interface KernelCaches {
  /** The pages of [offset, offset + length) and the attributes; length 0 is to the end. */
  invalidateData(inode: number, offset: number, length: number): Promise<void>
  invalidateAttributes(inode: number): Promise<void>
  invalidateEntry(parent: number, name: string): Promise<void>
}

export class MountedFileSystem implements KernelCaches {
  readonly target: string
  /** Resolves when the file system is unmounted, whoever did it; rejects when the device failed. */
  readonly closed: Promise<void>
  readonly #device: FuseDevice
  readonly #dispatcher: Dispatcher

  private constructor(target: string, device: FuseDevice, dispatcher: Dispatcher) {
    this.target = target
    this.#device = device
    this.#dispatcher = dispatcher
    this.closed = new Promise((resolve, reject) => {
      device.start({
        message: bytes => dispatcher.dispatch(bytes),
        closed(error) {
          dispatcher.destroy()
          if (error) reject(error)
          else resolve()
        },
      })
    })
  }

  /** Mounts `fs` and serves it; resolves when the kernel has agreed. @throws MountError */
  static async mount(fs: FileSystem, request: MountRequest, log: Log, clock: Clock): Promise<MountedFileSystem> {
    const fd = await mountKernel(request.target, request)
    const device = new FuseDevice(fd, log)
    const options = { ...defaultOptions, ...request }
    const dispatcher = new Dispatcher(fs, device, log, clock, options)
    const mounted = new MountedFileSystem(request.target, device, dispatcher)
    await Promise.race([dispatcher.ready, mounted.closed])
    setReadAhead(request.target, options.maxReadAheadBytes)
    return mounted
  }

  /** Unmounts; files in use are cut off. Resolves when the kernel has let go and everything is written. */
  async unmount(): Promise<void> {
    await unmountKernel(this.target)
    if (!isMounted(this.target)) this.#device.close()
    await this.closed
  }

  /** Gives up the device at once; the folder answers ENOTCONN until it is unmounted. */
  abort(): void {
    this.#device.close()
  }

  /** Requests that wait for the file system's answer. */
  get pendingCount(): number {
    return this.#dispatcher.pendingCount
  }

  async invalidateData(inode: number, offset: number, length: number): Promise<void> {
    await this.#notify(abi.NotifyCode.INVAL_INODE, abi.notifyInvalInodeOut.bytes, (view, at) =>
      abi.notifyInvalInodeOut.write(view, at, { ino: inode, off: offset, len: length }),
    )
  }

  async invalidateAttributes(inode: number): Promise<void> {
    await this.invalidateData(inode, -1, 0)
  }

  async invalidateEntry(parent: number, name: string): Promise<void> {
    const bytes = abi.notifyInvalEntryOut.bytes
    await this.#notify(abi.NotifyCode.INVAL_ENTRY, bytes + name.length + 1, (view, at) => {
      abi.notifyInvalEntryOut.write(view, at, { parent, namelen: name.length })
      view.write(`${name}\0`, at + bytes, 'latin1')
    })
  }

  /** ENOENT, which the kernel answers when it has nothing to forget, is as good as done. */
  async #notify(code: number, bytes: number, write: (view: Buffer, at: number) => void): Promise<void> {
    const headerBytes = abi.outHeader.bytes
    const message = Buffer.alloc(headerBytes + bytes)
    abi.outHeader.write(message, 0, { len: message.length, error: code, unique: 0 })
    write(message, headerBytes)
    await this.#device.notify(message)
  }
}
