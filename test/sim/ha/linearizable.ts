// Is there an order of the operations that explains every answer, each in effect at one moment between request and
// answer? The search of Wing and Gong, with the memory of Lowe: a set of operations done and the state they led to is
// looked at once.

export interface Operation<Call, Result> {
  readonly call: Call
  readonly invokedMs: number
  /** Undefined: no answer came, so it may have been done at any time since, or never. */
  readonly answer?: { readonly result: Result; readonly atMs: number }
}

export interface Model<State, Call, Result> {
  readonly initial: State
  /** Equal states give equal keys. */
  key(state: State): string
  /** The state afterwards; undefined when the call cannot have this result in this state. `result` undefined: any. */
  apply(state: State, call: Call, result: Result | undefined): State | undefined
}

/** More looks than this are not taken: the history is too wide to judge. */
const LOOKS_MAX = 2_000_000

export class TooWide extends Error {}

/** @throws TooWide when it cannot be told in reasonable time */
export function isLinearizable<State, Call, Result>(
  model: Model<State, Call, Result>,
  history: readonly Operation<Call, Result>[],
): boolean {
  const operations = [...history].sort((a, b) => a.invokedMs - b.invokedMs)
  const answered = operations.filter(({ answer }) => answer).length
  const done = new Array<boolean>(operations.length).fill(false)
  const seen = new Set<string>()
  let looks = 0

  const search = (state: State, answeredDone: number): boolean => {
    if (answeredDone === answered) return true
    if (++looks > LOOKS_MAX) throw new TooWide(`${operations.length} operations`)
    const place = `${done.map(Number).join('')} ${model.key(state)}`
    if (seen.has(place)) return false
    seen.add(place)
    let earliestAnswer = Infinity
    operations.forEach(({ answer }, i) => {
      if (!done[i] && answer) earliestAnswer = Math.min(earliestAnswer, answer.atMs)
    })
    // Only what was asked for before the first outstanding answer can have been next.
    for (let i = 0; i < operations.length; i++) {
      const { call, invokedMs, answer } = operations[i] as Operation<Call, Result>
      if (invokedMs > earliestAnswer) break
      if (done[i]) continue
      const next = model.apply(state, call, answer?.result)
      if (next === undefined) continue
      done[i] = true
      if (search(next, answeredDone + (answer ? 1 : 0))) return true
      done[i] = false
    }
    return false
  }
  return search(model.initial, 0)
}
