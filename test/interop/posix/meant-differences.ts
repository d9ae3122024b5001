// Where an answer of ours may be another one than that of a local ext4, and why. Everything else is a fault.
// docs/differences.md tells users about them.

interface MeantDifference {
  why: string
  /** `expected` is the answer of what we are compared with. */
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

/** Between the original's mount on its own master and on ours: `expected` is what it answered on its own. */
const real: MeantDifference[] = [
  {
    why: 'the mount itself remembers times for a second, and sees whole seconds; symbolic links have all rights with us',
    isMeant: (_call, expected, found) => ofReal(expected) === ofReal(found),
  },
  {
    why: 'the length of a folder is believed for a second, whatever is written meanwhile',
    isMeant: (call, expected, found) =>
      nameOf(call) === 'lseek' && call.endsWith(' 2') && /^\d+$/.test(expected) && /^\d+$/.test(found),
  },
  {
    why: 'the owner may give the group that the file has',
    isMeant: (call, expected, found) => /chown/.test(nameOf(call) ?? '') && expected === 'EPERM' && found === '0',
  },
]

const ofReal = (answer: string) =>
  withoutTimes(answer, / [amc]time=\S+/g).replaceAll(/ 120[0-7]{3} (?=\d)|^120[0-7]{3} (?=\d)/g, ' 120777 ')

export function isMeant(mount: 'ours' | 'real'): (call: string, expected: string, found: string) => boolean {
  const all = mount === 'ours' ? ours : real
  return (call, expected, found) => all.some(difference => difference.isMeant(call, expected, found))
}
