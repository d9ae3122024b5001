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
// the change itself, a restart and a follower know it: AnswerTable is built from the lines in their order.
// That a client has had an answer for the last reason is written to the log too: how old a line is tells nothing, for
// its client may have been away while others were at work.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { JobRecord } from '../../metadata/changelog/trailer.ts'
import type { SessionId } from '../../metadata/types.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { mix32 } from '../../util/hash-index.ts'
import type { Ledger } from '../ledger.ts'
import {
  type AnswerLink,
  AnswerTable,
  type Recent,
  THINGS_PER_REQUEST,
  thingsChanged,
  unanswered,
} from './answer-table.ts'
import type { RawRequest } from './named-inodes.ts'

/** A client gives a connection up after 10 s without a word; what it sends later shows that it had all before. */
const RECEIVED_AFTER_SECONDS = 12
/** A client sends its requests again at once when it is back, at the latest after a pause of 10 s. */
const REPEATED_WITHIN_SECONDS = 60
/** Of one line of the log. */
const RECEIVED_MAX = 1000

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

export class RecentAnswers {
  readonly #ledger: Ledger
  readonly #table: AnswerTable

  /** @param table with what the log tells */
  constructor(ledger: Ledger, table = new AnswerTable()) {
    this.#ledger = ledger
    this.#table = table
  }

  /**
   * A request has come. When it is a repeat it is answered from here, at once or when the first one is done.
   * @returns undefined for a repeat, else what the request is to be carried out with
   */
  received(link: AnswerLink, type: number, payload: Buffer): OnceRequest | 'unrecorded' | undefined {
    const answers = this.#table.sessions.get(link.sessionId)
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
    this.#table.of(link.sessionId).add(fresh)
    return new OnceRequest(this, link.sessionId, fresh)
  }

  /** Requests of the log to go on with. Whoever asks again for one waits for its answer. */
  takeUnfinished(): { job: JobRecord; once: OnceRequest }[] {
    return this.#table.takeUnfinished().map(job => {
      const { sessionId, msgid, type, digest } = job
      const recent = { ...unanswered, msgid, type, digest, things: [], isJob: true as const }
      this.#table.of(sessionId).add(recent)
      return { job, once: new OnceRequest(this, sessionId, recent) }
    })
  }

  /** @internal for OnceRequest: the answer of a request that was carried out. */
  finished(sessionId: SessionId, recent: Recent, packet: Buffer, entries: readonly Entry[]): void {
    const answers = this.#table.sessions.get(sessionId)
    const mayComeAgain = answers?.byMsgid.get(recent.msgid) === recent
    if (recent.isJob || (mayComeAgain && entries.length > 0)) this.#record(sessionId, recent, packet, entries)
    else if (mayComeAgain) answers.drop(recent)
    this.#send(recent, packet)
  }

  /** @internal for OnceRequest: it will not be carried out. */
  dropUnanswered(sessionId: SessionId, recent: Recent): void {
    this.#table.sessions.get(sessionId)?.drop(recent)
  }

  #record(sessionId: SessionId, recent: Recent, packet: Buffer, entries: readonly Entry[]): void {
    const { msgid, type, digest } = recent
    const body = packet.toString('base64', 12)
    recent.body = body
    for (const entry of entries) recent.things.push(...thingsChanged(entry))
    this.#table.sessions.get(sessionId)?.answered(recent)
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

  /** The session is over. */
  forget(sessionId: SessionId): void {
    this.#table.sessions.delete(sessionId)
  }

  /**
   * Once a second: lets go of answers that were surely received, and has the log say so.
   * @param linkOf the present connection of a session
   */
  tick(linkOf: (sessionId: SessionId) => AnswerLink | undefined): void {
    const received: { sessionId: SessionId; msgid: number }[] = []
    for (const [sessionId, answers] of this.#table.sessions) {
      const link = linkOf(sessionId)
      for (const recent of link ? answers.byMsgid.values() : []) {
        if (!isReceived(recent, link as AnswerLink)) continue
        answers.drop(recent)
        received.push({ sessionId, msgid: recent.msgid })
      }
      if (answers.byMsgid.size === 0) this.#table.sessions.delete(sessionId)
    }
    while (received.length > 0) {
      this.#ledger.commit({ op: 'IDLE', ts: this.#ledger.now() }, { received: received.splice(0, RECEIVED_MAX) })
    }
  }
}

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
