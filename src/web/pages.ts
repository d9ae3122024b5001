// Which page answers what.
import type { Cluster } from '../monitor/cluster.ts'
import { Unanswered } from '../monitor/daemon.ts'
import { UnknownMaster } from '../monitor/masters.ts'
import { assetReply } from './assets.ts'
import { chartReply } from './chart-image.ts'
import { type Command, checkOrigin, commandOf, confirmation, perform } from './commands.ts'
import { type Html, html } from './html.ts'
import { metricsText } from './metrics.ts'
import { noMasterView } from './no-master-view.ts'
import { Place } from './place.ts'
import { type Asked, pageReply, Refusal, type Reply, redirect, reply } from './reply.ts'
import { pageView } from './shell.ts'
import { tabView } from './tab-view.ts'
import { NoLeader, WatchedCluster } from './watched-cluster.ts'

export interface WebOptions {
  /** Names of the masters, as findMasters() takes them. */
  readonly masterHost: string
  readonly masterPort: number
  readonly allowsCommands: boolean
  readonly logsRequests: boolean
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const FORM_TYPE = /^application\/x-www-form-urlencoded\b/i

export class Pages {
  readonly #options: WebOptions
  readonly #watched: WatchedCluster

  constructor(options: WebOptions) {
    this.#options = options
    this.#watched = new WatchedCluster(options.masterHost, options.masterPort)
  }

  /** @throws Refusal */
  async answer(asked: Asked): Promise<Reply> {
    const { method, url } = asked
    const isPost = method === 'POST' && url.pathname === '/mfs.cgi'
    if (method !== 'GET' && method !== 'HEAD' && !isPost)
      throw new Refusal(405, `${method}: only GET, and POST of commands to mfs.cgi`, { Allow: 'GET, HEAD, POST' })
    switch (url.pathname) {
      case '/':
      case '/index.html':
        return redirect(302, `mfs.cgi${url.search}`)
      case '/mfs.cgi':
        return isPost ? this.#command(asked) : this.#page(url)
      case '/chart.cgi':
        return this.#orBadGateway(() => chartReply(this.#watched, url))
      case '/metrics':
        return reply(METRICS_TYPE, await metricsText(this.#watched))
      default:
        return asset(url.pathname)
    }
  }

  async #orBadGateway(work: () => Promise<Reply>): Promise<Reply> {
    try {
      return await work()
    } catch (error) {
      const isGone = error instanceof Unanswered || error instanceof NoLeader || error instanceof UnknownMaster
      throw isGone ? new Refusal(502, `no answer: ${error.message}`) : error
    }
  }

  /** A look, or the question whether a command is meant. */
  async #page(url: URL): Promise<Reply> {
    const command = commandOf(url.searchParams)
    const place = Place.of(url)
    try {
      await this.#checkMaster(place)
      if (command) return this.#shown(place, this.#question(place, command))
      const contents = await this.#watched.use(cluster => this.#tabs(place, cluster))
      return this.#shown(place, contents, { isLive: true })
    } catch (error) {
      return this.#withoutMaster(place, error)
    }
  }

  #question(place: Place, command: Command): Html {
    if (!this.#options.allowsCommands) throw noCommands()
    return confirmation(place, command)
  }

  async #tabs(place: Place, cluster: Cluster): Promise<Html> {
    const views: Html[] = []
    for (const tab of place.tabs) views.push(await tabView(tab, place, cluster, this.#options.allowsCommands))
    return html`${views}`
  }

  /** @throws what is not about the cluster being there */
  #withoutMaster(place: Place, error: unknown): Reply {
    const names = this.#masters
    if (error instanceof UnknownMaster || error instanceof NoLeader || error instanceof Unanswered)
      return this.#shown(place, noMasterView(names, error), { isWaiting: true }, 503)
    throw error
  }

  async #command(asked: Asked): Promise<Reply> {
    if (!this.#options.allowsCommands) throw noCommands()
    checkOrigin(asked)
    if (!FORM_TYPE.test(String(asked.headers['content-type'])))
      throw new Refusal(415, 'a command is sent as a form: application/x-www-form-urlencoded')
    const command = commandOf(new URLSearchParams(await asked.body()))
    if (!command) throw new Refusal(400, 'there is no command in it')
    const place = Place.of(asked.url)
    try {
      await this.#checkMaster(place)
      const problem = await this.#watched.use(cluster => perform(cluster, command))
      this.#watched.forget()
      if (problem === undefined) return redirect(303, place.url())
      return this.#shown(place, failedView(place, command, problem), {}, 409)
    } catch (error) {
      return this.#withoutMaster(place, error)
    }
  }

  /** URLs may name the master, by name or address. @throws Refusal when it is none of ours, UnknownMaster, NoLeader */
  async #checkMaster(place: Place): Promise<void> {
    const { masterHost, masterPort } = this.#options
    const wanted = place.text('masterhost') ?? masterHost
    if (place.number('masterport', masterPort) === masterPort) {
      if ([masterHost, ...masterHost.split(/[ ,;]+/)].includes(wanted)) return
      if (await this.#watched.use(async ({ masters }) => masters.some(({ daemon }) => daemon.host === wanted))) return
    }
    throw new Refusal(
      403,
      `this monitor shows ${this.#masters} and nothing else: another cluster has a monitor of its own`,
    )
  }

  get #masters(): string {
    return `${this.#options.masterHost}:${this.#options.masterPort}`
  }

  #shown(place: Place, contents: Html, about: { isLive?: boolean; isWaiting?: boolean } = {}, status = 200): Reply {
    return pageReply(pageView({ place, masters: this.#masters, contents, ...about }), status)
  }
}

const noCommands = () => new Refusal(403, 'this monitor takes no commands: ALLOW_COMMANDS = 0 in its mfscgiserv.cfg')

function failedView(place: Place, { name, target }: Command, problem: string): Html {
  return html`<section class="confirm"><h2>Not done: ${name} ${target}</h2><p class="bad">${problem}</p>
<p><a class="button" href="${place.url()}">back</a></p></section>`
}

function asset(path: string): Reply {
  const found = /^\/assets\/([\w.]+)$/.exec(path)
  const contents = assetReply(found?.[1] ?? '')
  if (!contents) throw new Refusal(404, `${path}: there is no such page`)
  return contents
}
