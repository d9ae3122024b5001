// More lists of system calls (tables.ts): what a path leads through, flags of open, who may make and remove what,
// set-id bits under writes, lengths, explicit times.
import { type Case, inFolder, type Kind, kinds, MEMBER, make, OWNER, ROOT, STRANGER, uids } from './tables.ts'

const everybody = [ROOT, OWNER, MEMBER, STRANGER] as const

/** Every call that takes a path, at a path `p`; what it needs is there as `p` when it needs something. */
const onPath = (p: string, spare: string) => [
  `open 1 ${p} 04000 0`,
  `open 1 ${p} 0102 0644`,
  `lstat ${p}`,
  `stat ${p}`,
  `chmod ${p} 0640`,
  `chown ${p} -1 -1`,
  `lchown ${p} -1 -1`,
  `utimens ${p} 5 0 6 0`,
  `access ${p} 0`,
  `truncate ${p} 3`,
  `readlink ${p}`,
  `list ${p}`,
  `getxattr ${p} user.a`,
  `setxattr ${p} user.a 1 1 0`,
  `listxattr ${p}`,
  `link ${p} ${spare}`,
  `unlink ${spare}`,
  `rename ${p} ${spare}`,
  `rename ${spare} ${p}`,
  `unlink ${p}`,
  `mkdir ${p} 0755`,
  `rmdir ${p}`,
  `mkfifo ${p} 0644`,
  `unlink ${p}`,
  `symlink there ${p}`,
  `unlink ${p}`,
  `mknod ${p} 0100644 0 0`,
]

/** Folders on the way that may not be searched, or not be changed. */
function prefixes(): Case[] {
  const cases: Case[] = []
  for (const mode of ['0', '0100', '0010', '0001', '0644', '0711', '0555', '0733', '0311', '0333'])
    for (const by of everybody)
      cases.push(
        inFolder(at => [
          `0 mkdir ${at('way')} 0777`,
          `0 mkdir ${at('spare')} 0777`,
          ...make('file', at('way/n'), by),
          `0 chown ${at('way')} 1000 2000`,
          `0 chmod ${at('way')} ${mode}`,
          ...onPath(at('way/n'), at('spare/n')).map(call => `${by} ${call}`),
          ...onPath(at('way/missing'), at('spare/m')).map(call => `${by} ${call}`),
          `0 chmod ${at('way')} 0777`,
        ]),
      )
  return cases
}

/** What is no folder in the middle of a path, at its end with a slash, and odd ends. */
function components(): Case[] {
  return kinds.flatMap(kind =>
    ['n/x', 'n/', 'n/.', 'n/..', 'n/../n', 'n//'].map(end =>
      inFolder(at => [
        ...make(kind, at('n'), ROOT),
        `0 mkdir ${at('spare')} 0777`,
        ...onPath(at(end), at('spare/s')).map(call => `0 ${call}`),
        ...onPath(at('spare/s'), at(end)).map(call => `0 ${call}`),
      ]),
    ),
  )
}

const O = {
  ...{ WRONLY: 1, RDWR: 2, CREAT: 0o100, EXCL: 0o200, TRUNC: 0o1000, APPEND: 0o2000, NONBLOCK: 0o4000 },
  ...{ DIRECTORY: 0o200000, NOFOLLOW: 0o400000, PATH: 0o10000000 },
}

/** Every kind opened with each set of flags, by its owner and by somebody else. */
function openFlags(): Case[] {
  const flags = [0, O.WRONLY, O.RDWR].flatMap(way =>
    [
      ...[0, O.CREAT, O.CREAT | O.EXCL, O.TRUNC, O.CREAT | O.TRUNC, O.APPEND, O.APPEND | O.TRUNC],
      ...[O.DIRECTORY, O.NOFOLLOW, O.NOFOLLOW | O.CREAT, O.NOFOLLOW | O.DIRECTORY, O.PATH, O.PATH | O.NOFOLLOW],
    ].map(more => way | more | O.NONBLOCK),
  )
  return kinds.flatMap(kind =>
    [ROOT, STRANGER].map(by =>
      inFolder(at => [
        ...make(kind, at('n'), OWNER),
        ...flags.flatMap(flag => [
          `${by} open 1 ${at('n')} 0${flag.toString(8)} 0600`,
          `${by} fstat 1`,
          `${by} close 1`,
        ]),
        ...flags.flatMap((flag, i) => [`${by} open 1 ${at(`new${i}`)} 0${flag.toString(8)} 0`, `${by} close 1`]),
      ]),
    ),
  )
}

