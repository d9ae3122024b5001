/** A moment as `2026-01-31T12:00:00Z`. @param seconds whole seconds since 1970 */
export function dateText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}
