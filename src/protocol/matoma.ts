// Master to master, and mfsha to a master: ElkFS's own messages on the port HA_LISTEN_PORT. The original has none.
//
//   any        ◄── CHALLENGE                    whoever connects
//   follower   HELLO ──► ◄── WELCOME | REFUSED
//              FOLLOW ──► ◄── LINES, HEARTBEAT … ACK ──►
//              FETCH ──►  ◄── CHECKPOINT_BEGIN, CHECKPOINT_PART …, CHECKPOINT_END
//   candidate  CLAIM ──► ◄── WELCOME | REFUSED   at a witness; then as a follower
//   mfsha      ADMIN ──►  ◄── ADMIN_ANSWER | REFUSED
import { blob, bytes, list, message, optional, record, rest, text, u8, u16, u32, u64, u64n } from './codec.ts'

/** Raised when a message changes; peers of another number are refused with both named. */
export const HA_PROTOCOL = 1
export const NONCE_BYTES = 32
export const PROOF_BYTES = 32
const NAME_BYTES_MAX = 255
const DIGEST_BYTES_MAX = 64

const shortText = text(u16, NAME_BYTES_MAX)
const digest = blob(u8, DIGEST_BYTES_MAX)
const epochs = list(u32, record({ epoch: u64n, firstVersion: u64n, leader: shortText }))

/** HMAC-SHA256 of the other side's nonce with HA_AUTH_CODE; zeros where none is set. */
const proof = bytes(PROOF_BYTES)

export const challenge = message(9000, 'MATOMA_CHALLENGE', { protocol: u16, nonce: bytes(NONCE_BYTES) })

export const hello = message(9001, 'MATOMA_HELLO', {
  protocol: u16,
  proof,
  nonce: bytes(NONCE_BYTES),
  software: u32,
  cluster: shortText,
  member: shortText,
  /** 0: it has no metadata yet. */
  metaId: u64,
  /** Highest epoch that it has seen: a leader of a lower one has been replaced. */
  seen: u64n,
  /** Number that its next line will get; 0: it has no metadata yet. */
  version: u64n,
  /** Of its state at `version`; empty: not known. */
  digest,
  /** Of a witness only: where it is reached. */
  witness: optional(record({ address: shortText, port: u16 })),
})

export const welcome = message(9002, 'MATOMA_WELCOME', {
  proof,
  software: u32,
  member: shortText,
  metaId: u64,
  epoch: u64n,
  version: u64n,
  /** First line that the leader can still send. */
  oldest: u64n,
  epochs,
})

/** The connection is closed after it. */
export const refused = message(9003, 'MATOMA_REFUSED', { reason: text(u16, 0xffff) })

/** Send me every line from here on. */
export const follow = message(9004, 'MATOMA_FOLLOW', { from: u64n })
/** Send me a checkpoint. */
export const fetch = message(9005, 'MATOMA_FETCH', {})

/** Changelog lines, each with its newline, the first of them numbered `firstVersion`. */
export const lines = message(9006, 'MATOMA_LINES', {
  epoch: u64n,
  firstVersion: u64n,
  count: u32,
  /** Of the state that the lines lead to; empty: not known. */
  digest,
  lines: rest,
})

/** Every line below `durable` is on the follower's disk. Sent after each sync, and as a sign of life. */
export const ack = message(9007, 'MATOMA_ACK', { epoch: u64n, durable: u64n })

/** A sign of life of the leader. `inSync`: 1 when the receiver counts for commits; a master then may be elected. */
export const heartbeat = message(9008, 'MATOMA_HEARTBEAT', { epoch: u64n, version: u64n, committed: u64n, inSync: u8 })

export const checkpointBegin = message(9009, 'MATOMA_CHECKPOINT_BEGIN', { version: u64n, size: u64n, epochs })
export const checkpointPart = message(9010, 'MATOMA_CHECKPOINT_PART', { contents: rest })
/** SHA-256 of all parts. */
export const checkpointEnd = message(9011, 'MATOMA_CHECKPOINT_END', { sum: bytes(32) })

/**
 * To a witness: take nothing more of this epoch or one before it, and let me have what you have. The witness welcomes
 * with the next epoch, once its promise is on its disk.
 */
export const claim = message(9012, 'MATOMA_CLAIM', {
  protocol: u16,
  proof,
  nonce: bytes(NONCE_BYTES),
  cluster: shortText,
  member: shortText,
  epoch: u64n,
})

/** A command of mfsha and its answer, as JSON (src/ha/admin.ts). */
export const admin = message(9020, 'MATOMA_ADMIN', {
  protocol: u16,
  proof,
  cluster: shortText,
  command: text(u32, 65536),
})
export const adminAnswer = message(9021, 'MATOMA_ADMIN_ANSWER', { answer: text(u32, 1 << 20) })
