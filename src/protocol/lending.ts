// What mount and master agree on about folders that are lent (master/clients/lent-folders.ts, client/borrowed-folders.ts).

/** A mount trusts what it was lent for so long after it has sent a question that was answered. */
export const LENT_MS = 100
/** So long after its last word to a mount the master takes the folder for returned: clocks do not go alike. */
export const HELD_MS = 150
/** Then a mount asks anew, so that neither side keeps what nobody uses. */
export const LENT_AT_MOST_MS = 240_000
/** Of more names nobody makes a list for this. */
export const LENT_NAMES_MAX = 20_000
