// Systematic lists of system calls for syscalls.c: all pairs of kinds, all holders of rights, every limit. Each table is
// a list of independent cases; every case works in a folder of its own.

export interface Case {
  lines: string[]
}

/** User and groups of the processes: root, an owner, somebody in a group with him, a stranger. */
export const [ROOT, OWNER, MEMBER, STRANGER] = [0, 1, 2, 4] as const
export const tableIdentities = ['0:0', '1000:1000,2000', '1001:1001,2000', '1000:1000', '1002:1002']
export const uids = [0, 1000, 1001, 1000, 1002]

export const kinds = ['file', 'folder', 'full', 'fifo', 'char', 'block', 'socket', 'link', 'dangling'] as const
export type Kind = (typeof kinds)[number]

/** Lines that make a node of that kind at a path, owned by a process. */
export function make(kind: Kind, path: string, by: number): string[] {
  const own = by === ROOT ? [] : [`0 lchown ${path} ${uids[by]} ${uids[by]}`]
  switch (kind) {
    case 'file':
      return [`0 open 0 ${path} 0102 0644`, '0 close 0', ...own]
    case 'folder':
      return [`0 mkdir ${path} 0755`, ...own]
    case 'full':
      return [`0 mkdir ${path} 0755`, `0 mkdir ${path}/inside 0755`, ...own]
    case 'fifo':
      return [`0 mkfifo ${path} 0644`, ...own]
    case 'char':
      return [`0 mknod ${path} 020644 1 3`, ...own]
    case 'block':
      return [`0 mknod ${path} 060644 240 77`, ...own]
    case 'socket':
      return [`0 socket ${path}`, ...own]
    case 'link':
      return ['0 open 0 elsewhere 0102 0644', '0 close 0', `0 symlink elsewhere ${path}`, ...own]
    case 'dangling':
      return [`0 symlink nowhere ${path}`, ...own]
  }
}

let folders = 0

/** A case in a new folder: `at` gives paths below it. */
export function inFolder(build: (at: (name: string) => string, folder: string) => string[]): Case {
  const folder = `case${folders++}`
  return { lines: [`0 mkdir ${folder} 0777`, ...build(name => `${folder}/${name}`, folder), `0 walk ${folder}`] }
}

/** Every kind renamed onto every kind. */
function renames(): Case[] {
  const cases: Case[] = []
  for (const from of kinds)
    for (const to of [undefined, ...kinds])
      for (const flags of [0, 1, 2])
        cases.push(
          inFolder(at => [
            ...make(from, at('a'), ROOT),
            ...(to ? make(to, at('b'), ROOT) : []),
            `0 renameat2 ${at('a')} ${at('b')} ${flags}`,
            `0 lstat ${at('b')}`,
          ]),
        )
  return cases
}

/** Who may take names away, and from whom: with and without sticky bit, for each owner of folder and node. */
function stickyFolders(): Case[] {
  const cases: Case[] = []
  for (const mode of ['01777', '0777', '01770', '0755'])
    for (const folderOwner of [ROOT, OWNER, STRANGER])
      for (const nodeOwner of [ROOT, OWNER, STRANGER])
        for (const by of [OWNER, MEMBER])
          cases.push(
            inFolder(at => [
              `0 mkdir ${at('s')} 0777`,
              `0 mkdir ${at('t')} 0777`,
              ...make('file', at('s/f'), nodeOwner),
              ...make('folder', at('s/d'), nodeOwner),
              ...make('file', at('s/g'), nodeOwner),
              ...make('file', at('t/mine'), by),
              `0 chown ${at('s')} ${uids[folderOwner]} 2000`,
              `0 chmod ${at('s')} ${mode}`,
              `${by} rename ${at('s/f')} ${at('t/f')}`,
              `${by} rename ${at('s/d')} ${at('t/d')}`,
              `${by} rename ${at('t/mine')} ${at('s/g')}`,
              `${by} renameat2 ${at('t/mine')} ${at('s/g')} 2`,
              `${by} unlink ${at('s/g')}`,
              `${by} rmdir ${at('s/d')}`,
              `${by} link ${at('s/g')} ${at('t/linked')}`,
            ]),
          )
  return cases
}

