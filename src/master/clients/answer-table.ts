// Which requests of each session were answered of late, and with what: as the log tells it, whoever leads.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { JobRecord, Trailer } from '../../metadata/changelog/trailer.ts'
import type { SessionId } from '../../metadata/types.ts'
import { hashText, mix32 } from '../../util/hash-index.ts'
import { Oldest } from '../../util/oldest.ts'
import type { ClientPeer } from './context.ts'

/** More than any mount has requests on their way. */
const RECORDS_PER_SESSION = 1024
export const THINGS_PER_REQUEST = 4

/**
 * A client's connection; its identity tells a repeat from a new request. It counts the seconds of its life one by one, so
 * that those in which this master stood still, and the client may have given up, are none.
 */
export interface AnswerLink extends ClientPeer {
  readonly seconds: number
  /** As many seconds when the client was heard last. */
  readonly heardSeconds: number
}

/** What an entry changes, as numbers: names by their parents, everything else by its inode. */
export function thingsChanged(entry: Entry): number[] {
  const named = (parent: number, name: string) => 0x100000000 + hashText(name, mix32(parent))
  if (entry.op === 'MOVE') {
    return [named(entry.parentSource, entry.nameSource), named(entry.parentTarget, entry.nameTarget)]
  }
  if ('parent' in entry) return [named(entry.parent, entry.name)]
  if (entry.op === 'ACQUIRE') return []
  if ('inode' in entry) return [entry.inode]
  return 'name' in entry ? [named(0, entry.name)] : []
}

export interface Recent {
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

export const unanswered = { link: undefined, body: undefined, sentSeconds: undefined }

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

export class AnswerTable {
  readonly sessions = new Map<SessionId, SessionAnswers>()
  /** Requests that are carried out in parts, as far as the log goes. */
  readonly #unfinished = new Map<string, JobRecord>()
  /** What the lines of the present request have changed before its last one. */
  #thingsBefore: number[] = []

  /** Every line of the log in its order, at a start or on a follower. */
  remember(entry: Entry, { answer, job, received = [], more }: Trailer): void {
    for (const { sessionId, msgid } of received) this.#drop(sessionId, msgid)
    if (job) this.#unfinished.set(`${job.sessionId},${job.msgid}`, job)
    if (answer) this.#unfinished.delete(`${answer.sessionId},${answer.msgid}`)
    if (entry.op === 'SESDEL') this.sessions.delete(entry.sessionId)
    // A request may have several lines, and its answer lies behind the last one. Others have lines and no answer.
    const things = [...this.#thingsBefore, ...thingsChanged(entry)].slice(-THINGS_PER_REQUEST)
    this.#thingsBefore = more ? things : []
    if (!answer) return
    const { sessionId, msgid, type, digest, body } = answer
    // A copy: the text of a line is a part of all that came with it, and would keep that in memory.
    const own = Buffer.from(body, 'latin1').toString('latin1')
    const recent = { ...unanswered, msgid, type: type - 1, digest, body: own, things }
    const answers = this.of(sessionId)
    answers.add(recent)
    answers.answered(recent)
  }

  /** What is left of them is gone from the table. */
  takeUnfinished(): JobRecord[] {
    const jobs = [...this.#unfinished.values()]
    this.#unfinished.clear()
    return jobs
  }

  /** The log has come to its end: sessions that ended ask nothing again. */
  keepOnly(exists: (sessionId: SessionId) => boolean): void {
    for (const sessionId of [...this.sessions.keys()]) if (!exists(sessionId)) this.sessions.delete(sessionId)
    for (const [key, { sessionId }] of [...this.#unfinished]) if (!exists(sessionId)) this.#unfinished.delete(key)
  }

  of(sessionId: SessionId): SessionAnswers {
    const known = this.sessions.get(sessionId)
    if (known) return known
    const answers = new SessionAnswers()
    this.sessions.set(sessionId, answers)
    return answers
  }

  #drop(sessionId: SessionId, msgid: number): void {
    const answers = this.sessions.get(sessionId)
    const recent = answers?.byMsgid.get(msgid)
    if (!recent || !answers) return
    answers.drop(recent)
    if (answers.byMsgid.size === 0) this.sessions.delete(sessionId)
  }
}
