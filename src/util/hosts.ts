// Lists of masters, as users write them: `a,b`, `a b`, `a;b`.

/** The names of a list, in the order written. */
export const splitHosts = (text: string): string[] => text.split(/[\s,;]+/).filter(host => host !== '')

/**
 * All addresses behind the names of a list, each once. A name that is not known is passed over while others are.
 * @throws Error of the resolver when none is known
 */
export async function resolveHosts(
  resolve: (host: string) => Promise<string[]>,
  hosts: readonly string[],
): Promise<string[]> {
  const found = await Promise.all(hosts.map(host => resolve(host).catch(error => error as Error)))
  const addresses = new Set(found.flatMap(result => (result instanceof Error ? [] : result)))
  if (addresses.size > 0) return [...addresses]
  throw found.find(result => result instanceof Error) ?? new Error('no master is named')
}
