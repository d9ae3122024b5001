// Sizes and limits that every part agrees on, with the names of the original (spec chunkserver 1.2).

export const MFSCHUNKSIZE = 0x04000000
export const MFSBLOCKSIZE = 0x10000
export const MFSBLOCKSINCHUNK = 1024

/** The version that we announce: that of the programs whose protocol we speak, 3.0.117 (spec client-master 1.2). */
export const VERSION = versionNumber(3, 0, 117)
export const VERSION_TEXT = '3.0.117-elkfs'
/**
 * Selects the layouts between a client and a master that are both ours; never announced. They agree on it by the
 * question for the option EXTENSIONS_OPTION, which the original answers as one that is not set.
 */
export const EXTENDED_VERSION = VERSION + 1
export const EXTENSIONS_OPTION = 'ELKFS_EXTENSIONS'
/** What a master of ours answers: fine times, the flags of renameat2, and where the next chunk is. */
export const EXTENSIONS = '2'
/** Asked of a master of ours by a mount: whether it lends folders; LENDS_FOLDERS if so. */
export const LENDING_OPTION = 'ELKFS_LENDING'
export const LENDS_FOLDERS = '1'

/** Asked of a master of ours: the epoch that it leads, 0 where it is the only one. */
export const EPOCH_OPTION = 'ELKFS_EPOCH'
/** Asked of a leader of ours by a chunkserver: addresses of its followers, with blanks between them. */
export const FOLLOWERS_OPTION = 'ELKFS_FOLLOWERS'

/** Whether a peer with this version text knows the messages that the original has not: those from 0x7000 on. */
export const isElkfsVersion = (text: string) => text.includes('-elkfs')

/** A version as peers announce it: major:16 middle:8 low:8, low doubled from 2.0 on (spec client-master 1.2). */
export function versionNumber(major: number, middle: number, minor: number): number {
  return major * 65536 + middle * 256 + (major >= 2 ? minor * 2 : minor)
}

/** What the export rule makes of a session (spec client-master 2.5). */
export const SessionFlag = {
  READONLY: 0x01,
  DYNAMICIP: 0x02,
  IGNOREGID: 0x04,
  ADMIN: 0x08,
  MAPALL: 0x10,
} as const
