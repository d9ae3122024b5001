/** Messages for administrators. One line each: what happened, to what, and what was or must be done. */
export interface Log {
  debug(message: string): void
  info(message: string): void
  notice(message: string): void
  warning(message: string): void
  error(message: string): void
}
