// What extra attributes, quotas, trash times, snapshots and repairs do to those who use the file system, with the tools of
// the original: the same on our master and through our mount as on theirs.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { type Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { differing, type Script, toolAnswers } from './tool-answers.ts'

const skip = whyNot() ?? false
const OUR_MASTER = join(import.meta.dirname, '../../bin/mfsmaster')

before(() => {
  if (!skip) installPackages({ setpriv: 'util-linux' })
})

/** Another user. */
const AS = (uid: number) => `setpriv --reuid ${uid} --regid ${uid} --clear-groups sh -c`
const [ANNA, BERT] = [AS(1000), AS(1001)]
const TRY_EACH =
  'import os, sys; exec("for each in sys.argv[1:]:\\n try: exec(each)\\n except OSError as error: print(error)")'
/** Tries statements of Python, all in one process: its start takes longer than they do. */
const xattrs = (...statements: string[]) =>
  `python3 -c '${TRY_EACH}' ${statements.map(each => `'${each}'`).join(' ')} 2>&1`

const EXTRA_ATTRIBUTES = `
chmod 777 .; mkdir d; chmod 777 d; for n in f g h; do echo text > d/$n; chmod 666 d/$n; done
mfsseteattr -f immutable d/f; echo more >> d/f; chmod 600 d/f; chown 5 d/f; mv d/f d/moved; ln d/f d/linked; rm -f d/f; touch d/f; cat d/f
: > d/f; mfssettrashtime 3600 d/f; mfssetgoal 3 d/f; mfsgetgoal d/f; mfsmakesnapshot d/f d/snapped; mfsgeteattr d/snapped; mfsappendchunks d/f d/g; mfsfilerepair d/f
mfsdeleattr -f immutable d/f; mfsgeteattr d/f; echo more >> d/f; cat d/f
mfsseteattr -f appendonly d/g; echo more >> d/g; cat d/g; : > d/g; echo x > d/g; rm -f d/g; mv d/g d/renamed; mv d/renamed d/g; ls d; mfsdeleattr -f appendonly d/g
mfsseteattr -f undeletable d/h; rm -f d/h; mv d/g d/h; mv d/h d/h2; echo more >> d/h2; mfsdeleattr -f undeletable d/h2; rm d/h2
mkdir i; touch i/a; mfsseteattr -f immutable i; touch i/b; mkdir i/c; rm -f i/a; mv i/a i/z; echo x >> i/a; mfsgeteattr i i/a; mfsdeleattr -f immutable i; rm i/a
mkdir a; touch a/a; mfsseteattr -f appendonly a; touch a/b; rm -f a/a; mv a/a a/z; mv a/b .; ls a; mfsdeleattr -f appendonly a
mfsseteattr -f undeletable i; rmdir i; mfsdeleattr -f undeletable i; rmdir i
mkdir n; echo x > n/f; chmod 600 n/f; mfsseteattr -r -f noowner n; ${ANNA} 'cat n/f; echo y >> n/f; chmod 644 n/f; chown 1000 n/f; stat -c "%u %a" n/f; rm n/f'; mfsgeteattr -r n
${ANNA} 'touch mine; mfsseteattr -f noowner mine; mfsgeteattr mine; mfsseteattr -f immutable mine; mfsseteattr -f noattrcache d; mfsdeleattr -f noowner mine'
mfsseteattr -f noattrcache -f noentrycache -f nodatacache n; touch n/new; mkdir n/sub; ln -s x n/link; mfsgeteattr n/new n/sub n/link; mfscopyeattr n d; mfsgeteattr d
mfsseteattr -f snapshot d; mfsgeteattr d; touch d/change; mfsgeteattr d; mfsseteattr -r -f snapshot d; mfsrmsnapshot d; ls -d d
mfsseteattr -f unknown d; mfsseteattr d; mfsgeteattr missing
`

