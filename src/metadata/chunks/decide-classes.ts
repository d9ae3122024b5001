// Who may make, change and remove storage classes (spec tools-and-admin A.4).
import { Status } from '../../protocol/status.ts'
import { type Actor, type Decision, refuse, SessionFlag } from '../decision.ts'
import type { State } from '../state.ts'
import type { Seconds } from '../types.ts'
import { isClassUsed } from './apply.ts'
import { CLASS_LIMIT, PREDEFINED_CLASSES, type StorageClass } from './storage-classes.ts'

export type ClassDefinition = Omit<StorageClass, 'name'>

/** Which parts of a definition a change replaces. */
export const ClassChange = {
  ADMIN_ONLY: 0x0001,
  MODE: 0x0002,
  CREATE: 0x0004,
  KEEP: 0x0008,
  ARCHIVE: 0x0010,
  ARCHIVE_DELAY: 0x0020,
  FORCE: 0x8000,
} as const

const isAdmin = (actor: Actor) => (actor.sessionFlags & SessionFlag.ADMIN) !== 0
const isName = (name: string) => name.length > 0 && !name.includes('\0')
const MAX_COPIES = 9
const MODE_MAX = 2

function isSound({ create, keep, archive, mode }: ClassDefinition): boolean {
  return mode <= MODE_MAX && [create, keep, archive].every(({ length }) => length >= 1 && length <= MAX_COPIES)
}

function setEntry(name: string, isNew: boolean, id: number, definition: ClassDefinition, ts: Seconds) {
  const { create, keep, archive, mode, archiveDelayDays, adminOnly } = definition
  const masks = [...create, ...keep, ...archive].flat()
  const counts = { createCount: create.length, keepCount: keep.length, archiveCount: archive.length }
  return { op: 'SCSET', ts, name, isNew, ...counts, mode, archiveDelayDays, adminOnly, masks, classId: id } as const
}

export function decideCreateClass(
  { storageClasses }: State,
  actor: Actor,
  name: string,
  definition: ClassDefinition,
  ts: Seconds,
): Decision {
  if (!isAdmin(actor)) return refuse(Status.EPERM_NOTADMIN)
  if (!isName(name) || !isSound(definition)) return refuse(Status.EINVAL)
  if (storageClasses.idOf(name) !== undefined) return refuse(Status.CLASSEXISTS)
  const id = storageClasses.nextId()
  if (id > CLASS_LIMIT) return refuse(Status.CLASSLIMITREACH)
  return { status: Status.OK, entries: [setEntry(name, true, id, definition, ts)] }
}

/** @param mask bits of ClassChange; without any the definition is only shown, to anybody */
export function decideChangeClass(
  { storageClasses }: State,
  actor: Actor,
  name: string,
  mask: number,
  change: ClassDefinition,
  ts: Seconds,
): Decision<{ definition: ClassDefinition }> {
  if (mask !== 0 && !isAdmin(actor)) return refuse(Status.EPERM_NOTADMIN)
  if (!isName(name)) return refuse(Status.EINVAL)
  const id = storageClasses.idOf(name)
  const present = id === undefined ? undefined : storageClasses.get(id)
  if (id === undefined || !present) return refuse(Status.NOSUCHCLASS)
  if (mask === 0) return { status: Status.OK, entries: [], definition: present }
  if (id <= PREDEFINED_CLASSES && !(mask & ClassChange.FORCE)) return refuse(Status.EPERM)
  const definition = {
    adminOnly: mask & ClassChange.ADMIN_ONLY ? change.adminOnly : present.adminOnly,
    mode: mask & ClassChange.MODE ? change.mode : present.mode,
    create: mask & ClassChange.CREATE ? change.create : present.create,
    keep: mask & ClassChange.KEEP ? change.keep : present.keep,
    archive: mask & ClassChange.ARCHIVE ? change.archive : present.archive,
    archiveDelayDays: mask & ClassChange.ARCHIVE_DELAY ? change.archiveDelayDays : present.archiveDelayDays,
  }
  if (!isSound(definition)) return refuse(Status.EINVAL)
  return { status: Status.OK, entries: [setEntry(name, false, id, definition, ts)], definition }
}

export function decideDeleteClass(state: State, actor: Actor, name: string, ts: Seconds): Decision {
  if (!isAdmin(actor)) return refuse(Status.EPERM_NOTADMIN)
  if (!isName(name)) return refuse(Status.EINVAL)
  const id = state.storageClasses.idOf(name)
  if (id === undefined) return refuse(Status.NOSUCHCLASS)
  if (id <= PREDEFINED_CLASSES) return refuse(Status.EPERM)
  if (isClassUsed(state, id)) return refuse(Status.CLASSINUSE)
  return { status: Status.OK, entries: [{ op: 'SCDEL', ts, name, classId: id }] }
}

export function decideDuplicateClass(
  { storageClasses }: State,
  actor: Actor,
  source: string,
  target: string,
  ts: Seconds,
): Decision {
  if (!isAdmin(actor)) return refuse(Status.EPERM_NOTADMIN)
  if (!isName(source) || !isName(target)) return refuse(Status.EINVAL)
  const sourceId = storageClasses.idOf(source)
  if (sourceId === undefined) return refuse(Status.NOSUCHCLASS)
  if (storageClasses.idOf(target) !== undefined) return refuse(Status.CLASSEXISTS)
  const targetId = storageClasses.nextId()
  if (targetId > CLASS_LIMIT) return refuse(Status.CLASSLIMITREACH)
  return { status: Status.OK, entries: [{ op: 'SCDUP', ts, source, target, sourceId, targetId }] }
}

export function decideRenameClass(
  { storageClasses }: State,
  actor: Actor,
  oldName: string,
  newName: string,
  ts: Seconds,
): Decision {
  if (!isAdmin(actor)) return refuse(Status.EPERM_NOTADMIN)
  if (!isName(oldName) || !isName(newName)) return refuse(Status.EINVAL)
  const classId = storageClasses.idOf(oldName)
  if (classId === undefined) return refuse(Status.NOSUCHCLASS)
  if (classId <= PREDEFINED_CLASSES) return refuse(Status.EPERM)
  if (storageClasses.idOf(newName) !== undefined) return refuse(Status.CLASSEXISTS)
  return { status: Status.OK, entries: [{ op: 'SCREN', ts, oldName, newName, classId }] }
}
