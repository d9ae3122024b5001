// Where an answer of ours may be another one than that of a local ext4, and why. Everything else is a fault.
// docs/differences.md tells users about them.

interface MeantDifference {
  why: string
  /** `expected` is what ext4 answered. */
  isMeant(call: string, expected: string, found: string): boolean
}

const nameOf = (call: string) => call.split(' ')[1]
const withoutTimes = (answer: string, times: RegExp) => answer.replaceAll(times, '')

/** Between our mount and our master. */
const ours: MeantDifference[] = [
  {
    why: 'reads that the page cache answers reach nobody, so they set no access time; ctime of a node changes with it',
    isMeant: (_call, expected, found) =>
      withoutTimes(expected, / [ac]time=\S+/g) === withoutTimes(found, / [ac]time=\S+/g),
  },
  {
    why: 'the length of a folder tells what lies below it, so the end of one is somewhere else',
    isMeant: (call, expected) =>
      nameOf(call) === 'lseek' && call.endsWith(' 2') && (expected === 'EINVAL' || Number(expected) > 2 ** 62),
  },
  {
    why: 'a removed folder that a process is still in is seen for a minute, but not changed any more',
    isMeant: (call, expected, found) =>
      /^f(chmod|chown|utimens)$/.test(nameOf(call) ?? '') && expected === '0' && found === 'ENOENT',
  },
]

/** Besides those, of a real mount: its protocol and its programs cannot do it. */
const real: MeantDifference[] = [
  {
    why: 'whole seconds from 1970 to 2106',
    isMeant: (_call, expected, found) =>
      withoutTimes(expected, / [amc]time=\S+/g) === withoutTimes(found, / [amc]time=\S+/g),
  },
  {
    why: 'no rename with flags, and no fallocate',
    isMeant: (call, _expected, found) =>
      (nameOf(call) === 'renameat2' && found === 'EINVAL') || (nameOf(call) === 'fallocate' && found === 'EOPNOTSUPP'),
  },
]

export function isMeant(mount: 'ours' | 'real'): (call: string, expected: string, found: string) => boolean {
  const all = mount === 'ours' ? ours : [...ours, ...real]
  return (call, expected, found) => all.some(difference => difference.isMeant(call, expected, found))
}