/** Who may make and remove each kind in a folder of each mode. */
function makingAndRemoving(): Case[] {
  const cases: Case[] = []
  for (const mode of ['0777', '0755', '0722', '0711', '0575', '0577', '0', '01777', '02775'])
    for (const by of everybody)
      cases.push(
        inFolder(at => [
          `0 mkdir ${at('d')} 0777`,
          `0 mkdir ${at('e')} 0777`,
          ...kinds.flatMap(kind => make(kind, at(`d/${kind}`), OWNER)),
          `0 chown ${at('d')} 1000 2000`,
          `0 chmod ${at('d')} ${mode}`,
          ...kinds.flatMap(kind => [`${by} unlink ${at(`d/${kind}`)}`, `${by} rmdir ${at(`d/${kind}`)}`]),
          `${by} open 1 ${at('d/a')} 0302 0644`,
          `${by} close 1`,
          `${by} mkdir ${at('d/b')} 02755`,
          `${by} mkfifo ${at('d/c')} 0666`,
          `${by} symlink to ${at('d/l')}`,
          `${by} mknod ${at('d/m')} 020644 1 3`,
          `${by} socket ${at('d/s')}`,
          `${by} rename ${at('d/a')} ${at('e/a')}`,
          `${by} rename ${at('d/b')} ${at('e/b')}`,
          `${by} rename ${at('e/a')} ${at('d/z')}`,
          `0 stat ${at('d')}`,
        ]),
      )
  return cases
}

/** Hard links of each kind by everybody, and what they make of counts and times. */
function hardLinks(): Case[] {
  return kinds.flatMap(kind =>
    everybody.map(by =>
      inFolder(at => [
        ...make(kind, at('n'), OWNER),
        `0 mkdir ${at('d')} 0777`,
        `${by} link ${at('n')} ${at('d/1')}`,
        `0 lstat ${at('n')}`,
        `${by} linkat ${at('n')} ${at('d/2')} 0x400`,
        `0 lstat ${at('d/2')}`,
        `${by} link ${at('n')} ${at('n')}`,
        `${by} link ${at('d/1')} ${at('d/3')}`,
        `${by} rename ${at('d/1')} ${at('d/3')}`,
        `0 lstat ${at('d/1')}`,
        `0 unlink ${at('n')}`,
        `0 lstat ${at('d/1')}`,
        `0 unlink ${at('d/1')}`,
        `0 lstat ${at('d/3')}`,
      ]),
    ),
  )
}

/** What becomes of set-id bits when somebody writes, cuts or allocates. */
function setIdBits(): Case[] {
  const changes = ['write 1 5 1', 'write 1 0 1', 'ftruncate 1 3', 'ftruncate 1 10', 'fallocate 1 0 0 5000']
  const more = ['mapwrite 1 0 5 1', 'fsetxattr 1 user.a 1 1 0', 'pwrite 1 3 5 1']
  return ['06777', '04777', '02777', '02767', '06666', '01777', '07711'].flatMap(mode =>
    everybody.map(by =>
      inFolder(at =>
        [...changes, ...more].flatMap((change, i) => [
          `0 open 0 ${at(`f${i}`)} 0102 0666`,
          '0 write 0 10 7',
          `0 chown ${at(`f${i}`)} 1000 2000`,
          `0 chmod ${at(`f${i}`)} ${mode}`,
          `${by} open 1 ${at(`f${i}`)} 02 0`,
          `${by} ${change}`,
          '0 fstat 0',
          `0 chmod ${at(`f${i}`)} ${mode}`,
          `${by} truncate ${at(`f${i}`)} 2`,
          '0 fstat 0',
          `0 chmod ${at(`f${i}`)} ${mode}`,
          `${by} open 1 ${at(`f${i}`)} 01002 0`,
          '0 fstat 0',
          `${by} close 1`,
          '0 close 0',
        ]),
      ),
    ),
  )
}

