// The epoch that a master of ours tells when it is asked for EPOCH_OPTION.
import { ProtocolError } from './codec.ts'

/** Exact as a number, and as the fence keeps it (daemon/epoch-fence.ts). */
const EPOCH = /^\d{1,15}$/

/**
 * @param told '' by a master of the original, which has no such option
 * @returns 0: the master is the only one
 * @throws ProtocolError
 */
export function parseEpoch(told: string): number {
  if (told === '') return 0
  if (!EPOCH.test(told))
    throw new ProtocolError(`the master tells an epoch that is none: ${JSON.stringify(told.slice(0, 40))}`)
  return Number(told)
}
