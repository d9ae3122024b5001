// What tables take, for those who watch a master grow.

/** Bytes: taken from the system, and holding something. */
export interface Memory {
  allocated: number
  used: number
}

export function sumMemory(...parts: readonly Memory[]): Memory {
  const sum = { allocated: 0, used: 0 }
  for (const { allocated, used } of parts) {
    sum.allocated += allocated
    sum.used += used
  }
  return sum
}