/** Lengths by path and by descriptor, of files opened in every way. */
function lengths(): Case[] {
  const values = [0, 1, 4095, 4096, 65_535, 65_537, 1_000_000, (64 << 20) + 1]
  return ['00', '01', '02', '02001', '0200000', '010000000'].map(flags =>
    inFolder(at => [
      ...make('file', at('f'), ROOT),
      `0 mkdir ${at('d')} 0755`,
      `0 open 0 ${at(flags === '0200000' ? 'd' : 'f')} ${flags} 0`,
      ...values.flatMap(bytes => [
        `0 ftruncate 0 ${bytes}`,
        `0 posix_fallocate 0 ${bytes} 10`,
        `0 fallocate 0 1 ${bytes} 4096`,
        `0 fallocate 0 3 ${Math.floor(bytes / 2)} 4096`,
        `0 fallocate 0 020 ${bytes} 4096`,
        '0 fstat 0',
        `0 truncate ${at('f')} ${bytes + 3}`,
        `0 pread 0 ${Math.max(0, bytes - 5)} 20`,
        `0 pwrite 0 ${bytes} 7 3`,
        '0 write 0 3 1',
        '0 lseek 0 0 1',
        '0 lseek 0 -3 2',
        `0 lseek 0 ${bytes} 0`,
        `0 read 0 10`,
      ]),
      `0 truncate ${at('d')} 0`,
      `0 truncate ${at('missing')} 0`,
      `0 truncate ${at('f')} -1`,
      '0 fallocate 0 2 0 10',
      '0 fallocate 0 0 -1 10',
      '0 fallocate 0 0 0 0',
    ]),
  )
}

/** Explicit, present and omitted times by everybody, on what he owns, may write, may read, or neither. */
function explicitTimes(): Case[] {
  const pairs = ['5 0 6 0', '0 now 0 now', '0 omit 0 omit', '5 0 0 omit', '0 omit 6 0', '0 now 0 omit', '0 omit 0 now']
  const odd = [
    '5 0 0 now',
    '0 now 6 0',
    '5 1000000000 6 0',
    '5 -1 6 0',
    '4294967296 0 2147483648 1',
    '-5 0 -1 999999999',
  ]
  const cases: Case[] = []
  for (const kind of ['file', 'folder', 'fifo', 'link', 'socket'] as const satisfies readonly Kind[])
    for (const mode of ['0666', '0644', '0600', '0'])
      for (const owner of [ROOT, OWNER])
        cases.push(
          inFolder(at => [
            ...make(kind, at('n'), owner),
            `0 chown ${at('n')} ${uids[owner]} 2000`,
            `0 chmod ${at('n')} ${mode}`,
            ...everybody.flatMap(by =>
              [...pairs, ...odd].flatMap(times => [
                `${by} utimens ${at('n')} ${times}`,
                `${by} lutimens ${at('n')} ${times}`,
                `0 lstat ${at('n')}`,
              ]),
            ),
          ]),
        )
  return cases
}

/** A program that runs may not be written, one that is written may not run; and a folder in use may go. */
function inUse(): Case[] {
  return [
    inFolder(at => [
      ...make('file', at('program'), ROOT),
      `0 chmod ${at('program')} 0755`,
      `0 open 0 ${at('program')} 01 0`,
      `1 run ${at('program')}`,
      '0 close 0',
      `1 run ${at('program')}`,
      `0 mkdir ${at('d')} 0755`,
      `0 open 0 ${at('d')} 0200000 0`,
      `0 rmdir ${at('d')}`,
      `0 mkdir ${at('d')} 0700`,
      '0 close 0',
      `0 rmdir ${at('d')}`,
      `0 rmdir ${at('.')}`,
      `0 rmdir ${at('..')}`,
      `0 rename ${at('.')} ${at('x')}`,
      `0 rename ${at('program')} ${at('.')}`,
      `0 unlink ${at('.')}`,
      `0 mkdir ${at('.')} 0755`,
      `0 mkdir ${at('..')} 0755`,
      `0 symlink x ${at('.')}`,
      `0 link ${at('program')} ${at('.')}`,
    ]),
  ]
}

export const pathTables = {
  ...{ prefixes, components, openFlags, makingAndRemoving, hardLinks, setIdBits, lengths, explicitTimes, inUse },
}
