// Which errors of a start are the administrator's to mend.
import { StartError } from './config-file.ts'

/**
 * An error of the system (a port in use, a folder without rights) or of a known kind as a StartError, whose message is
 * all that is said. Our own mistakes stay as they are and come with their stack.
 */
export function explained(error: unknown, known: readonly (abstract new (...args: never[]) => Error)[] = []): unknown {
  if (!(error instanceof Error) || error instanceof StartError) return error
  const isSystem = (error as NodeJS.ErrnoException).syscall !== undefined
  return isSystem || known.some(kind => error instanceof kind) ? new StartError(error.message, { cause: error }) : error
}
