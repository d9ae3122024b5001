// Whom the master judges the rights of: the user who runs the tool.

export const ownUid = () => process.geteuid?.() ?? 0

/** The group of new objects comes first. */
export function ownCaller(): { uid: number; gids: number[] } {
  const gid = process.getegid?.() ?? 0
  const others = (process.getgroups?.() ?? []).filter(group => group !== gid)
  return { uid: ownUid(), gids: [gid, ...others] }
}
