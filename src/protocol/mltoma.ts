// Metalogger to master, in the order of their codes (spec metadata 8, where they are called ANTOMA).
import { message, optional, u8, u16, u32, u64n } from './codec.ts'

/** How a metalogger registers: with everything from now on, or with a wish for what it missed. */
export const RegisterForm = { FRESH: 1, CONTINUE: 2 } as const

export const register = message(50, 'ANTOMA_REGISTER', {
  form: u8,
  version: u32,
  /** Seconds of silence after which the master may give up. */
  timeout: u16,
  /** First wanted change; with CONTINUE only. */
  firstChange: optional(u64n),
})

export const MasterFile = { METADATA: 1, SESSIONS: 2, CHANGELOG_0: 11, CHANGELOG_1: 12 } as const
export const downloadStart = message(60, 'ANTOMA_DOWNLOAD_START', { file: u8 })
export const downloadRequest = message(62, 'ANTOMA_DOWNLOAD_REQUEST', { offset: u64n, length: u32 })
export const downloadEnd = message(64, 'ANTOMA_DOWNLOAD_END', {})
