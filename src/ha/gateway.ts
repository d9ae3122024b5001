// etcd by its own JSON over HTTP (the gRPC gateway that every etcd since 3.4 has built in): eight small requests need no
// client library. Keys and values are base64, 64-bit numbers are text.
import { readFileSync } from 'node:fs'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { type Change, type Etcd, EtcdError, type EtcdValue, type EtcdWatch, type Guard, type Outcome } from './etcd.ts'

export interface GatewayOptions {
  /** `http://host:port` of each member. */
  endpoints: readonly string[]
  /** An answer that takes longer does not come. */
  timeoutMs: number
  /** PEM files for https. */
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
}

interface KeyValueJson {
  key: string
  value?: string
  mod_revision: string
  lease?: string
}

interface TransactionJson {
  header: { revision: string }
  succeeded?: boolean
  responses?: { response_range?: { kvs?: KeyValueJson[] } }[]
}

const ANSWER_BYTES_MAX = 16 << 20
const WATCH_AGAIN_MS = 500
/** gRPC's code for "not found": the lease is over. */
const NOT_FOUND = 5

const encode = (text: string) => Buffer.from(text).toString('base64')
const decode = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString()

/** The key after all keys that begin with the prefix. */
function endOf(prefix: string): string {
  const bytes = Buffer.from(prefix)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1
  return bytes.toString('base64')
}

function readValue({ value, mod_revision, lease }: KeyValueJson): EtcdValue {
  const isLeased = lease !== undefined && lease !== '0'
  return { value: decode(value), revision: Number(mod_revision), ...(isLeased ? { lease } : {}) }
}

const putOf = (change: Change) =>
  change.kind === 'put'
    ? {
        request_put: {
          key: encode(change.key),
          value: encode(change.value),
          ...(change.lease === undefined ? {} : { lease: change.lease }),
        },
      }
    : { request_delete_range: { key: encode(change.key) } }

export class Gateway implements Etcd {
  readonly #endpoints: readonly URL[]
  readonly #timeoutMs: number
  readonly #agent: HttpAgent | HttpsAgent
  readonly #request: typeof httpRequest
  /** The member that answered last. */
  #current = 0

