// One client whose threads all have requests on their way while its connection breaks and its master dies: each request
// is carried out exactly once, in whatever order those without an answer come again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cltoma from '../../src/protocol/cltoma.ts'
import type { Message } from '../../src/protocol/codec.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import { Status } from '../../src/protocol/status.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'
import type { Scheduler } from './scheduler.ts'

/** The last one finds a master that takes the lines before an answer for its own. */
const SEEDS = [1, 2, 7, 11]
const THREADS = 6
const LOSSES = 25
const NAMES = ['a', 'b', 'c']
const caller = { uid: 0, gids: [0] }
const ROOT = 1

interface Request {
  readonly packet: Buffer
  readonly answer: Message<{ msgid: number; status?: number | undefined }>
  /** What is there afterwards. */
  readonly done: () => void
}

/** Makes and moves names in a folder of its own. As a kernel does it asks for nothing that it knows to be refused. */
class Thread {
  waiting: Request | undefined
  answered = 0
  readonly #scheduler: Scheduler
  readonly #msgid: number
  readonly #folder: number
  readonly #names = new Set<string>()

  constructor(scheduler: Scheduler, msgid: number, folder: number) {
    this.#scheduler = scheduler
    this.#msgid = msgid
    this.#folder = folder
  }

  next(): Request {
    const inode = this.#folder
    switch (this.#scheduler.between(0, 5)) {
      case 0: {
        const body = { inode, name: 'user.x', value: Buffer.from(this.#any()), mode: 0, opened: 0, caller }
        return this.#request(cltoma.fuseSetxattr, body, matocl.fuseSetxattr, () => {})
      }
      case 1: {
        // It sets the time of the folder: a line without an answer, on what is changed elsewhere too.
        const body = { inode, caller, flags: 0, page: { maxEntries: 100, edgeId: 0n } }
        return this.#request(cltoma.fuseReaddir, body, matocl.fuseReaddir as Message<never>, () => {})
      }
      default:
        return this.#change(this.#any(), this.#any())
    }
  }

  #any(): string {
    return NAMES[this.#scheduler.between(0, NAMES.length - 1)] as string
  }

  #change(name: string, other: string): Request {
    const parent = this.#folder
    if (!this.#names.has(name)) {
      const body = { parent, name, mode: 0o644, umask: 0, caller }
      return this.#request(cltoma.fuseCreate, body, matocl.fuseCreate, () => this.#names.add(name))
    }
    if (name === other) {
      return this.#request(cltoma.fuseUnlink, { parent, name, caller }, matocl.fuseUnlink, () =>
        this.#names.delete(name),
      )
    }
    const body = { parentSource: parent, nameSource: name, parentTarget: parent, nameTarget: other, caller }
    return this.#request(cltoma.fuseRename, body, matocl.fuseRename, () => {
      this.#names.delete(name)
      this.#names.add(other)
    })
  }

  #request<Q extends { msgid: number }>(
    question: Message<Q>,
    body: Omit<Q, 'msgid'>,
    answer: Request['answer'],
    done: () => void,
  ): Request {
    return { packet: question.encode({ ...body, msgid: this.#msgid } as Q), answer, done }
  }

  /** Takes its answer out of what has come. */
  hear({ talk, version }: RawClient): void {
    const { waiting } = this
    if (!waiting) return
    const at = talk.packets.findIndex(
      ({ type, payload }) => type === waiting.answer.code && payload.readUInt32BE(0) === this.#msgid,
    )
    if (at < 0) return
    const [packet] = talk.packets.splice(at, 1)
    const { status = Status.OK } = waiting.answer.decode((packet as { payload: Buffer }).payload, version)
    assert.equal(status, Status.OK, `${waiting.answer.name}, message ${this.#msgid}`)
    waiting.done()
    this.waiting = undefined
    this.answered++
  }
}

class Story {
  readonly #world: MasterAndClients
  #client: RawClient | undefined
  #threads: Thread[] = []

  constructor(seed: number) {
    this.#world = new MasterAndClients(seed)
  }

  run(): Promise<void> {
    return this.#world.play(async () => {
      await this.#world.start()
      const client = await this.#world.mount()
      this.#client = client
      for (let i = 0; i < THREADS; i++) {
        const folder = await client.mkdir(ROOT, `thread${i}`)
        assert.ok('inode' in folder)
        this.#threads.push(new Thread(this.#world.scheduler, 100 + i, folder.inode))
      }
      for (let i = 0; i < LOSSES; i++) {
        await this.#work(this.#world.scheduler.between(1, 60))
        await this.#lose()
      }
      for (const thread of this.#threads) assert.ok(thread.answered > LOSSES, `${thread.answered} answers`)
    })
  }

  async #work(turns: number): Promise<void> {
    const client = this.#client as RawClient
    for (let i = 0; i < turns; i++) {
      for (const thread of this.#threads) {
        thread.hear(client)
        if (thread.waiting) continue
        thread.waiting = thread.next()
        client.talk.send(thread.waiting.packet)
      }
      await this.#world.scheduler.run(this.#world.scheduler.random() * 2)
    }
  }

  /** The connection goes, with its master or alone; those who wait ask again in any order. */
  async #lose(): Promise<void> {
    const { scheduler } = this.#world
    const client = this.#client as RawClient
    if (scheduler.between(0, 2) === 0) client.close()
    else {
      this.#world.kill()
      await this.#world.start()
    }
    await scheduler.run(scheduler.between(0, 3) === 0 ? scheduler.between(0, 20_000) : 0)
    const again = await this.#world.connect()
    assert.equal(await again.reconnect(client.sessionId), Status.OK)
    this.#client = again
    const waiting = this.#threads.flatMap(thread => thread.waiting?.packet ?? [])
    for (const packet of shuffled(scheduler, waiting)) again.talk.send(packet)
  }
}

function shuffled<T>(scheduler: Scheduler, items: readonly T[]): T[] {
  return items
    .map(item => ({ item, at: scheduler.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

for (const seed of SEEDS) {
  test(`requests that come again in any order are carried out once each (seed ${seed})`, () => new Story(seed).run())
}
