// What a client of any version can say, written down from the protocol's documents and not with our encoders: steps for
// packet-player.ts, to be played to the real master and to ours.

export interface Step {
  /** Name of the connection, made at its first step. */
  on: string
  /** A whole packet, hexadecimal. */
  send: string
  /** What it is, for people. */
  about: string
  /** No answer is to be expected. */
  silent?: boolean
  /** The connection ends after the answer. */
  untilClosed?: boolean
  /** Wait before it. */
  pauseMs?: number
  /** End the connection instead. */
  hangUp?: boolean
}

export interface Played {
  packets: { type: number; payload: string }[]
  closed: boolean
}

/** A payload in the making. */
export class Payload {
  readonly #pieces: Buffer[] = []

  u8(...values: number[]): this {
    this.#pieces.push(Buffer.from(values))
    return this
  }

  u16(...values: number[]): this {
    for (const value of values) {
      const piece = Buffer.alloc(2)
      piece.writeUInt16BE(value)
      this.#pieces.push(piece)
    }
    return this
  }

  u32(...values: number[]): this {
    for (const value of values) {
      const piece = Buffer.alloc(4)
      piece.writeUInt32BE(value)
      this.#pieces.push(piece)
    }
    return this
  }

  u64(...values: (number | bigint)[]): this {
    for (const value of values) {
      const piece = Buffer.alloc(8)
      piece.writeBigUInt64BE(BigInt(value))
      this.#pieces.push(piece)
    }
    return this
  }

  raw(bytes: Buffer | string): this {
    this.#pieces.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    return this
  }

  name(text: string): this {
    return this.u8(text.length).raw(text)
  }

  /** Length in 32 bits, then the bytes. */
  text(text: string): this {
    return this.u32(text.length).raw(text)
  }

  packet(type: number): string {
    const body = Buffer.concat(this.#pieces)
    const head = Buffer.alloc(8)
    head.writeUInt32BE(type, 0)
    head.writeUInt32BE(body.length, 4)
    return Buffer.concat([head, body]).toString('hex')
  }
}

export const p = () => new Payload()

/** `major.middle.minor` as on the wire. */
export function wireVersion(text: string): number {
  const [major = 0, middle = 0, minor = 0] = text.split('.').map(Number)
  return major * 65536 + middle * 256 + (major >= 2 ? minor * 2 : minor)
}

const at = wireVersion
const BLOB = 'DjI1GAQDULI5d2YjA26ypc3ovkhjvhciTQVx3CS4nYgtBoUcsljiVpsErJENHaw0'

/** Who asks: uid and groups. */
export interface Who {
  uid: number
  gids: number[]
}
const ROOT: Who = { uid: 0, gids: [0] }
const ALICE: Who = { uid: 1000, gids: [1000, 2000] }

/** A client of one version that goes through everything it can say. */
export class Tour {
  readonly steps: Step[] = []
  readonly #on: string
  readonly #version: number
  #msgid = 0
  #about = ''

  /** @param version `3.0.117` */
  constructor(version: string, on = version) {
    this.#on = on
    this.#version = at(version)
    this.#about = version
  }

  since(version: string): boolean {
    return this.#version >= at(version)
  }