/** Each mode against each right and each caller, for everything that can be opened, listed, searched or run. */
function rights(): Case[] {
  const cases: Case[] = []
  for (const kind of ['file', 'fifo', 'char', 'folder'] as const)
    for (const digit of [0, 1, 2, 3, 4, 5, 6, 7])
      cases.push(
        inFolder(at => [
          ...make(kind, at('n'), OWNER),
          `0 chown ${at('n')} 1000 2000`,
          ...[0, 3, 6].flatMap(shift => [
            `0 chmod ${at('n')} 0${(digit << shift).toString(8)}`,
            ...[OWNER, MEMBER, STRANGER, ROOT].flatMap(by => [
              ...['04000', '04001', '04002'].map(flags => `${by} open 1 ${at('n')} ${flags} 0`),
              `${by} close 1`,
              ...[1, 2, 4, 7].map(mask => `${by} access ${at('n')} ${mask}`),
              `${by} list ${at('n')}`,
              `${by} stat ${at('n/x')}`,
              `${by} utimens ${at('n')} 0 now 0 now`,
              `${by} utimens ${at('n')} 5 0 5 0`,
              `${by} truncate ${at('n')} 0`,
              `${by} run ${at('n')}`,
            ]),
          ]),
        ]),
      )
  return cases
}

/** Owners, groups and modes given by everybody, on everything; what becomes of the set-id bits. */
function owners(): Case[] {
  const cases: Case[] = []
  for (const kind of ['file', 'folder', 'fifo', 'link'] as const)
    for (const by of [ROOT, OWNER, MEMBER])
      for (const mode of ['06777', '06711', '02666', '04600', '0755'])
        cases.push(
          inFolder(at => [
            ...make(kind, at('n'), OWNER),
            `0 chmod ${at('n')} ${mode}`,
            ...['-1 -1', '1000 -1', '-1 2000', '1000 2000', '1001 -1', '-1 0', '0 0'].flatMap(ids => [
              `0 chmod ${at('n')} ${mode}`,
              `${by} chown ${at('n')} ${ids}`,
              `0 stat ${at('n')}`,
              `${by} lchown ${at('n')} ${ids}`,
              `0 lstat ${at('n')}`,
              `0 lchown ${at('n')} 1000 1000`,
            ]),
            ...['06755', '02755', '01777', '0'].flatMap(wanted => [
              `${by} chmod ${at('n')} ${wanted}`,
              `0 stat ${at('n')}`,
            ]),
            `0 chown ${at('n')} 1000 0`,
            `${by} chmod ${at('n')} 02755`,
            `0 stat ${at('n')}`,
          ]),
        )
  return cases
}

/** New nodes below set-gid folders, under each umask, below default ACLs. */
function inheritance(): Case[] {
  const cases: Case[] = []
  const acls = [
    '',
    'u:7,g:5,o:0',
    'u:7,g:7,m:5,o:1',
    'u:7,u1002:7,g:4,m:6,o:0',
    'u:6,g:0,g2000:7,m:7,o:7',
    'u:0,g:0,o:0',
  ]
  for (const folderMode of ['0777', '02777', '03777'])
    for (const umask of ['0', '022', '077'])
      for (const acl of acls)
        cases.push(
          inFolder((at, folder) => [
            `0 chown ${folder} 1001 2000`,
            `0 chmod ${folder} ${folderMode}`,
            ...(acl ? [`0 setacl ${folder} d ${acl}`] : []),
            `1 umask ${umask}`,
            `1 open 0 ${at('f')} 0102 0666`,
            `1 open 0 ${at('x')} 0102 06777`,
            '1 close 0',
            `1 mkdir ${at('d')} 0777`,
            `1 mkdir ${at('d/e')} 06755`,
            `1 mkfifo ${at('p')} 0644`,
            `1 symlink f ${at('l')}`,
            `1 mknod ${at('n')} 0100666 0 0`,
            `4 open 0 ${at('f')} 02 0`,
            `2 open 0 ${at('f')} 0 0`,
            `4 open 0 ${at('d/new')} 0102 0644`,
            '1 umask 022',
          ]),
        )
  return cases
}

