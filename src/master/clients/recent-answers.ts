// Exactly once: a client that lost its connection sends every request without an answer again, unchanged and with the same
// msgid. What was carried out already is answered again from here (spec client-master 7.2, master-behaviour 11).
//
// A client has one request on its way for each msgid, and uses msgids again. So there is one answer to keep for each
// (session, msgid), and a request is a repeat when it is the first one with its msgid on a new connection and has the
// bytes of the last one on an older connection. It is none when the client can be seen to have had the answer:
//
//   - another request came with the same msgid,
//   - the session has changed the same thing since (a kernel sends nothing on a name or inode that it still waits for),
//   - the connection went on for so long after the answer that the client would have given it up without it.
//
// Each record lies behind the changelog line that it belongs to (metadata/changelog/trailer.ts). So it is as durable as
// the change itself, a restart and a follower know it, and remember() rebuilds the table from the lines in their order.
// That a client has had an answer for the last reason is written to the log too: how old a line is tells nothing, for
// its client may have been away while others were at work.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { JobRecord, Trailer } from '../../metadata/changelog/trailer.ts'
import type { SessionId } from '../../metadata/types.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { hashText, mix32 } from '../../util/hash-index.ts'
import { Oldest } from '../../util/oldest.ts'
import type { Ledger } from '../ledger.ts'
import type { ClientPeer } from './context.ts'
import type { RawRequest } from './named-inodes.ts'

/** A client gives a connection up after 10 s without a word; what it sends later shows that it had all before. */
const RECEIVED_AFTER_SECONDS = 12
/** A client sends its requests again at once when it is back, at the latest after a pause of 10 s. */
const REPEATED_WITHIN_SECONDS = 60
/** Of one line of the log. */
const RECEIVED_MAX = 1000
/** More than any mount has requests on their way. */
const RECORDS_PER_SESSION = 1024
const THINGS_PER_REQUEST = 4

/**
 * Requests that are not the same when they are done twice. Beginnings of writes and locks are (their owners are known),
 * and so is everything that only reads. The end of a write is not where it has made the file longer, and somebody else
 * has cut it since.
 */
const recorded: ReadonlySet<number> = new Set(
  [
    ...[cltoma.fuseSetattr, cltoma.fuseSymlink, cltoma.fuseMknod, cltoma.fuseMkdir, cltoma.fuseUnlink],
    ...[cltoma.fuseRmdir, cltoma.fuseRename, cltoma.fuseLink, cltoma.fuseCreate, cltoma.fuseTruncate],
    ...[cltoma.fuseSetxattr, cltoma.fuseSetfacl, cltoma.fuseAppendSlice, cltoma.fuseWriteChunkEnd],
    ...[cltoma.fuseSnapshot, cltoma.fuseRepair, cltoma.fuseSettrashtime, cltoma.fuseSetsclass],
    ...[cltoma.fuseSeteattr, cltoma.fuseQuotacontrol, cltoma.fuseArchctl, cltoma.fuseSettrashpath],
    ...[cltoma.fuseUndel, cltoma.fusePurge, cltoma.sclassCreate, cltoma.sclassChange, cltoma.sclassDelete],
    ...[cltoma.sclassDuplicate, cltoma.sclassRename],
  ].map(({ code }) => code),
)

/**
 * A client's connection; its identity tells a repeat from a new request. It counts the seconds of its life one by one, so
 * that those in which this master stood still, and the client may have given up, are none.
 */
export interface AnswerLink extends ClientPeer {
  readonly seconds: number
  /** As many seconds when the client was heard last. */
  readonly heardSeconds: number
}

/** 53 bits over the bytes behind the msgid. */
export function digestOf(type: number, payload: Buffer): number {
  let [low, high] = [type ^ 0x811c9dc5, payload.length ^ 0x9e3779b9]
  for (let i = 4; i < payload.length; i++) {
    const byte = payload[i] as number
    low = Math.imul(low ^ byte, 0x01000193)
    high = Math.imul(high + byte, 0x85ebca6b) ^ (high >>> 15)
  }
  return (mix32(high) >>> 11) * 0x100000000 + mix32(low)
}

/** What an entry changes, as numbers: names by their parents, everything else by its inode. */
function thingsChanged(entry: Entry): number[] {
  const named = (parent: number, name: string) => 0x100000000 + hashText(name, mix32(parent))
  if (entry.op === 'MOVE') {
    return [named(entry.parentSource, entry.nameSource), named(entry.parentTarget, entry.nameTarget)]
  }
  if ('parent' in entry) return [named(entry.parent, entry.name)]
  if (entry.op === 'ACQUIRE') return []
  if ('inode' in entry) return [entry.inode]
  return 'name' in entry ? [named(0, entry.name)] : []
}

