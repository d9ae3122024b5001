// Folders that are lent to mounts: nobody is told that a name is not there when it is, whatever the network and the master do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import { type ClusterOptions, SimCluster } from './cluster.ts'
import { PairCluster } from './pair-cluster.ts'
import { root } from './tree-model.ts'

const ROOT = 1
const FILE = 1
const CLIENTS = 3
const NAMES = 14
const LIMIT_MS = 900_000
/** Longer than a folder rests that was called back. */
const REST_MS = 31_000

/** A name, and what everybody must see of it. */
interface Name {
  readonly folder: number
  readonly name: string
  isThere: boolean
  /** Somebody changes it. */
  isBusy: boolean
  changes: number
}

class Story {
  readonly cluster: SimCluster
  readonly #names: Name[] = []
  #sessions: ClusterSession[] = []
  /** Lookups that no master was asked for. */
  own = 0
  #isResting = false
  isOver = false

  constructor(cluster: SimCluster) {
    this.cluster = cluster
  }

  get #random() {
    return this.cluster.scheduler
  }

  #oneOf<T>(things: readonly T[]): T {
    return things[this.#random.between(0, things.length - 1)] as T
  }

  async begin(): Promise<void> {
    const { cluster } = this
    for (let i = 0; i < CLIENTS; i++) {
      this.#sessions.push(await cluster.connect(cluster.addClientHost().env('client')))
    }
    const [session] = this.#sessions as [ClusterSession]
    for (const folder of ['a', 'b']) {
      const made = await session.mkdir(ROOT, folder, 0o755, 0, false, root)
      assert.ok(made.status === undefined)
      for (let i = 0; i < NAMES; i++) {
        this.#names.push({ folder: made.inode, name: `n${i}`, isThere: false, isBusy: false, changes: 0 })
      }
    }
  }

  /**
   * Somebody works in a folder while others look at it, then one of them changes something there. Then all rest until the
   * folder is lent again.
   */
  async round(): Promise<void> {
    const [owner, guest] = [this.#random.between(0, CLIENTS - 1), this.#random.between(0, CLIENTS - 1)]
    const names = this.#names.slice(...(this.#random.random() < 0.5 ? [0, NAMES] : [NAMES]))
    const change = async (client: number, steps: number) => {
      const session = this.#sessions[client] as ClusterSession
      for (let step = 0; step < steps; step++) {
        const name = this.#oneOf(names)
        if (!name.isBusy) await this.#change(session, name)
        await this.cluster.sleep(this.#random.random() * 40)
      }
    }
    // Lookups wait for nobody: a program that waits for the master sees nothing else.
    const look = async (session: ClusterSession) => {
      const looks: Promise<void>[] = []
      for (let step = 0; step < 60; step++) {
        looks.push(this.#look(session, this.#oneOf(names)))
        await this.cluster.sleep(this.#random.random() * 40)
      }
      await Promise.all(looks)
    }
    const guests = async () => {
      await this.cluster.sleep(this.#random.random() * 1000)
      await change(guest, 5)
    }
    await Promise.all([change(owner, 20), guests(), ...this.#sessions.map(look)])
    this.#isResting = true
    await this.cluster.sleep(REST_MS)
    this.#isResting = false
  }

  async #look(session: ClusterSession, name: Name): Promise<void> {
    const { isBusy, changes } = name
    const beganMs = this.cluster.scheduler.nowMs
    const found = await session.lookup(name.folder, name.name, root)
    if (this.cluster.scheduler.nowMs === beganMs) this.own++
    if (isBusy || name.isBusy || name.changes !== changes) return
    const sees = found.status === undefined
    if (sees !== name.isThere) {
      this.cluster.violated(`${name.folder}/${name.name} is ${name.isThere ? '' : 'not '}there, status ${found.status}`)
    }
  }

  async #change(session: ClusterSession, name: Name): Promise<void> {
    const { folder, name: text } = name
    if (!name.isThere) {
      await this.#busy([name], async () => {
        const made = await session.mknod(folder, text, FILE, 0o644, 0, 0, root)
        assert.equal(made.status, undefined, `create of ${text}`)
        name.isThere = true
      })
      return
    }
    const target = this.#oneOf(this.#names)
    if (target.isBusy || target === name || this.#random.random() < 0.5) {
      await this.#busy([name], async () => {
        assert.equal(await session.unlink(folder, text, root), 0, `unlink of ${text}`)
        name.isThere = false
      })
    } else if (this.#random.random() < 0.3 && !target.isThere) {
      // A second name of the same node; a rename onto it leaves both.
      await this.#busy([name, target], async () => {
        const there = await session.lookup(folder, text, root)
        assert.ok(there.status === undefined)
        const linked = await session.link(there.inode, target.folder, target.name, root)
        assert.equal(linked.status, undefined, `link of ${text}`)
        target.isThere = true
        const moved = await session.rename(folder, text, target.folder, target.name, root)
        assert.equal(moved.status, undefined, `rename of ${text} to itself`)
      })
    } else {
      await this.#busy([name, target], async () => {
        const same = await this.#areOne(session, name, target)
        const moved = await session.rename(folder, text, target.folder, target.name, root)
        assert.equal(moved.status, undefined, `rename of ${text}`)
        target.isThere = true
        name.isThere = same
      })
    }
  }

  async #areOne(session: ClusterSession, name: Name, target: Name): Promise<boolean> {
    const [one, other] = await Promise.all([name, target].map(at => session.lookup(at.folder, at.name, root)))
    return one?.status === undefined && other?.status === undefined && one?.inode === other?.inode
  }

  async #busy(names: readonly Name[], action: () => Promise<void>): Promise<void> {
    for (const name of names) name.isBusy = true
    await action()
    for (const name of names) {
      name.isBusy = false
      name.changes++
    }
  }

  /** Breaks something every now and then. */
  async disturb(): Promise<void> {
    const { network, clientHosts } = this.cluster
    while (!this.isOver) {
      await this.cluster.sleep(50 + this.#random.random() * 800)
      if (this.#isResting) continue
      const client = this.#oneOf(clientHosts).address
      const { masterHost } = this.cluster
      switch (this.#random.between(0, 6)) {
        case 0:
          network.cutBetween(client, masterHost.address)
          break
        case 1:
        case 2:
          network.partition(client, masterHost.address)
          await this.cluster.sleep(20 + this.#random.random() * 1500)
          network.heal()
          break
        case 3:
          if (this.cluster.master) this.cluster.killMaster(false, 20 + this.#random.random() * 500)
          break
        case 4:
        case 5:
          // A mount that does not hear of the end of its master, and a new one that is there at once.
          network.partition(client, masterHost.address)
          if (this.cluster.master) this.cluster.killMaster(false, 1)
          await this.cluster.sleep(400 + this.#random.random() * 400)
          network.heal()
          break
        default:
          network.maxDelayMs = this.#random.random() < 0.5 ? 2 : 60
      }
    }
  }
}

const options: ClusterOptions = { servers: 0, syncChunks: false, sync: { kind: 'commit' } }

/** @returns how many lookups were answered without a master */
async function tell(seed: number, isDisturbed: boolean, cluster = new SimCluster(seed, options)): Promise<number> {
  const story = new Story(cluster)
  cluster.start()
  const isReady = () => (cluster instanceof PairCluster ? cluster.areBothUp : cluster.master !== undefined)
  await cluster.until(isReady, 60_000, 'the start of the masters')
  const play = async () => {
    await story.begin()
    const disturbing = isDisturbed ? story.disturb() : undefined
    for (let round = 0; round < 8; round++) await story.round()
    story.isOver = true
    await disturbing
  }
  await cluster.run(play(), LIMIT_MS, `the story of seed ${seed}`)
  return story.own
}

test('nobody is told that a name is missing which somebody else has made', async () => {
  let own = 0
  for (let seed = 1; seed <= 20; seed++) own += await tell(seed, true)
  assert.ok(own > 500, `only ${own} lookups were answered without the master`)
})

test('a mount says by itself what is not in a folder that nobody else changes', async () => {
  let own = 0
  for (let seed = 1; seed <= 5; seed++) own += await tell(seed, false)
  assert.ok(own > 300, `only ${own} lookups were answered without the master`)
})

test('nor when another master takes over', async () => {
  let own = 0
  for (let seed = 1; seed <= 8; seed++) own += await tell(seed, true, new PairCluster(seed, options))
  assert.ok(own > 200, `only ${own} lookups were answered without the master`)
})
