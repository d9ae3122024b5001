// Chunks, storage classes and known chunkservers (spec metadata 4.3).
import { Status } from '../../protocol/status.ts'
import type { Operations } from '../apply.ts'
import { needChunk } from '../namespace/apply-files.ts'
import { expectResult, fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import { type KnownServer, Maintenance } from './known-servers.ts'
import { CLASS_LIMIT, type LabelMasks, OR_GROUPS, PREDEFINED_CLASSES, type StorageClass } from './storage-classes.ts'

/** What CSDBOP does. */
export const ServerOperation = {
  ADD: 0,
  DELETE: 1,
  MOVE: 2,
  SET_ID: 3,
  MAINTENANCE_ON: 4,
  MAINTENANCE_OFF: 5,
  MAINTENANCE_TEMPORARY: 6,
} as const

/** Ids that are further ahead of the next one are a lie, not lost metadata. */
export const CHUNK_ID_LEAP = 1_000_000_000

function needClass(state: State, name: string): [number, StorageClass] {
  const id = state.storageClasses.idOf(name) ?? fail(Status.NOSUCHCLASS, `no storage class ${name}`)
  return [id, state.storageClasses.get(id) as StorageClass]
}

function newClassId(state: State, name: string): number {
  if (state.storageClasses.idOf(name) !== undefined) fail(Status.CLASSEXISTS, `storage class ${name} is there`)
  const id = state.storageClasses.nextId()
  return id <= CLASS_LIMIT ? id : fail(Status.CLASSLIMITREACH, 'all storage classes are taken')
}

/** Whether any file or directory has the class. */
export function isClassUsed({ nodes }: State, id: number): boolean {
  for (const inode of nodes.inodes()) if (nodes.sclassId.get(inode) === id) return true
  return false
}

function needServer(state: State, ip: number, port: number): KnownServer {
  return state.knownServers.at(ip, port) ?? fail(Status.MISMATCH, `chunkserver ${ip}:${port} is unknown`)
}

function addServer(state: State, ip: number, port: number, id: number): void {
  if (state.knownServers.at(ip, port)) fail(Status.MISMATCH, `chunkserver ${ip}:${port} is there`)
  if (id !== 0 && state.knownServers.byId(id)) fail(Status.MISMATCH, `chunkserver id ${id} is there`)
  state.knownServers.add({ ip, port, id, maintenance: Maintenance.OFF, maintenanceUntil: 0 })
}

function deleteServer(state: State, ip: number, port: number): void {
  needServer(state, ip, port)
  state.knownServers.delete(ip, port)
}

export const chunkOperations: Operations<
  | 'CHUNKADD'
  | 'CHUNKDEL'
  | 'SETVERSION'
  | 'INCVERSION'
  | 'NEXTCHUNKID'
  | 'SCSET'
  | 'SCDUP'
  | 'SCREN'
  | 'SCDEL'
  | 'CSDBOP'
  | 'CSADD'
  | 'CSDEL'
> = {
  CHUNKADD(state, { chunkId, version, lockedTo, ts }) {
    const { chunks } = state
    if (chunks.find(chunkId) !== 0) fail(Status.CHUNKEXIST, `chunk ${chunkId.toString(16)} is there`)
    if (chunkId > chunks.nextChunkId + CHUNK_ID_LEAP || (lockedTo > 0 && lockedTo < ts)) {
      fail(Status.MISMATCH, `chunk ${chunkId.toString(16)} can't be`)
    }
    chunks.nextChunkId = Math.max(chunks.nextChunkId, chunkId + 1)
    chunks.lockedTo.set(chunks.add(chunkId, version), lockedTo)
  },

  CHUNKDEL(state, { chunkId, version, ts }) {
    const { chunks } = state
    const row = needChunk(state, chunkId)
    if (chunks.version.get(row) !== version) fail(Status.WRONGVERSION, `version ${chunks.version.get(row)}`)
    if (chunks.references.get(row) > 0) fail(Status.ACTIVE, `chunk ${chunkId.toString(16)} belongs to a file`)
    if (chunks.isLocked(row, ts)) fail(Status.LOCKED, `chunk ${chunkId.toString(16)} is locked`)
    chunks.remove(row)
  },

  SETVERSION(state, { chunkId, version }) {
    state.chunks.version.set(needChunk(state, chunkId), version)
  },

  INCVERSION(state, { chunkId }) {
    state.chunks.version.add(needChunk(state, chunkId), 1)
  },

  NEXTCHUNKID(state, { chunkId }) {
    if (chunkId <= state.chunks.nextChunkId) fail(Status.MISMATCH, 'the next chunk id would go back')
    state.chunks.nextChunkId = chunkId
  },

  SCSET(state, entry) {
    const { name, isNew, createCount, keepCount, archiveCount, mode, archiveDelayDays, adminOnly, masks } = entry
    for (const count of [createCount, keepCount, archiveCount]) {
      if (count < 1 || count > 9) fail(Status.EINVAL, `storage class ${name} wants ${count} copies`)
    }
    if (masks.length !== (createCount + keepCount + archiveCount) * OR_GROUPS) {
      fail(Status.MISMATCH, `${masks.length} label masks`)
    }
    const id = isNew ? newClassId(state, name) : needClass(state, name)[0]
    const labels = (first: number, count: number): LabelMasks[] =>
      Array.from({ length: count }, (_, i) => masks.slice((first + i) * OR_GROUPS, (first + i + 1) * OR_GROUPS))
    state.storageClasses.set(id, {
      name,
      adminOnly,
      mode,
      archiveDelayDays,
      create: labels(0, createCount),
      keep: labels(createCount, keepCount),
      archive: labels(createCount + keepCount, archiveCount),
    })
    expectResult('the storage class', entry.classId, id)
  },

  SCDUP(state, { source, target, sourceId, targetId }) {
    const [id, sclass] = needClass(state, source)
    const copyId = newClassId(state, target)
    state.storageClasses.set(copyId, { ...sclass, name: target })
    expectResult('the source class', sourceId, id)
    expectResult('the new class', targetId, copyId)
  },

  SCREN(state, { oldName, newName, classId }) {
    const [id, sclass] = needClass(state, oldName)
    if (id <= PREDEFINED_CLASSES) fail(Status.EPERM, `storage class ${oldName} is predefined`)
    if (state.storageClasses.idOf(newName) !== undefined) fail(Status.CLASSEXISTS, `storage class ${newName} is there`)
    state.storageClasses.set(id, { ...sclass, name: newName })
    expectResult('the storage class', classId, id)
  },

  SCDEL(state, { name, classId }) {
    const [id] = needClass(state, name)
    if (id <= PREDEFINED_CLASSES) fail(Status.EPERM, `storage class ${name} is predefined`)
    if (isClassUsed(state, id)) fail(Status.CLASSINUSE, `storage class ${name} is in use`)
    state.storageClasses.delete(id)
    expectResult('the storage class', classId, id)
  },

  CSDBOP(state, { operation, ip, port, argument }) {
    switch (operation) {
      case ServerOperation.ADD:
        return addServer(state, ip, port, argument)
      case ServerOperation.DELETE:
        return deleteServer(state, ip, port)
      case ServerOperation.MOVE: {
        const server = state.knownServers.byId(argument) ?? fail(Status.MISMATCH, `no chunkserver has id ${argument}`)
        if (state.knownServers.at(ip, port)) fail(Status.MISMATCH, `chunkserver ${ip}:${port} is there`)
        return state.knownServers.change(server, { ip, port })
      }
      case ServerOperation.SET_ID:
        return state.knownServers.change(needServer(state, ip, port), { id: argument })
      case ServerOperation.MAINTENANCE_ON:
      case ServerOperation.MAINTENANCE_OFF:
      case ServerOperation.MAINTENANCE_TEMPORARY: {
        const server = needServer(state, ip, port)
        const modes = { 4: Maintenance.ON, 5: Maintenance.OFF, 6: Maintenance.TEMPORARY } as const
        return state.knownServers.change(server, { maintenance: modes[operation], maintenanceUntil: argument })
      }
      default:
        fail(Status.MISMATCH, `unknown chunkserver operation ${operation}`)
    }
  },

  CSADD(state, { ip, port }) {
    addServer(state, ip, port, 0)
  },

  CSDEL(state, { ip, port }) {
    deleteServer(state, ip, port)
  },
}