interface Recent {
  readonly msgid: number
  readonly type: number
  readonly digest: number
  /** Where the answer goes or went; undefined when that was before the start of this master. */
  link: AnswerLink | undefined
  /** Payload behind the msgid, base64; undefined while the request is being carried out. */
  body: string | undefined
  /** Seconds of `link` when the answer left on it; undefined before. */
  sentSeconds: number | undefined
  readonly things: number[]
  /** The log tells of it before its end, and must tell of that, too. */
  isJob?: true
}

/** The recent requests of one session. */
class SessionAnswers {
  readonly byMsgid = new Map<number, Recent>()
  readonly #oldest = new Oldest(this.byMsgid)
  readonly #byThing = new Map<number, Recent>()

  add(recent: Recent): void {
    const before = this.byMsgid.get(recent.msgid)
    if (before) this.drop(before)
    this.byMsgid.set(recent.msgid, recent)
    if (this.byMsgid.size <= RECORDS_PER_SESSION) return
    const oldest = this.byMsgid.get(this.#oldest.take() ?? recent.msgid)
    if (oldest) this.drop(oldest)
  }

  /** The answer is there: what it changed nobody waits for any more from before. */
  answered(recent: Recent): void {
    for (const thing of recent.things) {
      const before = this.#byThing.get(thing)
      if (before && before !== recent) this.drop(before)
      this.#byThing.set(thing, recent)
    }
  }

  drop(recent: Recent): void {
    if (this.byMsgid.get(recent.msgid) === recent) this.byMsgid.delete(recent.msgid)
    for (const thing of recent.things) if (this.#byThing.get(thing) === recent) this.#byThing.delete(thing)
  }
}

export class RecentAnswers {
  readonly #ledger: Ledger
  readonly #sessions = new Map<SessionId, SessionAnswers>()
  /** For remember(): requests that were being carried out in parts when the log ended. */
  readonly #unfinished = new Map<string, JobRecord>()
  /** For remember(): what the lines of the present request have changed before its last one. */
  #thingsBefore: number[] = []

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /**
   * A request has come. When it is a repeat it is answered from here, at once or when the first one is done.
   * @returns undefined for a repeat, else what the request is to be carried out with
   */
  received(link: AnswerLink, type: number, payload: Buffer): OnceRequest | 'unrecorded' | undefined {
    const answers = this.#sessions.get(link.sessionId)
    if (payload.length < 4) return 'unrecorded'
    const msgid = payload.readUInt32BE(0)
    const recent = answers?.byMsgid.get(msgid)
    if (recent && answers) {
      if (recent.link !== link && recent.type === type && recent.digest === digestOf(type, payload)) {
        recent.link = link
        recent.sentSeconds = undefined
        if (recent.body !== undefined) this.#answerAgain(recent, recent.body)
        return undefined
      }
      answers.drop(recent)
    }
    if (!recorded.has(type)) return 'unrecorded'
    const fresh = { ...unanswered, msgid, type, digest: digestOf(type, payload), link, things: [] }
    this.#of(link.sessionId).add(fresh)
    return new OnceRequest(this, link.sessionId, fresh)
  }

  /** Rebuilds the table: every line of the log in its order, at a start or on a follower. */
  remember(entry: Entry, { answer, job, received = [], more }: Trailer): void {
    for (const { sessionId, msgid } of received) this.#drop(sessionId, msgid)
    if (job) this.#unfinished.set(`${job.sessionId},${job.msgid}`, job)
    if (answer) this.#unfinished.delete(`${answer.sessionId},${answer.msgid}`)
    // A request may have several lines, and its answer lies behind the last one. Others have lines and no answer.
    const things = [...this.#thingsBefore, ...thingsChanged(entry)].slice(-THINGS_PER_REQUEST)
    this.#thingsBefore = more ? things : []
    if (!answer) return
    const { sessionId, msgid, type, digest, body } = answer
    const recent = { ...unanswered, msgid, type: type - 1, digest, body, things }
    const answers = this.#of(sessionId)
    answers.add(recent)
    answers.answered(recent)
  }

  /** After remember(): requests to go on with. Whoever asks again for one waits for its answer. */
  takeUnfinished(): { job: JobRecord; once: OnceRequest }[] {
    const jobs = [...this.#unfinished.values()]
    this.#unfinished.clear()
    return jobs.map(job => {
      const { sessionId, msgid, type, digest } = job
      const recent = { ...unanswered, msgid, type, digest, things: [], isJob: true as const }
      this.#of(sessionId).add(recent)
      return { job, once: new OnceRequest(this, sessionId, recent) }
    })
  }

  /** @internal for OnceRequest: the answer of a request that was carried out. */
  finished(sessionId: SessionId, recent: Recent, packet: Buffer, entries: readonly Entry[]): void {
    const answers = this.#sessions.get(sessionId)
    const mayComeAgain = answers?.byMsgid.get(recent.msgid) === recent
    if (recent.isJob || (mayComeAgain && entries.length > 0)) this.#record(sessionId, recent, packet, entries)
    else if (mayComeAgain) answers.drop(recent)
    this.#send(recent, packet)
  }

  /** @internal for OnceRequest: it will not be carried out. */
  dropUnanswered(sessionId: SessionId, recent: Recent): void {
    this.#sessions.get(sessionId)?.drop(recent)
  }

  #record(sessionId: SessionId, recent: Recent, packet: Buffer, entries: readonly Entry[]): void {
    const { msgid, type, digest } = recent
    const body = packet.toString('base64', 12)
    recent.body = body
    for (const entry of entries) recent.things.push(...thingsChanged(entry))
    this.#sessions.get(sessionId)?.answered(recent)
    this.#ledger.attach({ answer: { sessionId, msgid, type: type + 1, digest, body } })
  }

  #answerAgain(recent: Recent, body: string): void {
    const { msgid, type } = recent
    const data = Buffer.from(body, 'base64')
    const packet = Buffer.allocUnsafe(12 + data.length)
    packet.writeUInt32BE(type + 1, 0)
    packet.writeUInt32BE(4 + data.length, 4)
    packet.writeUInt32BE(msgid, 8)
    data.copy(packet, 12)
    this.#send(recent, packet)
  }

  #send(recent: Recent, packet: Buffer): void {
    this.#ledger.whenCommitted(() => {
      recent.sentSeconds = recent.link?.seconds
      recent.link?.send(packet)
    })
  }

  #drop(sessionId: SessionId, msgid: number): void {
    const answers = this.#sessions.get(sessionId)
    const recent = answers?.byMsgid.get(msgid)
    if (recent) answers?.drop(recent)
  }

  #of(sessionId: SessionId): SessionAnswers {
    const known = this.#sessions.get(sessionId)
    if (known) return known
    const answers = new SessionAnswers()
    this.#sessions.set(sessionId, answers)
    return answers
  }

  /** The session is over. */
  forget(sessionId: SessionId): void {
    this.#sessions.delete(sessionId)
  }

  /** After remember(): sessions that ended meanwhile ask nothing again. */
  keepOnly(exists: (sessionId: SessionId) => boolean): void {
    for (const sessionId of [...this.#sessions.keys()]) if (!exists(sessionId)) this.#sessions.delete(sessionId)
    for (const [key, { sessionId }] of [...this.#unfinished]) if (!exists(sessionId)) this.#unfinished.delete(key)
  }

  /**
   * Once a second: lets go of answers that were surely received, and has the log say so.
   * @param linkOf the present connection of a session
   */
  tick(linkOf: (sessionId: SessionId) => AnswerLink | undefined): void {
    const received: { sessionId: SessionId; msgid: number }[] = []
    for (const [sessionId, answers] of this.#sessions) {
      const link = linkOf(sessionId)
      for (const recent of link ? answers.byMsgid.values() : []) {
        if (!isReceived(recent, link as AnswerLink)) continue
        answers.drop(recent)
        received.push({ sessionId, msgid: recent.msgid })
      }
      if (answers.byMsgid.size === 0) this.#sessions.delete(sessionId)
    }
    while (received.length > 0) {
      this.#ledger.commit({ op: 'IDLE', ts: this.#ledger.now() }, { received: received.splice(0, RECEIVED_MAX) })
    }
  }
}

const unanswered = { link: undefined, body: undefined, sentSeconds: undefined }

function isReceived({ body, link: sentOn, sentSeconds }: Recent, link: AnswerLink): boolean {
  if (body === undefined) return false
  if (sentOn !== link) return link.heardSeconds > REPEATED_WITHIN_SECONDS
  return sentSeconds !== undefined && link.heardSeconds - sentSeconds > RECEIVED_AFTER_SECONDS
}

/** One request on its way to its only answer. */
export class OnceRequest {
  readonly #answers: RecentAnswers
  readonly #sessionId: SessionId
  readonly #recent: Recent
  readonly #entries: Entry[] = []

  constructor(answers: RecentAnswers, sessionId: SessionId, recent: Recent) {
    this.#answers = answers
    this.#sessionId = sessionId
    this.#recent = recent
  }

  committed(entry: Entry): void {
    this.#entries.push(entry)
  }

  /** As committed(), for one of very many: the first ones stand for all. */
  committedPart(entry: Entry): void {
    if (this.#entries.length < THINGS_PER_REQUEST) this.#entries.push(entry)
  }

  /** The request as it is put behind a line that carries out a part of it. */
  asJob({ payload, version }: RawRequest, note: string): JobRecord {
    const { msgid, type, digest } = this.#recent
    this.#recent.isJob = true
    return { sessionId: this.#sessionId, msgid, type, digest, version, note, body: payload.toString('base64', 4) }
  }

  /** The client has gone and has not asked again: if it does, the request is a new one. @returns whether it is so */
  dropIfGone(): boolean {
    const isGone = this.#recent.link?.sessionId === 0
    if (isGone) this.#answers.dropUnanswered(this.#sessionId, this.#recent)
    return isGone
  }

  /** Answers, on the connection that the client waits on now. */
  answer(packet: Buffer): void {
    this.#answers.finished(this.#sessionId, this.#recent, packet, this.#entries)
  }
}