  /** @throws Error when the endpoints are not all http or all https, or a file cannot be read */
  constructor({ endpoints, timeoutMs, ca, cert, key }: GatewayOptions) {
    this.#endpoints = endpoints.map(endpoint => new URL(endpoint))
    this.#timeoutMs = timeoutMs
    const protocols = new Set(this.#endpoints.map(({ protocol }) => protocol))
    const [protocol] = protocols
    if (protocols.size !== 1 || (protocol !== 'http:' && protocol !== 'https:')) {
      throw new Error(
        `write all addresses of etcd as http://HOST:PORT or all as https://HOST:PORT: ${endpoints.join(',')}`,
      )
    }
    const files = Object.entries({ ca, cert, key }).filter(([, path]) => path !== undefined)
    const tls = Object.fromEntries(files.map(([name, path]) => [name, readFileSync(path as string)]))
    this.#agent =
      protocol === 'https:' ? new HttpsAgent({ keepAlive: true, ...tls }) : new HttpAgent({ keepAlive: true })
    this.#request = protocol === 'https:' ? httpsRequest : httpRequest
  }

  async read(keys: readonly string[]): Promise<(EtcdValue | undefined)[]> {
    const success = keys.map(key => ({ request_range: { key: encode(key) } }))
    const { responses = [] } = await this.#call<TransactionJson>('kv/txn', { compare: [], success, failure: [] })
    return keys.map((_, i) => {
      const found = responses[i]?.response_range?.kvs?.[0]
      return found && readValue(found)
    })
  }

  async list(prefix: string): Promise<(EtcdValue & { key: string })[]> {
    const { kvs = [] } = await this.#call<{ kvs?: KeyValueJson[] }>('kv/range', {
      key: encode(prefix),
      range_end: endOf(prefix),
    })
    return kvs.map(found => ({ key: decode(found.key), ...readValue(found) }))
  }

  async commit(guards: readonly Guard[], changes: readonly Change[]): Promise<Outcome> {
    const compare = guards.map(({ key, revision }) => ({
      key: encode(key),
      target: 'MOD',
      result: 'EQUAL',
      mod_revision: String(revision),
    }))
    const { succeeded, header } = await this.#call<TransactionJson>('kv/txn', {
      compare,
      success: changes.map(putOf),
      failure: [],
    })
    return succeeded ? { done: true, revision: Number(header.revision) } : { done: false }
  }

  async grantLease(ttlSeconds: number): Promise<{ id: string; ttlSeconds: number }> {
    const { ID, TTL } = await this.#call<{ ID: string; TTL: string }>('lease/grant', { TTL: String(ttlSeconds) })
    return { id: ID, ttlSeconds: Number(TTL) }
  }

  async keepAlive(lease: string): Promise<number> {
    const { result } = await this.#call<{ result?: { TTL?: string } }>('lease/keepalive', { ID: lease })
    return Number(result?.TTL ?? 0)
  }

  async revokeLease(lease: string): Promise<void> {
    try {
      await this.#call('lease/revoke', { ID: lease })
    } catch (error) {
      if ((error as { grpc?: number }).grpc !== NOT_FOUND) throw error
    }
  }

  watch(key: string, changed: () => void): EtcdWatch {
    const abort = new AbortController()
    const body = JSON.stringify({ create_request: { key: encode(key) } })
    const again = () => {
      if (!abort.signal.aborted) setTimeout(open, WATCH_AGAIN_MS).unref()
    }
    const open = () => {
      if (abort.signal.aborted) return
      const request = this.#open('watch', body, abort.signal, response => {
        // Each piece says that something happened, the first that the watch is there.
        response.on('data', () => changed())
        response.on('error', () => {})
        response.on('close', again)
      })
      request.on('error', again)
    }
    open()
    return { close: () => abort.abort() }
  }

  #open(path: string, body: string, signal: AbortSignal, onResponse: (response: IncomingMessage) => void) {
    const endpoint = this.#endpoints[this.#current] as URL
    const request = this.#request(
      new URL(`/v3/${path}`, endpoint),
      { method: 'POST', agent: this.#agent, signal, headers: { 'content-type': 'application/json' } },
      onResponse,
    )
    request.end(body)
    return request
  }

  /** The next call goes to another member after this one gave no answer. */
  async #call<T>(path: string, body: object): Promise<T> {
    const tried = this.#current
    try {
      return await this.#post<T>(path, JSON.stringify(body))
    } catch (error) {
      if (this.#current === tried) this.#current = (tried + 1) % this.#endpoints.length
      throw error
    }
  }

  #post<T>(path: string, body: string): Promise<T> {
    const { host } = this.#endpoints[this.#current] as URL
    const fail = (why: string, cause?: unknown) => new EtcdError(`etcd at ${host}: ${why}`, { cause })
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(this.#timeoutMs)
      const request = this.#open(path, body, signal, response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', piece => {
          text += piece
          if (text.length > ANSWER_BYTES_MAX) response.destroy(new Error('its answer is too long'))
          // Streams of one answer are ended from this side.
          if (path === 'lease/keepalive' && text.includes('\n')) finish()
        })
        response.on('error', error => reject(fail(error.message, error)))
        response.on('end', () => finish())
        const finish = () => {
          try {
            const answer = JSON.parse(text)
            const wrong = answer.error ?? (response.statusCode === 200 ? undefined : answer)
            if (!wrong) return resolve(answer as T)
            const why = String(wrong.message ?? wrong)
            reject(Object.assign(fail(why), { grpc: wrong.grpc_code ?? answer.code }))
          } catch (error) {
            reject(fail(`its answer makes no sense (${response.statusCode}): ${text.slice(0, 200)}`, error))
          }
        }
      })
      request.on('error', error => {
        reject(fail(signal.aborted ? `no answer in ${this.#timeoutMs} ms` : error.message, error))
      })
    })
  }
}
