// The tools of the original find no difference between our master and theirs, and ours, on our mount, say to the byte what
// theirs say.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { differing, toolAnswers } from './tool-answers.ts'

/** Every line is run in the mount's root. Usage texts are our own, so that lines that end in one leave stderr out. */
const SCRIPT = `
mkdir -p d1/sub d2; printf hello > d1/small; : > d1/empty; head -c 200000 /dev/zero > d1/sub/medium; head -c 70000000 /dev/zero > d1/big; truncate -s 200000000 d1/sparse
ln d1/small d1/hard; ln -s small d1/link; mkfifo d1/fifo; mkdir 'odd  name'; printf x > "odd  name/$(printf '\\344%%\\n')"; sync
mfsgetgoal d1/small d1 /etc / d1/fifo d1/link missing d2/none odd*/*; mfsgetgoal -r d1
mfssetgoal 3 d1/small d1/fifo; mfssetgoal 2- d1/small; mfssetgoal 2+ d1/small; mfssetgoal -r 1- d1; mfssetgoal -rh 3 d1
mfssetgoal 10 d1 2>/dev/null; mfssetgoal 2 2>/dev/null; mfsgetgoal -y d1 2>/dev/null
MFSHRFORMAT=H+ mfsgetgoal d1 -r; mfsrgetgoal d1
mfssettrashtime 3601 d1/small; mfsgettrashtime d1/small; mfssettrashtime -r 7200 d1; mfsgettrashtime -r d1; mfssettrashtime '1.5 h-' d1; mfssettrashtime 3600+ d1
mfssettrashtime 1y d1 2>/dev/null; mfscopytrashtime d1 d2 d1/small; mfscopytrashtime missing d1
mfsgeteattr d1; mfsseteattr -f noowner -f noattrcache d1/small; mfsgeteattr d1/small; mfsdeleattr -f noowner d1/small d1/small
mfsseteattr -r -f noentrycache d1; mfscopyeattr d1/small d1/empty; mfscopyeattr -r d1 d1; mfsgeteattr -rh d1; mfsseteattr -f nonsense d1 2>/dev/null; mfsseteattr d1 2>/dev/null
mfsscadmin create -m strict A,B sc_ab sc_ab; mfsscadmin create 2A+B,C sc_c; mfsscadmin create -K A,B -A 2B -d 30 sc_arch; mfsscadmin list -l; mfslistsclass; mfsscadmin create A,, sc_bad 2>/dev/null
mfsscadmin rename sc_c sc_d; mfsscadmin copy sc_ab sc_e; mfsscadmin modify -m loose sc_e; mfsscadmin modify -K A,A sc_d; mfsscadmin modify 4; mfsscadmin delete sc_e sc_none 3
mfssetsclass sc_ab d2 d1/empty; mfsgetsclass d2 d1/empty; mfsgetsclass -r d1; mfsxchgsclass sc_ab 2 d1/empty d1/empty; mfssetsclass unknown d2
mfscopysclass d2 d1/small; mfscopygoal d1/sub d1/small; mfsxchgsclass -r sc_ab 3 d1; mfsxchgsclass nope 1 d1/small
mfscheckfile d1/small d1/sub/medium d1/empty d1/big d1/sparse d1 d1/fifo; mfsfileinfo d1/empty d1/sparse d1/small d1/big; mfsfileinfo -q d1/small d1
mfsfileinfo -c d1/small d1/sub/medium; mfsfileinfo -s d1/empty d1/sub/medium; mfsfileinfo -cs d1/missing d1/small
mfsdirinfo d1 d1/fifo; mfsdirinfo -idfclsr d1 d1/small; mfsdirinfo -hp d1; mfsdirinfo -lHp d1; mfsdirinfo -ikl d1; MFSHRFORMAT=4 mfsdirinfo -ls d1
mfssetquota -i 100 -I 120 -l 10M -L 20Mi -p 1h d1; mfsgetquota d1 d2 d1/small; mfsdelquota -i d1; mfscopyquota d1 d2; mfsgetquota -h d1; mfsdelquota -aA d1; mfscopyquota d1 d2; mfssetquota -I 3 d2; touch d2/a d2/b d2/c d2/d; ls d2; mfsdelquota -I d2
mfssetquota -i 5. d1 2>/dev/null; mfssetquota -l 20E d1 2>/dev/null; mfssetquota -i 5 -i 6 d1 2>/dev/null; mfssetquota -p 2d d1 2>/dev/null; mfsdelquota -A d2
mfsmakesnapshot d1 snap; mfsmakesnapshot d1 d2 snap; mfsmakesnapshot -o d1/small snap/copy; find snap | sort; cat snap/d1/small snap/copy; mfsgeteattr snap/d1/small; mfsmakesnapshot d1/link snap; ls -l snap | grep -c link
mfsmakesnapshot d1 d1/below; mfsmakesnapshot -p d1 preserved; stat -c %h preserved/small; mfsmakesnapshot d1/small d1/empty d1/small d2; mfsmakesnapshot d1/ merged; ls d2 merged
mfsmakesnapshot d1/small new/; mfsmakesnapshot d1/small none/x; mfsmakesnapshot missing x; mfsmakesnapshot d1/small d1/empty x; mfsmakesnapshot d1/small /etc/x; mfsmakesnapshot d1/small 2>/dev/null; mfsmakesnapshot d1 newdir/; ls
mkdir readonly; mount -o bind,ro . readonly; mfssetgoal 2 readonly/d1; mfsgetgoal readonly/d1; umount readonly; rmdir readonly
cd d1; mfsmakesnapshot small other; mfsmakesnapshot . ../dot; mfsmakesnapshot sub ../dot/sub2/sub3; ls .. ../dot
mfsrmsnapshot snap; mfsrmsnapshot d2; mfsrmsnapshot -f preserved merged; mfsrmsnapshot d1/small; mfsrmsnapshot newdir dot; ls
mfsappendchunks joined d1/small d1/sub/medium; stat -c %s joined; mfsappendchunks joined joined; mfsappendchunks joined d1/missing d1; mfsappendchunks /etc/elkfs-test d1/small; rm -f /etc/elkfs-test
mfsappendchunks -s 0:1 part d1/big; mfsappendchunks -s -1: part d1/big; mfsappendchunks -s :-1 part d1/big; stat -c %s part; mfsappendchunks -s 1 part d1/big 2>/dev/null; stat -c %s part; mfscheckfile part
mfsfilerepair d1/small d1/empty d1 d1/big; mfsfilepaths d1/small d1 d1/link; mfsfilepaths 1 999999; cd d1; mfsfilepaths small $(stat -c %i small); cd /tmp; mfsfilepaths 5
mfschkarchive d1 d1/small; mfssetarchive d1/small; mfschkarchive d1/small d1/empty; mfsclrarchive d1; mfschkarchive -h d1; mfssetarchive d1/fifo missing
mfssettrashtime 86400 d1/small d1/sub/medium; mfsseteattr -f undeletable d1/small; rm d1/small; mfsdeleattr -f undeletable d1/small
rm -f d1/small d1/hard d1/sub/medium; ls -R d1
`

