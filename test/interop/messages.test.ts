// Every message of clients and tools, from clients of every version, is answered by our master as by the real one.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { ALICE, type Played, p, type Step, Tour } from './message-script.ts'
import { installPackages } from './packages.ts'

const versions = [
  ...['1.5.13', '1.6.20', '1.6.21', '1.6.26', '1.7.28', '1.7.32', '2.0.0', '3.0.9', '3.0.40', '3.0.92', '3.0.101'],
  ...['3.0.107', '3.0.112', '3.0.117', '4.0.0', '4.18.0', '4.59.2'],
]

const EOF = 0xffffffffffffffffn

/** The original ends with an assertion when classes come and go too often, so not every version does it. */
const classVersions = new Set(['1.6.20', '3.0.117', '4.59.2'])

function storageClasses(tour: Tour, sub: number): void {
  const definition = (body: ReturnType<typeof p>) =>
    body.u8(0, 1).u16(0).u8(1, 1, 1).u32(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0)
  tour.ask('class create', 350, body => definition(body.name('own').u8(0)))
  tour.ask('class create again', 350, body => definition(body.name('own').u8(0)))
  tour.ask('class change', 352, body => definition(body.name('own').u8(0).u16(2)))
  tour
    .ask('class duplicate', 356, body => body.name('own').name('copy'))
    .ask('class rename', 358, b => b.name('copy').name('c'))
  tour.ask('setsclass own', 448, body => body.u32(sub, 0).u8(0xff, 0).name('own'))
  tour.ask('getsclass', 446, body => body.u32(sub).u8(0)).ask('class delete', 354, body => body.name('own'))
  tour.ask('setsclass 2', 448, body => body.u32(sub, 0).u8(2, 0)).ask('class delete', 354, body => body.name('own'))
  tour.ask('class delete', 354, body => body.name('c')).ask('class delete', 354, body => body.name('2'))
}