const TRASH_TIMES = `
mkdir t; cd t; for n in a b c; do echo $n > $n; done; mfssettrashtime 0 a; mfssettrashtime 1 b; mfssettrashtime 1h c; mfsgettrashtime a b c
mfssettrashtime 2h30m t/a; mfssettrashtime 1d t/a; mfssettrashtime 1.5h t/a; mfssettrashtime 1w t/a; mfsgettrashtime t/a; mfssettrashtime x t/a
mfssettrashtime 86400+ t/b; mfssettrashtime 3600+ t/b; mfssettrashtime 3600- t/b; mfsgettrashtime t/b; mfscopytrashtime t/a t/b t/c; mfsgettrashtime t/b
mkdir t/sub; mfssettrashtime 7200 t; mkdir t/sub2; touch t/new; mfsgettrashtime t t/sub t/sub2 t/new; mfsgettrashtime -r t
mfssettrashtime -r 0 t/sub; ${ANNA} 'mfssettrashtime 0 t/a'; ${ANNA} 'mfssettrashtime -r 0 t'
echo gone > t/file; mfssettrashtime 3600 t/file; rm t/file; mkdir t/deep; echo deep > t/deep/file; rm -r t/deep; echo short > t/s; mfssettrashtime 0 t/s; rm t/s
`
const TRASH = `
ls trash | wc -l; ls -ld trash sustained trash/undel | cut -c1-10; find trash -type f > ../list; sed 's/.*[0-9A-F]|/|/' ../list | sort; ls sustained
f=$(grep '|t|file' ../list); stat -c '%s %a' "$f"; cat "$f"; echo '../bad' > "$f"; echo '' > "$f"; echo 'trash/t/a' > "$f"; d=$(dirname "$f"); ls $d | sed 's/^[0-9A-F]*//'; python3 -c 'import os,sys; os.rename(sys.argv[1], "trash/undel/x")' $d/*\\|a 2>&1 | tail -1 | cut -c1-40; ls $d | sed 's/^[0-9A-F]*//'
d=$(dirname "$(grep '|t|file' ../list)"); echo 'trash/new/folder/name' > $d/*\\|a; cat $d/*\\|name; mv $d/*\\|name $d/undel; ls $d | sed 's/^[0-9A-F]*//'
f=$(grep '|deep|file' ../list); rm "$f"; ls "$(dirname "$f")" | sed 's/^[0-9A-F]*//'; touch trash/x; mkdir trash/y; rm -rf trash/000; mv trash t2; ls sustained | wc -l
`
const AFTER_TRASH = 'cd trash; cat new/folder/name; stat -c "%u %a" new new/folder; ls t'

const QUOTAS = `
mkdir q; chmod 777 q; mfssetquota -I 3 q; touch q/1 q/2 q/3 q/4; ls q; mkdir q/d; ln q/1 q/5; mv q/1 .; touch q/4; mfsgetquota q
rm -r q 1; mkdir q; mfssetquota -L 100k q; head -c 60000 /dev/zero > q/a; head -c 60000 /dev/zero > q/b; stat -c %s q/a; truncate -s 200k q/a; truncate -s 10 q/a
rm -r q; mkdir q; mfssetquota -S 200M q; head -c 60000 /dev/zero > q/a; stat -c %s q/a; mfsgetquota q
rm -r q; mkdir q; mfssetquota -R 1G q; head -c 60000 /dev/zero > q/a; mfssetgoal 9 q/a; mfsgetquota q
rm -r q; mkdir q; mfssetquota -p 2 -i 1 -l 10 -s 10 -r 10 q; touch q/1; touch q/2; sleep 4.5; touch q/3; ls q; rm q/2; sleep 1.5; touch q/4; ls q
mfsdelquota -i q; mfsgetquota q; mfsdelquota -l -s q; mfsgetquota q; mfsdelquota -a q; mfsgetquota q; mfsdelquota -A q
mkdir q/sub; mfssetquota -I 5 q; mfssetquota -I 100 q/sub; touch q/sub/1 q/sub/2 q/sub/3 q/sub/4 q/sub/5; ls q/sub; mfsmakesnapshot q/sub/1 q/sub/copy; mfscopyquota q q/sub; mfsgetquota q/sub
mv q/sub/1 q/moved; mkdir other; touch other/f; mv other/f q/f; ln other q/l; ln -s x q/s; mfsappendchunks q/moved other/f
mfssetquota -i 1 -i 2 q; mfssetquota q; mfssetquota -L x q; mfssetquota -I 5 q/moved; mfssetquota -l 1Ki -L 1k q; mfssetquota -p 1d q; mfsgetquota -h q; mfsgetquota -H q; mfsgetquota -k q
${ANNA} 'mfssetquota -I 5 q; mfsgetquota q'; df -B1 q | tail -1 | wc -w
`

const SNAPSHOTS = `
chmod 777 .; mkdir s; cd s; mkdir d e; echo f > d/f; ln d/f d/g; ln -s f d/l; mkfifo d/p; mknod d/c c 1 3; chmod 640 d/f; chown 1000:1001 d/f; touch -d @1000000000 d/f d
mfsmakesnapshot s/d s/copy; ls s/copy; stat -c '%h %u %g %a %Y' s/copy/f s/copy; mfsmakesnapshot -p s/d s/linked; stat -c '%h' s/linked/f; mfsmakesnapshot -c s/d s/cp; stat -c '%u %a' s/cp/f s/cp
mfsmakesnapshot s/d/ s/e; ls s/e; mfsmakesnapshot s/d/f s/d/l s/e; mfsmakesnapshot -o s/d/f s/d/g s/e; mfsmakesnapshot s/d s/e; ls s/e; mfsmakesnapshot s/missing s/x; mfsmakesnapshot s/d s/e/x/y; mfsmakesnapshot s/d s/d
echo more >> s/copy/f; cat s/d/f; mfsgeteattr -r s/copy; mfsrmsnapshot s/copy; ls s/copy; mfsrmsnapshot -f s/copy; ls s/copy; mfsrmsnapshot s/linked s/cp; ls s
${ANNA} 'mfsmakesnapshot s/d an; ls an; stat -c "%u %g %a" an an/f; mfsmakesnapshot -c s/d ac; stat -c "%u %g %a" ac/f'; ${BERT} 'mfsmakesnapshot s/d be; ls be; mfsrmsnapshot an; mfsrmsnapshot be'; ls
mkdir big; for i in $(seq 40); do mkdir big/$i; for j in $(seq 40); do : > big/$i/$j; done; done; mfsmakesnapshot big big2; find big2 | wc -l; mfssetgoal -r 3 big2; mfssettrashtime -r 0 big2; mfsgetgoal -r big2; mfsrmsnapshot big2; ls
`

