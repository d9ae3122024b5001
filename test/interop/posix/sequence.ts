// Random sequences of system calls for syscalls.c: the same seed gives the same lines, whatever the calls answer.

/** User and groups of the processes; the number of a process is its place here. */
export const identities = ['0:0', '1000:1000,2000', '1001:1001,2000', '1000:1000']

type Random = () => number

/** Numbers in [0, 1) from a seed. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const O = {
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  DIRECTORY: 0o200000,
  NOFOLLOW: 0o400000,
  PATH: 0o10000000,
}
const folders = ['.', 'd0', 'd1', 'd0/e0', 'd0/e1', 'd1/e0']
const leaves = ['a', 'b', 'c', 'f', 'g', 'h']
const links = ['l0', 'l1', 'd0/l0']
const modes = [0, 0o400, 0o444, 0o600, 0o640, 0o644, 0o660, 0o666, 0o700, 0o711, 0o755, 0o770, 0o777]
const special = [0o1000, 0o2000, 0o4000, 0o6000, 0o7000]
const owners = [0, 1000, 1001, -1]
const groups = [0, 1000, 1001, 2000, -1]
const offsets = [0, 0, 1, 100, 4095, 4096, 8192, 65535, 65536, 70000, 1 << 20, (64 << 20) - 10, (64 << 20) + 5]
const lengths = [0, 1, 10, 511, 4096, 10_000, 65536, 100_000]
const seconds = [0, 1, 100_000_000, 1_600_000_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32, -1, -86_400]
const nanoseconds = ['0', '1', '500000000', '999999999', 'now', 'omit', '1000000000']
const xattrs = ['user.a', 'user.b', `user.${'n'.repeat(250)}`, 'trusted.t', 'security.s']
const xattrBytes = [0, 1, 100, 4096, 65536, 65537]
const acls = [
  'u:7,g:5,o:0',
  'u:6,g:4,o:4',
  'u:7,g:7,m:5,o:0',
  'u:6,u1000:7,g:4,m:6,o:0',
  'u:7,u1001:0,g:5,m:7,o:5',
  'u:7,u1000:4,u1001:6,g:0,g2000:7,m:7,o:0',
  'u:0,g:0,g2000:6,m:6,o:7',
  'u:7,u1000:7,g:5,o:5',
  'u:7,o:5',
  'u:7,u:7,g:5,o:5',
]

class Writer {
  readonly #random: Random
  readonly calls: string[] = []

  constructor(random: Random) {
    this.#random = random
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  byte(): number {
    return Math.floor(this.#random() * 256)
  }

  slot(): number {
    return Math.floor(this.#random() * 6)
  }

  folderMode(): string {
    return this.pick(['0777', '0777', '0755', '01777', '0700', '02775', '0711', '0555', '0'])
  }

  mode(): string {
    const mode = this.pick(modes) | (this.chance(0.2) ? this.pick(special) : 0)
    return `0${mode.toString(8)}`
  }

  folder(): string {
    return this.pick(folders)
  }

  path(): string {
    const plain = this.chance(0.2)
      ? this.pick(links)
      : this.chance(0.3)
        ? this.folder()
        : `${this.folder()}/${this.pick(leaves)}`
    if (this.chance(0.88)) return plain
    return this.pick([
      `${plain}/`,
      `${plain}/.`,
      `${plain}/x`,
      `missing/${plain}`,
      `l0/${this.pick(leaves)}`,
      `d0/../${plain}`,
      `${plain}/..`,
      'n'.repeat(255),
      'n'.repeat(256),
      `${'./'.repeat(2046)}a`,
      `${'./'.repeat(2048)}a`,
      '%n',
    ])
  }

  target(): string {
    return this.pick([...leaves, 'd0', 'd1/e0', 'l1', 'l0', '../a', 'missing', '.', 't'.repeat(300), '%n'])
  }

  flags(): string {
    const { chance } = this
    const with_ = (probability: number, flag: number) => (chance.call(this, probability) ? flag : 0)
    const flags =
      this.pick([0, O.WRONLY, O.RDWR, O.RDWR]) |
      with_(0.5, O.CREAT) |
      with_(0.15, O.EXCL) |
      with_(0.15, O.TRUNC) |
      with_(0.2, O.APPEND) |
      with_(0.08, O.DIRECTORY) |
      with_(0.08, O.NOFOLLOW) |
      with_(0.04, O.DSYNC) |
      with_(0.03, O.PATH) |
      // A fifo without its other end would wait for ever.
      O.NONBLOCK
    return `0${flags.toString(8)}`
  }

  times(): string {
    const one = () => {
      const nanosecond = this.pick(nanoseconds)
      return `${this.pick(seconds)} ${nanosecond}`
    }
    return `${one()} ${one()}`
  }

  device(): string {
    return this.pick(['1 3', '1 5', '1 7', '240 77'])
  }
}

type Call = (w: Writer) => string

/** How often which call comes. */
const calls: [weight: number, call: Call][] = [
  [14, w => `open ${w.slot()} ${w.path()} ${w.flags()} ${w.mode()}`],
  [5, w => `close ${w.slot()}`],
  [1, w => `dup ${w.slot()} ${w.slot()}`],
  [4, w => `read ${w.slot()} ${w.pick(lengths)}`],
  [4, w => `pread ${w.slot()} ${w.pick(offsets)} ${w.pick(lengths)}`],
  [7, w => `write ${w.slot()} ${w.pick(lengths)} ${w.byte()}`],
  [5, w => `pwrite ${w.slot()} ${w.pick(offsets)} ${w.pick(lengths)} ${w.byte()}`],
  [2, w => `lseek ${w.slot()} ${w.pick([...offsets, -1])} ${w.pick([0, 0, 1, 2])}`],
  [2, w => `truncate ${w.path()} ${w.pick([...offsets, -1])}`],
  [3, w => `ftruncate ${w.slot()} ${w.pick([...offsets, -1])}`],
  [2, w => `fallocate ${w.slot()} ${w.pick([0, 0, 1, 3, 16, 17])} ${w.pick(offsets)} ${w.pick(lengths)}`],
  [1, w => `posix_fallocate ${w.slot()} ${w.pick(offsets)} ${w.pick(lengths)}`],
  [9, w => `rename ${w.path()} ${w.path()}`],
  [2, w => `renameat2 ${w.path()} ${w.path()} ${w.pick([0, 1, 2, 3])}`],
  [6, w => `link ${w.path()} ${w.path()}`],
  [1, w => `linkat ${w.path()} ${w.path()} ${w.pick([0, 0x400])}`],
  [1, w => `linkfd ${w.slot()} ${w.path()}`],
  [4, w => `symlink ${w.target()} ${w.chance(0.6) ? w.pick(links) : w.path()}`],
  [2, w => `readlink ${w.chance(0.6) ? w.pick(links) : w.path()}`],
  [8, w => `unlink ${w.path()}`],
  [5, w => `rmdir ${w.chance(0.6) ? w.folder() : w.path()}`],
  [8, w => `mkdir ${w.folder()} ${w.folderMode()}`],
  [3, w => `mkdir ${w.path()} ${w.mode()}`],
  [1, w => `mkfifo ${w.path()} ${w.mode()}`],
  [1, w => `socket ${w.path()}`],
  [2, w => `mknod ${w.path()} ${Number(w.mode()) | w.pick([0o100000, 0o20000, 0o60000, 0o10000, 0])} ${w.device()}`],
  [4, w => `chmod ${w.folder()}/${w.pick(leaves)} ${w.mode()}`],
  [1, w => `chmod ${w.path()} ${w.mode()}`],
  [2, w => `chmod ${w.folder()} ${w.folderMode()}`],
  [2, w => `fchmod ${w.slot()} ${w.mode()}`],
  [4, w => `chown ${w.path()} ${w.pick(owners)} ${w.pick(groups)}`],
  [1, w => `lchown ${w.path()} ${w.pick(owners)} ${w.pick(groups)}`],
  [2, w => `fchown ${w.slot()} ${w.pick(owners)} ${w.pick(groups)}`],
  [3, w => `utimens ${w.path()} ${w.times()}`],
  [1, w => `lutimens ${w.path()} ${w.times()}`],
  [2, w => `futimens ${w.slot()} ${w.times()}`],
  [3, w => `access ${w.path()} ${w.pick([0, 1, 2, 4, 6, 7])}`],
  [1, w => `eaccess ${w.path()} ${w.pick([0, 1, 2, 4, 6, 7])}`],
  [5, w => `stat ${w.path()}`],
  [4, w => `lstat ${w.path()}`],
  [4, w => `fstat ${w.slot()}`],
  [4, w => `list ${w.chance(0.7) ? w.folder() : w.path()}`],
  [1, w => `seekdir ${w.folder()} ${w.pick([0, 1, 2, 5])}`],
  [1, w => `umask ${w.pick(['0', '022', '027', '077'])}`],
  [3, w => `setxattr ${w.path()} ${w.pick(xattrs)} ${w.pick(xattrBytes)} ${w.byte()} ${w.pick([0, 0, 0, 1, 2])}`],
  [1, w => `fsetxattr ${w.slot()} ${w.pick(xattrs)} ${w.pick(xattrBytes)} ${w.byte()} ${w.pick([0, 0, 1, 2])}`],
  [2, w => `getxattr ${w.path()} ${w.pick(xattrs)} ${w.pick(['', '', '0', '50'])}`],
  [1, w => `fgetxattr ${w.slot()} ${w.pick(xattrs)}`],
  [2, w => `listxattr ${w.path()}`],
  [1, w => `removexattr ${w.path()} ${w.pick(xattrs)}`],
  [3, w => `setacl ${w.path()} ${w.pick(['a', 'd'])} ${w.pick(acls)}`],
  [2, w => `getacl ${w.path()} ${w.pick(['a', 'd'])}`],
  [1, w => `removeacl ${w.path()} ${w.pick(['a', 'd'])}`],
  [2, w => `flock ${w.slot()} ${w.pick([1, 2, 8]) | 4}`],
  [
    4,
    w => `lock ${w.slot()} ${w.pick(['set', 'set', 'get'])} ${w.pick([0, 1, 2])} ${range(w)} ${w.pick([0, 0, 1, 2])}`,
  ],
  [1, w => `${w.pick(['fsync', 'fdatasync'])} ${w.slot()}`],
  [1, w => `mapread ${w.slot()} ${w.pick([0, 4096, 65536])} ${w.pick([1, 4096, 10_000])}`],
  [2, w => `mapwrite ${w.slot()} ${w.pick([0, 4096, 65536])} ${w.pick([1, 4096, 10_000])} ${w.byte()}`],
  [1, w => `copy ${w.slot()} ${w.pick(offsets)} ${w.slot()} ${w.pick(offsets)} ${w.pick(lengths)}`],
]

