// What may stand behind a changelog line: facts that the original does not keep. Its replay ignores everything after the
// last value of a line (spec metadata 3.3), so a line with a trailer is read by every master, restored by every tool and
// carried by every metalogger, and the trailer is durable with its line, by the same write.
//
//   <line>;A<session>,<msgid>,<answer's type>,<digest of the request>,<answer behind its msgid, base64>
//   <line>;C<session>,<msgid>,<session>,<msgid>...
//   <line>;J<session>,<msgid>,<type>,<digest of the request>,<client's version>,<note>,<request behind its msgid, base64>
//   <line>;L<session>
//   <line>;R<inode>,<end>
//   <line>;V<chunkserver>,<chunkserver>...
//   <line>;F<version>
//   <line>;T<times>     belongs to the entry itself: fine-times.ts
//   <line>;M
//
// A: the answer to the request that the line (with those right before it) carries out. A client that lost the answer
//    with its connection sends the request again; the answer is given again and nothing is done twice.
// C: the answers, told behind earlier lines, that their clients have surely received: nobody asks for them again.
// J: the request that the line carries out in part: more lines follow, and at last one with the answer. A master that
//    finds no answer goes on with the request.
// L: the session that the lease begun by a WRITE or TRUNC line belongs to.
// R: up to where a file is promised to writers that append to it.
// V: the servers that are told to raise the version of the chunk, as the line does.
// F: the version that their copies have before.
// M: more lines of the same request follow. They count only together (journal/whole-requests.ts): else a crash could
//    keep a change and lose its answer, and the request sent again would be carried out twice. Always the last part.
import type { Inode, SessionId } from '../types.ts'
import { ChangelogError } from './fields.ts'

/** One for each request that a client has on its way. */
export interface AnswerId {
  sessionId: SessionId
  msgid: number
}

/** An answer as it was, or was to be, sent. */
export interface AnswerRecord extends AnswerId {
  /** Of the answer: that of the request + 1. */
  type: number
  /** Of the request, as digestOf() gives it. */
  digest: number
  /** Payload of the answer behind its msgid, base64. */
  body: string
}

/** A request that is being carried out in several lines. */
export interface JobRecord {
  sessionId: SessionId
  msgid: number
  /** Of the request. */
  type: number
  /** As digestOf() gives it. */
  digest: number
  /** Version of the client: it selects the layout. */
  version: number
  /** What its handler needs to go on: digits and dots. */
  note: string
  /** Payload behind the msgid, base64. */
  body: string
}

export interface Trailer {
  answer?: AnswerRecord
  received?: readonly AnswerId[]
  job?: JobRecord
  leaseOwner?: SessionId
  reserved?: { inode: Inode; end: number }
  /** Ids of chunkservers. */
  raisedOn?: readonly number[]
  /** Version of the copies on these servers before. */
  raisedFrom?: number
  /** More lines of the same request follow. */
  more?: true
}

const SEPARATOR = ';'
const MORE = `${SEPARATOR}M`

export function printTrailer(trailer: Trailer): string {
  const { answer, received, job, leaseOwner, reserved, raisedOn, raisedFrom, more } = trailer
  let printed = ''
  if (answer) {
    const { sessionId, msgid, type, digest, body } = answer
    printed += `${SEPARATOR}A${sessionId},${msgid},${type},${digest},${body}`
  }
  if (received) printed += `${SEPARATOR}C${received.map(({ sessionId, msgid }) => `${sessionId},${msgid}`).join(',')}`
  if (job) {
    const { sessionId, msgid, type, digest, version, note, body } = job
    printed += `${SEPARATOR}J${sessionId},${msgid},${type},${digest},${version},${note},${body}`
  }
  if (leaseOwner !== undefined) printed += `${SEPARATOR}L${leaseOwner}`
  if (reserved) printed += `${SEPARATOR}R${reserved.inode},${reserved.end}`
  if (raisedOn) printed += `${SEPARATOR}V${raisedOn.join(',')}`
  if (raisedFrom !== undefined) printed += `${SEPARATOR}F${raisedFrom}`
  if (more) printed += MORE
  return printed
}

/** Whether more lines of the same request follow; without parsing, for every line that is read. */
export function saysMore(line: string): boolean {
  return line.endsWith(MORE)
}

/** Where the trailer of a line or line body begins; its length when there is none. Parentheses in values are escaped. */
export function trailerStart(line: string): number {
  const start = line.indexOf(SEPARATOR, line.lastIndexOf(')') + 1)
  return start < 0 ? line.length : start
}

const ANSWER = /^A(\d{1,10}),(\d{1,10}),(\d{1,10}),(\d{1,16}),([A-Za-z0-9+/=]*)$/
const RECEIVED = /^C\d{1,10},\d{1,10}(?:,\d{1,10},\d{1,10})*$/
const JOB = /^J(\d{1,10}),(\d{1,10}),(\d{1,10}),(\d{1,16}),(\d{1,10}),([\d.]*),([A-Za-z0-9+/=]*)$/
const LEASE = /^L(\d{1,10})$/
const RESERVED = /^R(\d{1,10}),(\d{1,16})$/
const FROM = /^F(\d{1,10})$/
const RAISED = /^V(\d{1,5}(?:,\d{1,5})*)$/

/** @param text from trailerStart() on. Kinds of later versions are passed over. @throws ChangelogError */
export function parseTrailer(text: string): Trailer {
  const trailer: Trailer = {}
  for (const part of text.split(SEPARATOR).slice(1)) {
    const kind = part[0]
    if (kind === 'A') trailer.answer = parseAnswer(part)
    else if (kind === 'C') trailer.received = parseReceived(part)
    else if (kind === 'J') trailer.job = parseJob(part)
    else if (kind === 'F') trailer.raisedFrom = Number(matched(FROM, part)[1])
    else if (kind === 'L') trailer.leaseOwner = Number(matched(LEASE, part)[1])
    else if (kind === 'R') {
      const [, inode, end] = matched(RESERVED, part)
      trailer.reserved = { inode: Number(inode), end: Number(end) }
    } else if (kind === 'V') trailer.raisedOn = (matched(RAISED, part)[1] as string).split(',').map(Number)
    else if (part === 'M') trailer.more = true
  }
  return trailer
}

function parseAnswer(part: string): AnswerRecord {
  const [, sessionId, msgid, type, digest, body = ''] = matched(ANSWER, part)
  return { sessionId: Number(sessionId), msgid: Number(msgid), type: Number(type), digest: Number(digest), body }
}

function parseReceived(part: string): AnswerId[] {
  const numbers = matched(RECEIVED, part)[0].slice(1).split(',').map(Number)
  return numbers.flatMap((sessionId, i) => (i % 2 === 0 ? [{ sessionId, msgid: numbers[i + 1] as number }] : []))
}

function parseJob(part: string): JobRecord {
  const [, sessionId, msgid, type, digest, version, note = '', body = ''] = matched(JOB, part)
  const numbers = { sessionId: Number(sessionId), msgid: Number(msgid), type: Number(type), digest: Number(digest) }
  return { ...numbers, version: Number(version), note, body }
}

function matched(pattern: RegExp, part: string): RegExpExecArray {
  const match = pattern.exec(part)
  if (!match) throw new ChangelogError(`"${part.slice(0, 80)}" behind the line is damaged`)
  return match
}