/** One client's life; `next` is the inode number that will be given out next. */
function life(version: string, session: number, next: number): { steps: Step[]; next: number } {
  const tour = new Tour(version)
  let inode = next
  const made = () => inode++
  tour.register()
  tour.ask('statfs', 402, body => body)
  tour.mkdir(1, `v${version}`)
  const dir = made()
  tour.mkdir(dir, 'd', 0o2770)
  const sub = made()
  tour.create(dir, 'f')
  const file = made()
  tour.mknod(dir, 'node', 1)
  made()
  tour.mknod(dir, 'fifo', 4)
  made()
  tour.mknod(dir, 'dev', 6, 0o600, 0xae5)
  made()
  tour.mknod(dir, 'sock', 's'.charCodeAt(0))
  made()
  tour.mknod(dir, 'strange', 9).mknod(dir, 'f', 1).mkdir(dir, '..').mkdir(dir, 'a/b').mkdir(dir, '')
  tour.symlink(dir, 'link', 'to/there\0')
  const link = made()
  tour.symlink(dir, 'empty', '').symlink(dir, 'nul', 'a\0b')
  tour.lookup(dir, 'f').lookup(dir, 'none').lookup(dir, '.').lookup(dir, '..').lookup(file, 'x').lookup(99999, 'x')
  tour.lookup(dir, 'd', ALICE).lookup(sub, 'x', ALICE).lookup(1, '..')
  tour.getattr(dir).getattr(link).getattr(99999).byInode('getattr', 408, file)
  if (tour.since('1.6.28')) tour.getattr(file, ALICE, 1)
  tour.access(dir, 7).access(sub, 4, ALICE).access(99999, 4).access(dir, 0, ALICE)
  tour.setattr(file, { mask: 2, mode: 0o4755 }).setattr(file, { mask: 4 | 8, uid: 1000, gid: 1000 })
  tour.setattr(file, { mask: 0x20 | 0x40, atime: 100, mtime: 200 }).setattr(file, { mask: 0 })
  tour.setattr(file, { mask: 2, mode: 0o777 }, { uid: 1001, gids: [1001] })
  tour.setattr(file, { mask: 0x10 | 0x80 }, { uid: 1001, gids: [1001] })
  tour.setattr(file, { mask: 8, gid: 5 }, ALICE).setattr(99999, { mask: 2 })
  if (tour.since('3.0.93')) tour.setattr(file, { mask: 1, winattr: 3 })
  else tour.setattr(file, { mask: 1 })
  tour.byInode('readlink', 412, link).byInode('readlink', 412, file).byInode('readlink', 412, 99999)
  tour.readdir(dir, 'short').readdir(dir, 'flags', 0).readdir(dir, 'flags', 1)
  if (tour.since('2.0.0')) tour.readdir(dir, 'paged', 0).readdir(dir, 'paged', 1).readdir(sub, 'paged', 1, ALICE)
  tour.readdir(file, 'short').readdir(99999, 'flags')
  tour.link(file, dir, 'hard').link(dir, dir, 'x').link(99999, dir, 'x').link(file, dir, 'f').link(file, dir, '.')
  tour.rename([dir, 'hard'], [sub, 'moved']).rename([dir, 'none'], [dir, 'x'])
  tour.rename([dir, 'node'], [dir, 'node2'], ALICE)
  tour.byInode('parents', 484, file).byInode('paths', 486, file).byInode('paths', 486, 1).byInode('parents', 484, 99999)
  tour
    .open(file, 1)
    .open(file, 3, ALICE)
    .open(dir, 1)
    .open(99999, 1)
    .open(file, 2, { uid: 7, gids: [7] })
  tour.readChunk(file, 0).readChunk(dir, 0).readChunk(99999, 0).readChunk(file, 0x80000000)
  tour.writeChunk(dir, 0).writeChunk(99999, 0).writeChunk(file, 0x80000000)
  tour.writeEnd(0x123456, file, 0, 0).writeEnd(0x123456, 99999, 0, 10)
  tour.truncate(file, 0, 1000).truncate(file, 0, 1000).truncate(file, 0, 10).truncate(dir, 0, 0).truncate(99999, 0, 0)
  tour.truncate(file, 0, 5, { uid: 7, gids: [7] })
  if (tour.since('1.6.28')) tour.truncate(file, 3, 2000).truncate(file, 3, 100).truncate(file, 0x0b, 50)
  tour.setxattr(file, 'user.a', 'value').setxattr(file, 'user.a', 'v', 1).setxattr(file, 'user.b', 'v', 2)
  tour.getxattr(file, 'user.a').getxattr(file, 'user.a', 1).getxattr(file, 'user.none').getxattr(file, '')
  tour.getxattr(file, 'user.a', 5).setxattr(file, 'user.a', '', 3).setxattr(file, 'user.a', '', 3)
  tour.setxattr(file, 'trusted.t', 'v', 0, ALICE).getxattr(file, 'trusted.t', 0, ALICE).setxattr(99999, 'user.a', '')
  tour
    .setfacl(file, 1, [6, 4, 4, 7], [[1000, 7]])
    .ask('getfacl', 488, body => body.u32(file).u8(1))
    .getattr(file)
  tour.ask('getfacl default', 488, body => body.u32(dir).u8(2)).setfacl(file, 9, [6, 4, 4, 7])
  tour.setfacl(file, 1, [0xffff, 0xffff, 0xffff, 0xffff])
  tour.flock(file, 3, 1).flock(file, 1, 2).flock(file, 0, 1).flock(file, 4, 2).flock(file, 6, 2).flock(dir, 4, 1)
  tour.flock(file, 9, 3).flock(file, 0, 3)
  tour.posixLock(file, 2, 2, 1, [0, 10n]).posixLock(file, 2, 1, 2, [5, 6n]).posixLock(file, 0, 2, 2, [0, EOF])
  tour.posixLock(file, 1, 0, 1, [0, EOF]).posixLock(file, 0, 1, 2, [0, EOF]).posixLock(dir, 2, 2, 1, [0, 10n])
  tour.ask('check', 440, body => body.u32(file)).ask('check of a chunk', 440, body => body.u32(file, 0))
  tour.ask('check of a directory', 440, body => body.u32(dir)).ask('check too far', 440, b => b.u32(file, 0x80000000))
  tour.ask('gettrashtime', 442, body => body.u32(dir).u8(1)).ask('gettrashtime', 442, body => body.u32(dir).u8(2))
  tour
    .ask('settrashtime', 444, body => body.u32(dir, 0, 3601).u8(4))
    .ask('settrashtime', 444, b => b.u32(file, 7, 5).u8(0))
  tour.ask('settrashtime mode 9', 444, body => body.u32(dir, 0, 3601).u8(9))
  tour.ask('getsclass', 446, body => body.u32(dir).u8(1)).ask('setgoal', 448, body => body.u32(dir, 0).u8(3, 4))
  tour
    .ask('setgoal 0', 448, body => body.u32(dir, 0).u8(0, 0))
    .ask('setgoal up', 448, body => body.u32(dir, 0).u8(4, 5))
  tour.ask('setsclass', 448, body => body.u32(dir, 0).u8(0xff, 0).name('2'))
  tour.ask('setsclass unknown', 448, body => body.u32(dir, 0).u8(0xff, 0).name('nope'))
  tour.ask('xchgsclass', 448, body => body.u32(dir, 0).u8(0xff, 7).name('2').name('4'))
  tour.byInode('getdirstats', 462, dir).byInode('getdirstats', 462, 99999)
  tour.ask('geteattr', 472, body => body.u32(dir).u8(1)).ask('seteattr', 474, body => body.u32(dir, 0).u8(0x05, 5))
  tour.ask('geteattr', 472, body => body.u32(dir).u8(1)).ask('seteattr alien', 474, body => body.u32(dir, 8).u8(2, 0))
  tour.lookup(dir, 'none').ask('deleattr', 474, body => body.u32(dir, 0).u8(0x05, 6))
  tour.ask('quota set', 476, b => b.u32(sub).u8(0x11).u32(100).u64(1, 2, 3).u32(200).u64(4, 5, 6))
  tour.ask('quota set with grace', 476, b => b.u32(sub).u8(0x11).u32(50).u32(100).u64(1, 2, 3).u32(200).u64(4, 5, 6))
  tour.ask('quota get', 476, body => body.u32(sub).u8(0)).ask('quota delete', 476, body => body.u32(sub).u8(0xff))
  tour.ask('quota of a file', 476, body => body.u32(file).u8(0))
  tour.ask('archive get', 496, body => body.u32(dir).u8(2)).ask('archive set', 496, body => body.u32(dir).u8(1).u32(0))
  tour.snapshot(sub, dir, 'snap', 0)
  inode += 2
  tour
    .snapshot(sub, dir, 'snap', 0)
    .snapshot(0, dir, 'snap', 0x80)
    .snapshot(99999, dir, 'y', 0)
    .snapshot(dir, sub, 'z', 0)
  tour.repair(file).repair(dir).append(file, file).append(file, link)
  if (tour.since('3.0.92')) tour.append(file, file, [0, 0, 1])
  tour.ask('time sync', 704, body => body).ask('version', 10, body => body)
  tour.ask('class list', 360, body => body.u8(0)).ask('class list', 360, body => body.u8(1))
  if (classVersions.has(version)) storageClasses(tour, sub)
  tour.ask('trash of a plain session', 450, body => body).ask('sustained', 470, body => body)
  tour
    .unlink(sub, 'moved')
    .unlink(dir, 'd')
    .rmdir(dir, 'f')
    .unlink(dir, 'none')
    .rmdir(dir, 'none')
    .rmdir(1, `v${version}`)
  tour.unlink(dir, 'node', { uid: 7, gids: [7] })
  for (const name of ['f', 'node', 'fifo', 'dev', 'sock', 'link']) tour.unlink(dir, name)
  tour.rmdir(dir, 'd').rmdir(1, `v${version}`)
  tour.say('keeps nothing', 700, p(), { silent: true })
  tour.closeSession(session)
  return { steps: tour.steps, next: inode }
}