const PARTS = `
for n in a b; do head -c 3000000 /dev/zero > $n; done; mfsappendchunks joined a b a; stat -c %s joined; mfscheckfile joined; mfsfileinfo joined | grep -c chunk
mfsappendchunks -s 0:1 part joined; stat -c %s part; mfsappendchunks -s -1: part joined; stat -c %s part; mfsappendchunks -s 1:2 part2 joined; stat -c %s part2; mfsappendchunks -s 5:9 part3 joined; stat -c %s part3; mfsappendchunks -s 2:1 part4 joined
mfsappendchunks -s :-1 part5 joined; stat -c %s part5; mfsappendchunks x missing; mfsappendchunks . a; mfsappendchunks a
echo change >> joined; tail -c 7 joined; cmp -n 3000000 a joined && echo same; mfssetarchive a; mfschkarchive a b; mfschkarchive .; mfsclrarchive a; mfschkarchive a
truncate -s 200M sparse; mfscheckfile sparse; mfsfileinfo sparse; mfsdirinfo sparse; mfsfilerepair sparse a; mfsfilepaths a; mkdir p; ln a p/b; mfsfilepaths p/b
${ANNA} 'mfsappendchunks a b; mfsfilerepair a; mfsfilepaths a; mfscheckfile a'
`

const XATTRS = `
touch f; mkdir d; ln -s f l; chmod 666 f; chmod 777 .
${xattrs(
  'os.setxattr("f","user.a",b"x"*65536); print(len(os.getxattr("f","user.a")))',
  'os.setxattr("f","user.a",b"x"*65537)',
  'os.setxattr("f","user."+"n"*250,b"v"); print(len(os.listxattr("f")))',
  'os.setxattr("f","user."+"n"*251,b"v")',
  '[os.setxattr("f","user."+str(i)+"m"*240,b"v") for i in range(300)]',
  'print(len(os.listxattr("f")))',
  'os.setxattr("f","user.a",b"",os.XATTR_CREATE)',
  'os.setxattr("f","user.zz",b"",os.XATTR_REPLACE)',
  'os.removexattr("f","user.zz")',
  'os.setxattr("f","trusted.t",b"1"); os.setxattr("f","security.s",b"2"); print(sorted(os.listxattr("f"))[:2])',
)}
`

const LIMITS = `
touch f; mkdir d; mfssetgoal 1 f; mfssetgoal 2 f; mfssetgoal 3 d; mfssetgoal 4 d; mfssetgoal 1- f; mfssetgoal 5+ f; mfssetsclass 9 f; mfsgetgoal f d
mfssettrashtime 0 f; mfssettrashtime 3600 f; mfssettrashtime 86400 f; mfssettrashtime 90000 f; mfssettrashtime 0- f; mfssettrashtime 90000+ f; mfsgettrashtime f
chown 5 f; chmod 600 f; ln f g; mfsmakesnapshot f g; mfsseteattr -f noowner f; mfsseteattr -f immutable f; mfssetquota -I 5 d; mfsscadmin create 2 sc; ls
${xattrs('os.setxattr("f","user.a",b"x")')}
`

const all: Script = {
  what: {
    ...{ attributes: EXTRA_ATTRIBUTES, quotas: QUOTAS, snapshots: SNAPSHOTS, parts: PARTS, xattrs: XATTRS },
    trash: TRASH_TIMES,
  },
  inTrash: TRASH,
  after: AFTER_TRASH,
}

const limited: Script = {
  what: LIMITS,
  exports:
    '* / rw,mingoal=2,maxgoal=3,mintrashtime=1h,maxtrashtime=1d,maproot=0,disable=chown:link:snapshot:setxattr\n* . rw\n',
}

test('extra attributes, quotas, snapshots, trash and repairs: the same on our master', { skip }, async t => {
  const real = await toolAnswers(all, async cluster => cluster.startRealMaster())
  await t.test('with the real mount', async () => {
    assert.equal(differing(await toolAnswers(all, cluster => cluster.startOurMaster()), real), '')
  })
  await t.test('through our mount', async () => {
    const mount = (cluster: Cluster) => cluster.mountOurs('-o', 'mfsdev,mfssuid')
    assert.equal(differing(await toolAnswers(all, cluster => cluster.startOurMaster(), mount), real), '')
  })
})

test('limits and forbidden operations of an export bind the tools', { skip }, async () => {
  const real = await toolAnswers(limited, async cluster => cluster.startMasterWith('mfsmaster'))
  const ours = await toolAnswers(limited, async cluster => cluster.startMasterWith(OUR_MASTER))
  assert.equal(differing(ours, real), '')
})
