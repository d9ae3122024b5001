import { Status, statusName } from '../protocol/status.ts'

/** An entry that does not fit the state: the log is not of this state, or one of the two is damaged. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError'
  readonly status: Status

  constructor(status: Status, what: string) {
    super(`${what} (${statusName(status)})`)
    this.status = status
  }
}

export function fail(status: Status, what: string): never {
  throw new ReplayError(status, what)
}

/** The logged outcome must be the computed one. */
export function expectResult(what: string, logged: number | bigint, computed: number | bigint): void {
  if (logged !== computed) fail(Status.MISMATCH, `${what} is ${computed}, the log says ${logged}`)
}
