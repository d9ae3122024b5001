// Giving up root's rights (spec daemons-and-config 1.5).
import { readFileSync } from 'node:fs'
import { StartError } from './config-file.ts'

export interface Identity {
  uid: number
  gid: number
}

/** One line of passwd or group, split. */
function entry(file: string, matches: (fields: string[]) => boolean): string[] | undefined {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map(line => line.split(':'))
    .find(fields => fields.length > 3 && matches(fields))
}

/**
 * The numbers of WORKING_USER and WORKING_GROUP: names, or `#` and a number. Without a group, the user's own one.
 * @throws StartError when there is no such user or group
 */
export function resolveIdentity(user: string, group: string | undefined): Identity {
  const userNumber = numbered(user)
  const account = entry('/etc/passwd', ([name, , uid]) =>
    userNumber === undefined ? name === user : Number(uid) === userNumber,
  )
  const uid = userNumber ?? (account ? Number(account[2]) : undefined)
  if (uid === undefined)
    throw new StartError(`${user}: no such user: create it (useradd --system ${user}) or set WORKING_USER`)
  if (group) {
    const gid = numbered(group) ?? Number(entry('/etc/group', ([name]) => name === group)?.[2] ?? Number.NaN)
    if (Number.isNaN(gid))
      throw new StartError(`${group}: no such group: create it (groupadd --system ${group}) or set WORKING_GROUP`)
    return { uid, gid }
  }
  if (!account) throw new StartError(`user ${user} has no entry in /etc/passwd: set WORKING_GROUP`)
  return { uid, gid: Number(account[3]) }
}

/** Users and groups of this machine, for files that name them. */
export const systemNames = {
  /** @param name or number */
  uid(name: string): Identity | undefined {
    const account = entry('/etc/passwd', ([other, , uid]) => other === name || uid === name)
    return account && { uid: Number(account[2]), gid: Number(account[3]) }
  },
  gid(name: string): number | undefined {
    const group = entry('/etc/group', ([other]) => other === name)
    return group && Number(group[2])
  },
}

function numbered(text: string): number | undefined {
  return /^#\d+$/.test(text) ? Number(text.slice(1)) : undefined
}

/** Becomes this user for good. Groups are those of the user, none of root's. */
export function become({ uid, gid }: Identity): void {
  process.setgroups?.([gid])
  process.setgid?.(gid)
  process.setuid?.(uid)
}