/** Access ACLs: who may do what, what chmod makes of them, what stat shows. */
function accessAcls(): Case[] {
  const acls = [
    'u:7,g:5,o:0',
    'u:6,u1002:4,g:0,m:7,o:0',
    'u:0,u1002:7,g:7,m:2,o:7',
    'u:7,g:0,g2000:5,m:7,o:0',
    'u:7,g:1,g2000:4,g1001:2,m:7,o:0',
    'u:7,u1001:0,g:7,g2000:7,m:7,o:7',
    'u:7,g:7,m:0,o:4',
  ]
  return acls.map(acl =>
    inFolder(at => [
      ...make('file', at('f'), OWNER),
      `0 chown ${at('f')} 1000 2000`,
      `4 setacl ${at('f')} a ${acl}`,
      `1 setacl ${at('f')} a ${acl}`,
      `0 stat ${at('f')}`,
      `4 getacl ${at('f')} a`,
      ...[ROOT, OWNER, MEMBER, 3, STRANGER].flatMap(by => [
        ...['0', '01', '02'].map(flags => `${by} open 1 ${at('f')} ${flags} 0`),
        ...[1, 2, 4, 6, 7].map(mask => `${by} access ${at('f')} ${mask}`),
      ]),
      ...['0700', '0664', '0', '02777', '0551'].flatMap(mode => [
        `1 chmod ${at('f')} ${mode}`,
        `0 stat ${at('f')}`,
        `0 getacl ${at('f')} a`,
        `2 access ${at('f')} 6`,
        `4 access ${at('f')} 4`,
      ]),
      `1 setacl ${at('f')} d ${acl}`,
      `1 removeacl ${at('f')} a`,
      `1 removeacl ${at('f')} a`,
      `0 stat ${at('f')}`,
      `1 chmod ${at('f')} 02755`,
      `0 chown ${at('f')} 1000 0`,
      `0 chmod ${at('f')} 02755`,
      `1 setacl ${at('f')} a ${acl}`,
      `0 stat ${at('f')}`,
      `1 setacl ${at('f')} a ${acl},x:1`,
      `1 setacl ${at('f')} a u:9,g:5,o:0`,
      `1 setacl ${at('f')} a u:7,g:5`,
    ]),
  )
}

