// What a test makes outside of its program (mounts, processes, folders) goes with it, however the program ends, short of
// SIGKILL.

/** What is to be removed, in the order it was made. */
const removals = new Set<() => void>()

/** Runs `remove` when the program ends, the last one given first. @returns call it when that is done */
export function atEnd(remove: () => void): () => void {
  removals.add(remove)
  return () => removals.delete(remove)
}

function removeAll(): void {
  for (const remove of [...removals].reverse()) remove()
}

process.on('exit', removeAll)
// The runner is gone, before a signal could be heard: what it is told throws, and such an end runs no exit handlers.
process.stdout.on('error', () => process.exit(1))
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
for (const signal of signals) {
  // Whoever breaks a run off often signals the runner and all of its group: a second one must not end what the first began.
  process.on(signal, () => {
    removeAll()
    for (const each of signals) process.removeAllListeners(each)
    process.kill(process.pid, signal)
  })
}