/** The trash, seen through a meta mount. It has 4096 folders, so that it is searched once. */
const TRASH_SCRIPT = `
find trash -type f -printf '%s %p\\n' > ../list; sed 's/ trash.*\\/[0-9A-F]*/ /' ../list | sort
f=$(grep '|medium$' ../list | cut -d' ' -f2-); cat "$f"; echo d1/back > "$f"; ls "$(dirname "$f")" | sed 's/^[0-9A-F]*//'
d=$(dirname "$(grep '|medium$' ../list | cut -d' ' -f2-)"); mv "$d"/*'|back' trash/undel/; ls "$d" | wc -l
f=$(grep '|hard$' ../list | cut -d' ' -f2-); rm "$f"; ls "$(dirname "$f")" | wc -l
ls -d trash sustained
`

const script = { what: SCRIPT, inTrash: TRASH_SCRIPT, after: 'ls d1; cat d1/back | wc -c' }

/** With links to our tools before all else in PATH. */
async function withOurTools<T>(action: () => Promise<T>): Promise<T> {
  const links = mkdtempSync(join(tmpdir(), 'elkfs-tools-'))
  const { PATH } = process.env
  try {
    const { status } = spawnSync(join(import.meta.dirname, '../../bin/mfstools'), ['create'], { cwd: links })
    assert.equal(status, 0)
    process.env.PATH = `${links}:${PATH}`
    return await action()
  } finally {
    process.env.PATH = PATH
    rmSync(links, { recursive: true })
  }
}

test("what the original's tools say", { skip: whyNot() ?? false }, async t => {
  installPackages()
  const real = await toolAnswers(script, async cluster => cluster.startRealMaster())
  await t.test('they say of our master, too', async () => {
    const ofOurs = await toolAnswers(script, cluster => cluster.startOurMaster())
    assert.equal(differing(ofOurs, real), '')
  })
  await t.test('ours say on our mount', async () => {
    const ours = await withOurTools(() =>
      toolAnswers(
        script,
        cluster => cluster.startOurMaster(),
        cluster => cluster.mountOurs(),
      ),
    )
    // On stdout, in theirs, wherever it takes a moment.
    const withoutProgress = real.map(answer => answer.replace(/\r(?:[\d.]+% complete \r)?/g, ''))
    assert.equal(differing(ours, withoutProgress), '')
  })
})

test('every tool that the package names is there, and tells how it is used', () => {
  const bin = join(import.meta.dirname, '../../bin')
  const names = readdirSync(bin).filter(name => !['mfstools', 'launch.sh'].includes(name))
  const { stdout } = spawnSync(join(bin, 'mfstools'), ['--help'], { encoding: 'utf8' })
  const tools = [...stdout.matchAll(/^ {2}(mfs\w+)$/gm)].map(([, name = '']) => name)
  assert.ok(tools.length > 30)
  assert.deepEqual(
    tools.filter(name => !names.includes(name)),
    [],
  )
})

test('links that are there stay, and what is no tool is told', () => {
  const links = mkdtempSync(join(tmpdir(), 'elkfs-tools-'))
  const run = (...args: string[]) =>
    spawnSync(join(import.meta.dirname, '../../bin/mfstools'), args, { cwd: links, encoding: 'utf8' })
  try {
    assert.equal(run('create').status, 0)
    const again = run('create')
    assert.equal(again.status, 1)
    assert.match(again.stderr, /can't make mfsgetgoal here: File exists/)
    const strange = run('toString')
    assert.equal(strange.status, 1)
    assert.match(strange.stderr, /toString: unknown tool/)
  } finally {
    rmSync(links, { recursive: true })
  }
})