/** Names, paths and links at and beyond their limits. */
function limits(): Case[] {
  const name = (bytes: number) => 'n'.repeat(bytes)
  const path = (bytes: number) => `${'./'.repeat(Math.floor((bytes - 1) / 2))}${bytes % 2 === 0 ? 'ab' : 'a'}`
  const calls = (target: string) => [
    `0 open 0 ${target} 0102 0644`,
    `0 lstat ${target}`,
    `0 chmod ${target} 0600`,
    `0 rename ${target} renamed`,
    `0 rename renamed ${target}`,
    `0 link ${target} linked`,
    '0 unlink linked',
    `0 symlink ${target} symbolic`,
    '0 readlink symbolic',
    '0 unlink symbolic',
    `0 unlink ${target}`,
    `0 mkdir ${target} 0755`,
    `0 rmdir ${target}`,
    `0 mkfifo ${target} 0644`,
    `0 unlink ${target}`,
    `0 truncate ${target} 0`,
    `0 access ${target} 0`,
    `0 utimens ${target} 0 now 0 now`,
    `0 setxattr ${target} user.a 1 1 0`,
  ]
  return [
    ...[1, 254, 255, 256].map(bytes => ({ lines: calls(name(bytes)) })),
    ...[4093, 4094, 4095, 4096].map(bytes => ({ lines: calls(path(bytes)) })),
    { lines: ['%n', '.', 'a/..', './.', 'missing/..'].flatMap(odd => calls(odd).slice(1, 5)) },
    inFolder(at => [
      `0 symlink loop1 ${at('loop2')}`,
      `0 symlink loop2 ${at('loop1')}`,
      ...calls(at('loop1/x')),
      ...calls(at('loop1')).slice(0, 8),
      ...Array.from({ length: 42 }, (_, i) => `0 symlink ${i === 0 ? 'end' : `s${i - 1}`} ${at(`s${i}`)}`),
      `0 open 0 ${at('end')} 0102 0644`,
      ...[38, 39, 40, 41].map(i => `0 stat ${at(`s${i}`)}`),
    ]),
    inFolder(at => [
      ...[255, 1023, 1024, 4094, 4095, 4096].flatMap(bytes => [
        `0 symlink ${name(bytes)} ${at(`l${bytes}`)}`,
        `0 readlink ${at(`l${bytes}`)}`,
        `0 lstat ${at(`l${bytes}`)}`,
      ]),
    ]),
    inFolder(at => [
      `0 open 0 ${at('f')} 0102 0644`,
      ...['user.', 'user', 'trusted.x', 'security.x', `user.${name(250)}`, `user.${name(251)}`].flatMap(xattr =>
        [0, 1, 65536, 65537].flatMap(bytes => [
          `0 setxattr ${at('f')} ${xattr} ${bytes} 7 0`,
          `0 getxattr ${at('f')} ${xattr}`,
          `0 getxattr ${at('f')} ${xattr} 1`,
          `1 getxattr ${at('f')} ${xattr}`,
          `1 setxattr ${at('f')} ${xattr} 1 1 0`,
          `0 setxattr ${at('f')} ${xattr} 2 1 1`,
          `0 setxattr ${at('f')} ${xattr} 2 1 2`,
          `0 removexattr ${at('f')} ${xattr}`,
          `0 setxattr ${at('f')} ${xattr} 2 1 2`,
        ]),
      ),
      `0 symlink f ${at('l')}`,
      `0 lsetxattr ${at('l')} user.a 1 1 0`,
      `0 lsetxattr ${at('l')} trusted.a 1 1 0`,
      `0 mkfifo ${at('p')} 0644`,
      `0 setxattr ${at('p')} user.a 1 1 0`,
      `0 setxattr ${at('p')} trusted.a 1 1 0`,
    ]),
    inFolder(at => [
      `0 open 0 ${at('f')} 0102 0644`,
      ...[2 ** 43, 2 ** 40].flatMap(bytes => [`0 ftruncate 0 ${bytes}`, '0 fstat 0', `0 pread 0 ${bytes - 5} 10`]),
      `0 pwrite 0 ${2 ** 40 + 3} 5 9`,
      `0 pread 0 ${2 ** 40} 20`,
      `0 pwrite 0 -1 5 9`,
      '0 ftruncate 0 -1',
      '0 ftruncate 0 0',
      '0 lseek 0 -1 0',
      '0 lseek 0 5 1',
      `0 posix_fallocate 0 0 0`,
      `0 posix_fallocate 0 -1 5`,
      `0 posix_fallocate 0 10 5`,
      '0 fstat 0',
    ]),
  ]
}

