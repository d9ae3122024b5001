// What tools say when something does not go as asked: on stdout, as scripts expect of these tools.
import { getSystemErrorMap } from 'node:util'

/** One of the things asked for could not be done; the message is a whole line for stdout, as bytes (latin1). */
export class Failure extends Error {
  override readonly name = 'Failure'
}

/** What tools call a status (spec tools-and-admin, conventions), by its number. */
const STATUS_TEXTS = [
  'OK',
  'Operation not permitted',
  'Not a directory',
  'No such file or directory',
  'Permission denied',
  'File exists',
  'Invalid argument',
  'Directory not empty',
  'Chunk lost',
  'Out of memory',
  'Index too big',
  'Chunk locked',
  'No chunk servers',
  'No such chunk',
  'Chunk is busy',
  'Incorrect register BLOB',
  'Operation not completed',
  'File not opened',
  'Write not started',
  'Wrong chunk version',
  'Chunk already exists',
  'No space left',
  'IO error',
  'Incorrect block number',
  'Incorrect size',
  'Incorrect offset',
  "Can't connect",
  'Incorrect chunk id',
  'Disconnected',
  'CRC error',
  'Operation delayed',
  "Can't create path",
  'Data mismatch',
  'Read-only file system',
  'Quota exceeded',
  'Bad session id',
  'Password is needed',
  'Incorrect password',
  'Attribute not found',
  'Operation not supported',
  'Result too large',
  'Entity not found',
  'Entity is active',
  'Chunkserver not present',
  'Waiting on lock',
  'Resource temporarily unavailable',
  'Interrupted system call',
  'Operation canceled',
  'No such file or directory (not cacheable)',
  'Operation not permitted (mfs admin only)',
  'Class name already in use',
  'Maximum number of classes reached',
  'No such class',
  'Class in use',
]

/** @returns `No such file or directory` for 3 */
export const statusText = (status: number) => STATUS_TEXTS[status] ?? 'Unknown MFS error'

/** The master answered with this status. */
export class Refusal extends Error {
  override readonly name = 'Refusal'

  constructor(status: number) {
    super(statusText(status))
  }
}

/** What C programs call an error of the system: `No such file or directory` for ENOENT. */
export function systemErrorText(error: unknown): { code: string; text: string } {
  const { code = 'EUNKNOWN', errno = 0 } = error as NodeJS.ErrnoException
  const text = C_TEXTS[code] ?? getSystemErrorMap().get(errno)?.[1] ?? String(error)
  return { code, text: text.charAt(0).toUpperCase() + text.slice(1) }
}

/** Where libuv calls them something else. */
const C_TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EEXIST: 'File exists',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  ENOTCONN: 'Transport endpoint is not connected',
}
