/** An error as the system gives it. Without a stack, because that takes longest and says nothing here. */
export function failure(code: string, what: string): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = new Error(`${code}: ${what}`)
  Error.stackTraceLimit = stackTraceLimit
  return Object.assign(error, { code })
}