/** Every number that may be a message. */
const numbers = [
  ...[0, 1, 2, 3, 9, 10, 11, 80, 81, 82, 349, 362, 600, 699, 700, 701, 702, 704, 706, 707, 9999],
  ...Array.from({ length: 12 }, (_, i) => 350 + i),
  ...Array.from({ length: 100 }, (_, i) => 400 + i),
]

/** Messages of no sense: each on a connection of its own, because most end it. */
function nonsense(session: number): Step[] {
  const steps: Step[] = []
  for (const type of numbers) {
    for (const [what, payload] of [
      ['a msgid', p().u32(7)],
      ['200 zeros', p().raw(Buffer.alloc(200))],
    ] as const) {
      const stranger = new Tour('3.0.117', `stranger ${type} ${what}`)
      steps.push(...stranger.say(`${type} with ${what} before registration`, type, payload, { silent: true }).steps)
      const tool = new Tour('3.0.117', `tool ${type} ${what}`)
      tool.registerTool(session).say(`${type} with ${what} from a tool`, type, payload, { silent: true })
      steps.push(...tool.steps)
    }
  }
  return steps
}

function script(chosen = versions): Step[] {
  let [next, session] = [2, 1]
  return chosen.flatMap(version => {
    const { steps, next: after } = life(version, session++, next)
    next = after
    return steps
  })
}

