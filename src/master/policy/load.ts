// Servers that have far more to do than the others are spared for a while (spec master-behaviour 5.1).

export interface Loaded {
  /** Jobs in its queues. */
  load: number
}

export interface LoadRules {
  heavyLoad: number
  heavyLoadRatio: number
}

/** Those of the servers whose load is heavy, for itself and against the average of all others. */
export function heavilyLoaded<S extends Loaded>(servers: readonly S[], { heavyLoad, heavyLoadRatio }: LoadRules): S[] {
  const sum = servers.reduce((total, { load }) => total + load, 0)
  return servers.filter(({ load }) => {
    const average = servers.length > 1 ? (sum - load) / (servers.length - 1) : load
    return load > heavyLoad && load > heavyLoadRatio * average
  })
}
