// What the masters of a cluster write into etcd, as JSON for people to read (docs/high-availability.md, "In etcd").

/** A member's full name: its configured name and the id of its log. A folder that was lost is another member. */
export type MemberId = string

export const memberId = (name: string, logId: string): MemberId => `${name}/${logId}`
export const memberName = (id: MemberId): string => id.slice(0, id.lastIndexOf('/'))
/** What a member or a witness may be called. */
export const isMemberName = (name: string): boolean => /^[\w.-]{1,64}$/.test(name)

/** Where the other masters reach a member. */
export interface MemberAddress {
  readonly address: string
  readonly port: number
}

/** Key `leader`: who leads. Goes with the leader's lease. */
export interface LeaderRecord extends MemberAddress {
  readonly member: MemberId
  readonly epoch: number
}

/** A copy of the log that may not lead: a metalogger that acknowledges lines (METALOGGER_ACK). */
export interface WitnessRecord extends MemberAddress {
  readonly member: MemberId
}

/** Key `log`: what the log is, and who has all of it that was acknowledged. */
export interface LogRecord {
  readonly epoch: number
  readonly firstVersion: number
  /** Who began the epoch. */
  readonly leader: MemberId
  readonly inSync: readonly MemberId[]
  /** Have all of it too, but are not elected. */
  readonly witnesses: readonly WitnessRecord[]
}

/** Key `members/NAME`: for people and the monitor. Goes with the member's lease. */
export interface MemberRecord extends MemberAddress {
  readonly member: MemberId
  readonly version: number
  readonly epoch: number
  readonly role: string
  readonly software: string
  /** As hexadecimal text; 0: no metadata yet. */
  readonly metaId: string
}

export const recordText = (record: LeaderRecord | LogRecord | MemberRecord): string => JSON.stringify(record)

type Check = (value: unknown) => boolean
const isText: Check = value => typeof value === 'string' && value !== ''
const isNumber: Check = value => Number.isSafeInteger(value) && (value as number) >= 0
const isNames: Check = value => Array.isArray(value) && value.every(isText)
const isWitness: Check = value => {
  const { member, address, port } = (value ?? {}) as Record<string, unknown>
  return isText(member) && isText(address) && isNumber(port)
}
/** Records of before there were witnesses have none. */
const isWitnesses: Check = value => value === undefined || (Array.isArray(value) && value.every(isWitness))

function parse<T>(key: string, text: string, fields: Record<keyof T, Check>): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const record = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  for (const [name, check] of Object.entries<Check>(fields)) {
    if (!check(record[name])) throw new Error(`etcd key ${key}: "${name}" is missing or wrong in ${text.slice(0, 200)}`)
  }
  return record as T
}

const address = { address: isText, port: isNumber }

/** @throws Error naming the key and the field that is wrong */
export const parseLeader = (key: string, text: string): LeaderRecord =>
  parse<LeaderRecord>(key, text, { member: isText, epoch: isNumber, ...address })
export function parseLog(key: string, text: string): LogRecord {
  const fields = { epoch: isNumber, firstVersion: isNumber, leader: isText, inSync: isNames, witnesses: isWitnesses }
  const record = parse<LogRecord>(key, text, fields)
  return { ...record, witnesses: record.witnesses ?? [] }
}
