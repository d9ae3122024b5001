// What is asked of the monitor, and what it answers.
import type { Html } from './html.ts'

export interface Asked {
  readonly method: string
  readonly url: URL
  /** By name in small letters. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** What came with a POST. @throws Refusal when it is too long */
  body(): Promise<string>
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** It is not done. The message says why, and what to do instead. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/** Of now only. */
const FRESH = { 'Cache-Control': 'no-store' }

export function pageReply(page: Html, status = 200, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'Content-Type': 'text/html; charset=utf-8', ...FRESH, ...headers }, body: page.text }
}

/** @param where relative to what was asked for, so that the monitor may lie below any path */
export function redirect(status: 302 | 303, where: string): Reply {
  return { status, headers: { Location: where, ...FRESH }, body: '' }
}

export function reply(type: string, body: string | Buffer, headers: Readonly<Record<string, string>> = FRESH): Reply {
  return { status: 200, headers: { 'Content-Type': type, ...headers }, body }
}
