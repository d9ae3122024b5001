// A connection that passes everything on to another one. Who wants a word in it overrides what he wants to change.
import type { Connection, ConnectionHandlers } from './net.ts'

export abstract class WrappedConnection implements Connection {
  protected readonly inner: Connection

  constructor(inner: Connection) {
    this.inner = inner
  }

  get remoteAddress(): string {
    return this.inner.remoteAddress
  }

  get remotePort(): number {
    return this.inner.remotePort
  }

  get localAddress(): string {
    return this.inner.localAddress
  }

  get queuedBytes(): number {
    return this.inner.queuedBytes
  }

  handle(handlers: ConnectionHandlers): void {
    this.inner.handle(handlers)
  }

  write(bytes: Buffer): void {
    this.inner.write(bytes)
  }

  writev(buffers: readonly Buffer[], taken?: () => void): void {
    this.inner.writev(buffers, taken)
  }

  pause(): void {
    this.inner.pause()
  }

  resume(): void {
    this.inner.resume()
  }

  end(): void {
    this.inner.end()
  }

  destroy(error?: Error): void {
    this.inner.destroy(error)
  }
}
