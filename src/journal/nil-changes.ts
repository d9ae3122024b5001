// Changes that a replay may pass over although they fail, because what they bring about is so already.
import type { Entry } from '../metadata/changelog/entry.ts'
import type { State } from '../metadata/state.ts'

/** Whether the state, which refused the entry before changing anything, is as if it had taken it. */
export function isNil({ chunks, openFiles, flocks, sessions }: State, entry: Entry): boolean {
  switch (entry.op) {
    case 'ACQUIRE':
      return openFiles.has(entry.sessionId, entry.inode)
    case 'FLOCK':
      return flocks.held(entry.inode, entry.sessionId, entry.owner)?.exclusive === (entry.command === 'WRITE')
    case 'UNLOCK':
    case 'CHUNKDEL':
      return chunks.find(entry.chunkId) === 0
    case 'CHUNKADD': {
      const row = chunks.find(entry.chunkId)
      return row !== 0 && chunks.version.get(row) === entry.version && chunks.lockedTo.get(row) === entry.lockedTo
    }
    case 'NEXTCHUNKID':
      return chunks.nextChunkId === entry.chunkId
    case 'SESSION':
    case 'CUSTOMER':
      return sessions.nextSessionId > entry.sessionId
    default:
      return false
  }
}