function range(w: Writer): string {
  return `${w.pick([0, 0, 10, 50, 100])} ${w.pick([0, 1, 10, 40, 100, -5])}`
}

const total = calls.reduce((sum, [weight]) => sum + weight, 0)

function callAt(place: number): Call {
  let at = place
  for (const [weight, call] of calls) {
    if (at < weight) return call
    at -= weight
  }
  throw new RangeError(`${place} is beyond ${total}`)
}

/** Something to begin with. */
const beginning = [
  ...identities.map((_, process) => `${process} umask 0`),
  ...['0 mkdir d0 0777', '0 mkdir d1 0777', '1 mkdir d0/e0 0777', '2 mkdir d0/e1 0777', '3 mkdir d1/e0 01777'],
  ...['1 open 0 a 0102 0644', '1 write 0 10000 1', '2 open 0 d0/b 0102 0666', '2 write 0 100 2'],
  ...['0 open 0 d0/e0/f 0102 0666', '0 write 0 70000 3', '3 open 0 d1/e0/c 0102 0660', '3 open 1 d0/e0/f 02 0'],
  ...['1 symlink d0 l0', '2 symlink ../a d0/l0', '0 symlink missing l1'],
]

/** `length` lines for syscalls.c, ended by a look at everything. */
export function sequence(seed: number, length: number): string[] {
  const random = seeded(seed)
  const writer = new Writer(random)
  const lines = [...beginning]
  while (lines.length < length) {
    const process = Math.floor(random() * 5) % identities.length
    lines.push(`${process} ${callAt(random() * total)(writer)}`)
  }
  return lines
}
