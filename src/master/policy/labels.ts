// Labels of servers and what classes want of them (spec master-behaviour 5.3, tools-and-admin A.4).

/** One wanted copy: up to four sets of labels, of which a server must have one whole (bit 0 = A); all 0 is any server. */
export type LabelMasks = readonly number[]

/** What a storage class does when servers with the right labels are missing. */
export const LabelsMode = { LOOSE: 0, STANDARD: 1, STRICT: 2 } as const
export type LabelsMode = (typeof LabelsMode)[keyof typeof LabelsMode]

export const isAny = (masks: LabelMasks) => masks.every(mask => mask === 0)

export function matches(labels: number, masks: LabelMasks): boolean {
  return isAny(masks) || masks.some(mask => mask !== 0 && (labels & mask) === mask)
}

/** Whether it matters which servers hold the copies. */
export const wantsLabels = (wanted: readonly LabelMasks[]) => !wanted.every(isAny)