/** What each call makes of the times of a node and its folder, when it succeeds and when it fails. */
function times(): Case[] {
  const all: [call: string, by?: number][] = [
    ['chmod F 0600'],
    ['chmod F 0600', STRANGER],
    ['chown F 1000 1000'],
    ['chown F -1 -1'],
    ['chown F 0 0', STRANGER],
    ['link F D/linked'],
    ['link F D/f', STRANGER],
    ['rename F D/renamed'],
    ['rename F E/moved'],
    ['unlink F'],
    ['unlink D/missing'],
    ['truncate F 10'],
    ['truncate F 3'],
    ['truncate F 5', STRANGER],
    ['symlink x D/new'],
    ['mkdir D/new 0755'],
    ['mkdir D/f 0755'],
    ['mkfifo D/new 0644'],
    ['mknod D/new 020644 1 3'],
    ['open 1 D/new 0102 0644'],
    ['open 1 F 0102 0644'],
    ['open 1 F 01002 0644'],
    ['open 1 D/empty 01002 0644'],
    ['rmdir D/sub'],
    ['rmdir D'],
    ['setxattr F user.a 1 1 0'],
    ['removexattr F user.missing'],
    ['setacl F a u:6,u1002:4,g:4,m:4,o:4'],
    ['utimens F 5 0 5 0'],
    ['utimens F 5 omit 5 omit'],
    ['utimens F 5 0 5 0', STRANGER],
    ['write 0 10 1'],
    ['write 0 0 1'],
    ['pwrite 0 100000 10 1'],
    ['ftruncate 0 5'],
    ['fallocate 0 0 0 5000'],
    ['fallocate 0 3 0 100'],
    ['renameat2 F D/empty 2'],
    ['rename D/empty F'],
    ['list D'],
    ['fsync 0'],
  ]
  return all.map(([call, by = ROOT]) =>
    inFolder(at => {
      const line = `${by} ${call.replaceAll(/\bF\b/g, at('d/f')).replaceAll(/\bD\b/g, at('d')).replaceAll(/\bE\b/g, at('e'))}`
      return [
        `0 mkdir ${at('d')} 0755`,
        `0 mkdir ${at('e')} 0755`,
        `0 mkdir ${at('d/sub')} 0755`,
        `0 open 0 ${at('d/empty')} 0102 0644`,
        `0 open 0 ${at('d/f')} 0102 0644`,
        '0 write 0 7 1',
        '0 fsync 0',
        `0 link ${at('d/f')} ${at('other')}`,
        ...['d', 'other', 'e', 'd/empty'].map((name, key) => `0 stamp ${key} ${at(name)}`),
        '0 sleep 12',
        line,
        '0 fsync 0',
        ...['d', 'other', 'e', 'd/empty'].map((name, key) => `0 changes ${key} ${at(name)}`),
        '0 close 0',
      ]
    }),
  )
}

/** What lives on without its name, and what a name is replaced by while it is open. */
function withoutNames(): Case[] {
  return [
    inFolder(at => [
      `1 open 0 ${at('f')} 0102 0644`,
      '1 write 0 1000 5',
      `1 unlink ${at('f')}`,
      '1 fstat 0',
      '1 write 0 1000 6',
      '1 pread 0 0 3000',
      '1 ftruncate 0 1500',
      '1 fchmod 0 0600',
      '1 fchown 0 -1 2000',
      '1 futimens 0 5 0 6 0',
      '1 fsetxattr 0 user.a 3 1 0',
      '1 fgetxattr 0 user.a',
      '1 mapwrite 0 0 100 9',
      '1 lock 0 set 1 0 10 0',
      '1 flock 0 6',
      '1 fstat 0',
      `1 linkfd 0 ${at('again')}`,
      `1 open 1 ${at('f')} 0102 0644`,
      '1 pread 0 0 3000',
      '1 fstat 1',
    ]),
    inFolder(at => [
      `0 open 0 ${at('a')} 0102 0644`,
      '0 write 0 500 1',
      `0 open 1 ${at('b')} 0102 0644`,
      '0 write 1 700 2',
      `0 rename ${at('a')} ${at('b')}`,
      '0 fstat 0',
      '0 fstat 1',
      '0 pread 1 0 1000',
      '0 pwrite 1 700 10 3',
      `0 open 2 ${at('b')} 0 0`,
      '0 read 2 1000',
    ]),
    inFolder(at => [
      `0 mkdir ${at('d')} 0755`,
      `0 open 0 ${at('d')} 0200000 0`,
      `0 rmdir ${at('d')}`,
      '0 fstat 0',
      '0 fchmod 0 0700',
      `0 mkdir ${at('d')} 0755`,
      '0 fsync 0',
    ]),
  ]
}

export const tables = { renames, stickyFolders, rights, owners, inheritance, accessAcls, limits, times, withoutNames }
