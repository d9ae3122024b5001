// Whether a member may take the lead when nobody has it. Pure.
import type { Candidate, View } from './arbiter.ts'
import { lastEpoch } from './epochs.ts'
import { memberName } from './records.ts'

/** @returns why it may not, for people; undefined when it may */
export function whyNotStand({ self, version, epochs, unfit }: Candidate, { log }: View): string | undefined {
  if (version === 0) return 'there is no metadata here yet; it comes with the first leader'
  if (unfit) return unfit
  if (!log) {
    if (epochs.length === 0) return undefined
    return 'its log was part of a cluster, but etcd holds no record of one: "mfsha promote --force" begins a new record'
  }
  if (!log.inSync.includes(self)) {
    const others = log.inSync.map(memberName).join(', ')
    return `it is not in sync: changes that were acknowledged may be missing here. In sync: ${others}`
  }
  // Its first act as a leader may not have reached the disk here before it was killed.
  if (lastEpoch(epochs) === log.epoch || log.leader === self) return undefined
  return `it counts as in sync, but its log ends in epoch ${lastEpoch(epochs)} and not ${log.epoch}: its folder is an older one`
}