function play(cluster: Cluster, steps: Step[]): Played[] {
  const program = join(import.meta.dirname, 'packet-player.ts')
  const { stdout, stderr, status } = cluster.feed(JSON.stringify(steps), process.execPath, program, MASTER_IP, '9421')
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** Where ours answers other bytes on purpose, of the same length or not: what may be compared. */
function sameInBoth({ about }: Step, type: number, payload: Buffer): Buffer {
  // The text of the version is ours, and whoever lists in pages is told where to go on.
  if (type === 11) return payload.subarray(0, 4)
  if (type === 429 && about.includes('paged') && payload.length > 12) payload.fill(0, 4, 12)
  return payload
}

/** The same text for the same answer of another master at another time. */
function comparable(step: Step, played: Played, window: [number, number]): string {
  const packets = played.packets.map(({ type, payload }) => {
    const bytes = sameInBoth(step, type, Buffer.from(payload, 'hex'))
    for (let i = 0; i + 4 <= bytes.length; i++) {
      const value = bytes.readUInt32BE(i)
      if (value >= window[0] && value <= window[1]) bytes.writeUInt32BE(0x54545454, i)
    }
    return `${type} ${type === 705 || type === 401 ? bytes.length : bytes.toString('hex')}`
  })
  return `${packets.join(' | ')}${played.closed ? ' closed' : ''}`
}

async function answers(startMaster: (cluster: Cluster) => Promise<void>, steps: Step[]): Promise<string[]> {
  const cluster = new Cluster()
  try {
    const from = Math.floor(Date.now() / 1000)
    await startMaster(cluster)
    const played = play(cluster, steps)
    const window: [number, number] = [from - 5, Math.floor(Date.now() / 1000) + 5]
    return played.map((one, i) => comparable(steps[i] as Step, one, window))
  } finally {
    await cluster.close()
  }
}

if (process.env.NODE_TEST_CONTEXT)
  test('every message of every version is answered as by the real master', { skip: whyNot() ?? false }, async () => {
    installPackages()
    const steps = [...script(), ...new Tour('3.0.117', 'mount').register().steps, ...nonsense(versions.length + 1)]
    const real = await answers(async cluster => cluster.startRealMaster(), steps)
    const ours = await answers(cluster => cluster.startOurMaster(), steps)
    const differing = steps.flatMap(({ about }, i) =>
      ours[i] === real[i] ? [] : [`${about}\n  ours: ${ours[i]}\n  real: ${real[i]}`],
    )
    assert.equal(differing.join('\n'), '')
  })
