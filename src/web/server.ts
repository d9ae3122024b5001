// The monitor's door to browsers. What is asked is bounded in size, in time and in number; what is answered may not act
// in a browser beyond what the pages themselves are.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Pages, type WebOptions } from './pages.ts'
import { type Asked, pageReply, Refusal, type Reply } from './reply.ts'
import { refusalView } from './shell.ts'

export type { WebOptions } from './pages.ts'

const CONNECTIONS_MAX = 512
const AT_ONCE_MAX = 64
const HEADER_BYTES_MAX = 16 << 10
const BODY_BYTES_MAX = 4096
const REQUEST_WITHIN_MS = 10_000
/** Longer than a master takes that is only busy. */
const ANSWER_WITHIN_MS = 20_000
const IDLE_MS = 5000
/** Somebody who does not read what was asked for, or has gone without a word. */
const SILENT_MS = 60_000

const GUARD = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

export class WebServer {
  readonly #server: Server
  readonly #log: (message: string) => void
  #pages: Pages
  #options: WebOptions
  #atOnce = 0

  constructor(options: WebOptions, log: (message: string) => void) {
    this.#options = options
    this.#pages = new Pages(options)
    this.#log = log
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: REQUEST_WITHIN_MS,
        requestTimeout: REQUEST_WITHIN_MS,
        keepAliveTimeout: IDLE_MS,
        connectionsCheckingInterval: IDLE_MS,
      },
      (request, response) => void this.#serve(request, response),
    )
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.setTimeout(SILENT_MS)
  }

  /** @param host undefined: every address of this machine @returns the port @throws Error of Node, when it can't */
  listen(host: string | undefined, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: host ?? '0.0.0.0', port }, () => {
        this.#server.off('error', reject)
        const address = this.#server.address()
        resolve(typeof address === 'object' && address ? address.port : port)
      })
    })
  }

  reconfigure(options: WebOptions): void {
    this.#options = options
    this.#pages = new Pages(options)
  }

  /** Whoever is waiting for an answer does not get it. */
  stop(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = await this.#answer(request).catch((error: Error) => this.#failed(request, error))
    if (this.#options.logsRequests)
      this.#log(`${request.socket.remoteAddress} ${request.method} ${request.url} ${reply.status}`)
    // What was not read of a request must not be taken for the next one.
    const isUnread = !request.complete && request.method !== 'GET' && request.method !== 'HEAD'
    response.writeHead(reply.status, {
      ...GUARD,
      ...reply.headers,
      'Content-Length': Buffer.byteLength(reply.body),
      ...(isUnread ? { Connection: 'close' } : {}),
    })
    response.end(reply.body)
  }

  /** @throws Refusal */
  async #answer(request: IncomingMessage): Promise<Reply> {
    if (this.#atOnce >= AT_ONCE_MAX)
      throw new Refusal(503, 'too many requests at once: try again in a moment', { 'Retry-After': '5' })
    const asked = askedOf(request)
    this.#atOnce++
    const work = this.#pages.answer(asked).finally(() => {
      this.#atOnce--
    })
    return within(ANSWER_WITHIN_MS, work, `${this.#options.masterHost}:${this.#options.masterPort}`)
  }

  #failed({ method, url }: IncomingMessage, error: Error): Reply {
    if (error instanceof Refusal) return refusalReply(error)
    this.#log(`${method} ${url}: ${error.stack ?? error.message}`)
    return refusalReply(new Refusal(500, 'the monitor made a mistake: its log says more'))
  }
}

function refusalReply({ status, message, headers }: Refusal): Reply {
  return pageReply(refusalView(status, message), status, headers)
}

/** @throws Refusal when it is no request for us */
function askedOf(request: IncomingMessage): Asked {
  const { method = '', headers } = request
  const path = request.url ?? ''
  if (!path.startsWith('/') || !URL.canParse(path, 'http://monitor/')) throw new Refusal(400, 'no such address')
  return { method, headers, url: new URL(path.replace(/^\/+/, '/'), 'http://monitor/'), body: () => bodyOf(request) }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of request) {
    pieces.push(piece as Buffer)
    length += (piece as Buffer).length
    if (length > BODY_BYTES_MAX) throw new Refusal(413, `a command is no longer than ${BODY_BYTES_MAX} bytes`)
  }
  return Buffer.concat(pieces).toString()
}

/** @throws Refusal when it takes longer */
async function within<T>(ms: number, work: Promise<T>, masters: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const refusal = new Refusal(
      504,
      `no answer from the cluster of ${masters} within ${ms / 1000} seconds; this page tries again`,
      { Refresh: '10' },
    )
    timer = setTimeout(() => reject(refusal), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