  say(about: string, type: number, payload: Payload, more: Partial<Step> = {}): this {
    this.steps.push({ on: this.#on, send: payload.packet(type), about: `${this.#about}: ${about}`, ...more })
    return this
  }

  /** A request with the next msgid in front. */
  ask(about: string, type: number, payload: (p: Payload) => Payload, more: Partial<Step> = {}): this {
    return this.say(about, type, payload(p().u32(++this.#msgid)), more)
  }

  hangUp(): this {
    this.steps.push({ on: this.#on, send: '', about: `${this.#about}: hangs up`, hangUp: true })
    return this
  }

  // --- registration

  register(path = '/', sessionId?: number): this {
    const body = p().raw(BLOB).u8(2).u32(this.#version).text('/mnt/tour\0').text(`${path}\0`)
    if (sessionId !== undefined) body.u32(sessionId)
    return this.say(`registers ${path}`, 400, body)
  }

  registerMeta(): this {
    return this.say('registers for the trash', 400, p().raw(BLOB).u8(5).u32(this.#version).text('/mnt/meta\0'))
  }

  reconnect(sessionId: number): this {
    return this.say('reconnects', 400, p().raw(BLOB).u8(3).u32(sessionId, this.#version))
  }

  registerTool(sessionId: number): this {
    return this.say('is a tool', 400, p().raw(BLOB).u8(4).u32(sessionId, this.#version))
  }

  closeSession(sessionId: number): this {
    return this.say('closes its session', 400, p().raw(BLOB).u8(6).u32(sessionId), { untilClosed: true })
  }

  // --- layouts that depend on the version

  /** uid and groups, in the long form where the version has it. */
  #who(body: Payload, { uid, gids }: Who): Payload {
    if (!this.since('2.0.0')) return body.u32(uid, gids[0] ?? 0)
    return body.u32(uid, gids.length, ...gids)
  }

  mkdir(parent: number, name: string, mode = 0o755, who = ROOT, copySgid = 1): this {
    return this.ask(`mkdir ${name}`, 418, body => {
      body.u32(parent).name(name).u16(mode)
      if (this.since('2.0.0')) body.u16(0o022)
      this.#who(body, who)
      return this.since('1.6.25') ? body.u8(copySgid) : body
    })
  }

  mknod(parent: number, name: string, type: number, mode = 0o644, rdev = 0, who = ROOT): this {
    return this.ask(`mknod ${name} of type ${type}`, 416, body => {
      body.u32(parent).name(name).u8(type).u16(mode)
      if (this.since('2.0.0')) body.u16(0o022)
      return this.#who(body, who).u32(rdev)
    })
  }

  create(parent: number, name: string, mode = 0o644, who = ROOT): this {
    return this.ask(`create ${name}`, 482, body => {
      body.u32(parent).name(name).u16(mode)
      if (this.since('2.0.0')) body.u16(0o022)
      return this.#who(body, who)
    })
  }

  symlink(parent: number, name: string, target: string, who = ROOT): this {
    return this.ask(`symlink ${name}`, 414, body => this.#who(body.u32(parent).name(name).text(target), who))
  }

  inParent(about: string, type: number, parent: number, name: string, who = ROOT): this {
    return this.ask(`${about} ${name}`, type, body => this.#who(body.u32(parent).name(name), who))
  }

  lookup(parent: number, name: string, who = ROOT): this {
    return this.inParent('lookup', 406, parent, name, who)
  }

  unlink(parent: number, name: string, who = ROOT): this {
    return this.inParent('unlink', 420, parent, name, who)
  }

  rmdir(parent: number, name: string, who = ROOT): this {
    return this.inParent('rmdir', 422, parent, name, who)
  }

  rename(source: [number, string], target: [number, string], who = ROOT): this {
    return this.ask(`rename ${source[1]} to ${target[1]}`, 424, body =>
      this.#who(body.u32(source[0]).name(source[1]).u32(target[0]).name(target[1]), who),
    )
  }

  link(inode: number, parent: number, name: string, who = ROOT): this {
    return this.ask(`link ${name}`, 426, body => this.#who(body.u32(inode, parent).name(name), who))
  }

  byInode(about: string, type: number, inode: number): this {
    return this.ask(`${about} ${inode}`, type, body => body.u32(inode))
  }

  getattr(inode: number, who = ROOT, opened?: number): this {
    return this.ask(`getattr ${inode}`, 408, body => {
      body.u32(inode)
      if (opened !== undefined) body.u8(opened)
      return body.u32(who.uid, who.gids[0] ?? 0)
    })
  }

  access(inode: number, mask: number, who = ROOT): this {
    return this.ask(`access ${inode} ${mask}`, 404, body =>
      this.since('2.0.0') ? this.#who(body.u32(inode), who).u16(mask) : this.#who(body.u32(inode), who).u8(mask),
    )
  }

  setattr(inode: number, set: Partial<SetattrRequest>, who = ROOT): this {
    const { mask = 0, mode = 0, uid = 0, gid = 0, atime = 0, mtime = 0, winattr = 0, clear = 4, opened = 0 } = set
    return this.ask(`setattr ${inode} ${JSON.stringify(set)}`, 410, body => {
      body.u32(inode)
      if (this.since('1.6.28')) body.u8(opened)
      this.#who(body, who).u8(mask).u16(mode).u32(uid, gid, atime, mtime)
      if (this.since('3.0.93')) body.u8(winattr)
      return this.since('1.6.25') ? body.u8(clear) : body
    })
  }

  readdir(inode: number, form: 'short' | 'flags' | 'paged', flags = 1, who = ROOT, max = 0xffffffff, edge = 0n): this {
    return this.ask(`readdir ${inode} ${form} ${flags}`, 428, body => {
      body.u32(inode)
      if (form !== 'paged') body.u32(who.uid, who.gids[0] ?? 0)
      if (form === 'flags') body.u8(flags)
      if (form === 'paged') this.#who(body, who).u8(flags).u32(max).u64(edge)
      return body
    })
  }

  open(inode: number, flags: number, who = ROOT): this {
    return this.ask(`open ${inode} ${flags}`, 430, body => this.#who(body.u32(inode), who).u8(flags))
  }

  readChunk(inode: number, index: number): this {
    return this.ask(`read chunk ${index} of ${inode}`, 432, body => {
      body.u32(inode, index)
      return this.since('3.0.4') ? body.u8(0) : body
    })
  }

  writeChunk(inode: number, index: number, flags = 4): this {
    return this.ask(`write chunk ${index} of ${inode}`, 434, body => {
      body.u32(inode, index)
      return this.since('3.0.4') ? body.u8(flags) : body
    })
  }

  writeEnd(chunkId: number, inode: number, index: number, length: number): this {
    return this.ask(`ends the write of chunk ${chunkId}`, 436, body => {
      body.u64(chunkId).u32(inode)
      if (this.since('3.0.74')) body.u32(index)
      body.u64(length)
      return this.since('3.0.4') ? body.u8(0) : body
    })
  }

  truncate(inode: number, flags: number, length: number, who = ROOT): this {
    return this.ask(`truncate ${inode} to ${length} flags ${flags}`, 464, body =>
      this.since('1.6.28')
        ? this.#who(body.u32(inode).u8(flags), who).u64(length)
        : body.u32(inode, who.uid, who.gids[0] ?? 0).u64(length),
    )
  }

  getxattr(inode: number, name: string, mode = 0, who = ROOT, opened = 0): this {
    return this.ask(`getxattr ${inode} ${name} mode ${mode}`, 478, body => {
      if (!this.since('2.0.0')) return this.#who(body.u32(inode).u8(opened), who).name(name).u8(mode)
      return this.#who(body.u32(inode).name(name).u8(mode, opened), who)
    })
  }

  setxattr(inode: number, name: string, value: string, mode = 0, who = ROOT, opened = 0): this {
    return this.ask(`setxattr ${inode} ${name} mode ${mode}`, 480, body => {
      if (!this.since('2.0.0')) return this.#who(body.u32(inode).u8(opened), who).name(name).text(value).u8(mode)
      return this.#who(body.u32(inode).name(name).text(value).u8(mode, opened), who)
    })
  }

  setfacl(
    inode: number,
    type: number,
    perms: [number, number, number, number],
    users: [number, number][] = [],
    uid = 0,
  ) {
    return this.ask(`setfacl ${inode} ${type} ${perms}`, 490, body => {
      body
        .u32(inode, uid)
        .u8(type)
        .u16(...perms, users.length, 0)
      for (const [id, perm] of users) body.u32(id).u16(perm)
      return body
    })
  }

  flock(inode: number, command: number, owner: number, request = 1, more: Partial<Step> = {}): this {
    return this.ask(
      `flock ${inode} command ${command} owner ${owner}`,
      492,
      body => body.u32(inode, request).u64(owner).u8(command),
      more,
    )
  }

  posixLock(
    inode: number,
    command: number,
    type: number,
    owner: number,
    range: [number, bigint],
    request = 1,
    more = {},
  ) {
    return this.ask(
      `posix lock ${inode} command ${command} type ${type} owner ${owner} ${range}`,
      494,
      body =>
        body
          .u32(inode, request)
          .u64(owner)
          .u32(77)
          .u8(command, type)
          .u64(...range),
      more,
    )
  }

  snapshot(inode: number, parent: number, name: string, mode: number, who = ROOT): this {
    return this.ask(`snapshot ${inode} as ${name} mode ${mode}`, 468, body => {
      this.#who(body.u32(inode, parent).name(name), who).u8(mode)
      return this.since('2.0.0') ? body.u16(0o022) : body
    })
  }

  repair(inode: number, who = ROOT): this {
    return this.ask(`repair ${inode}`, 466, body => this.#who(body.u32(inode), who))
  }

  append(inode: number, source: number, slice?: [number, number, number], who = ROOT): this {
    return this.ask(`append ${source} to ${inode} ${slice ?? ''}`, 438, body => {
      if (!slice) return this.#who(body.u32(inode, source), who)
      const [flags, from, to] = slice
      return body.u8(flags).u32(inode, source, from, to, who.uid, who.gids.length, ...who.gids)
    })
  }
}

interface SetattrRequest {
  mask: number
  mode: number
  uid: number
  gid: number
  atime: number
  mtime: number
  winattr: number
  clear: number
  opened: number
}

export { ALICE, ROOT }
