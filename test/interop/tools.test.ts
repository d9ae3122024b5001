// The original's command line tools and meta mount find no difference between our master and theirs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { differing, toolAnswers } from './tool-answers.ts'

/** Commands and how they answer; every line is run in the mount's root. */
const SCRIPT = `
mkdir -p d1/sub d2
printf hello > d1/small; : > d1/empty; head -c 200000 /dev/zero > d1/sub/medium
ln d1/small d1/hard; ln -s small d1/link; mkfifo d1/fifo
mfsgetgoal d1/small d1 && mfsgetgoal -r d1
mfssetgoal 3 d1/small; mfssetgoal 2- d1/small; mfssetgoal 2+ d1/small; mfssetgoal -r 2 d1; mfssetgoal 10 d1
mfsgetgoal d1/fifo; mfsgetgoal d1/link; mfsgetgoal missing
mfsgettrashtime d1; mfssettrashtime 3601 d1/small; mfsgettrashtime d1/small; mfssettrashtime -r 7200 d1; mfsgettrashtime -r d1
mfsgeteattr -r d1; mfsseteattr -f noowner -f noattrcache d1/small; mfsgeteattr d1/small; mfsdeleattr -f noowner d1/small
mfsseteattr -r -f noentrycache d1; mfsgeteattr -r d1; mfscopyeattr d1/small d1/empty
mfsscadmin create -m strict A,B sc_ab; mfsscadmin create 2A+B,C sc_c; mfsscadmin list -l; mfslistsclass
mfsscadmin create sc_ab; mfsscadmin rename sc_c sc_d; mfsscadmin copy sc_ab sc_e; mfsscadmin modify -m loose sc_e
mfsscadmin modify -K A,A sc_d; mfsscadmin delete sc_e sc_none 3; mfsscadmin modify 4
mfssetsclass sc_d d2 d1/empty; mfsgetsclass d2 d1/empty; mfsgetsclass -r d1; mfsscadmin delete sc_d
mfsxchgsclass sc_d 2 d1/empty; mfsxchgsclass sc_d 2 d1/empty; mfssetsclass unknown d2
mfscheckfile d1/small d1/sub/medium d1/empty d1
mfsfileinfo d1/empty; mfsfileinfo d1/small | sed 's/copy [0-9]: .*/copy/;s/:[0-9A-F]* ver/:ID ver/;s/: 0000.*(/ (/' ; mfsfileinfo -q d1/small
mfsdirinfo d1; mfsdirinfo -idfclsr d1 d1/small; mfsdirinfo -p d1; mfsdirinfo d1/fifo
mfssetquota -i 100 -I 120 -l 10M -L 20Mi -p 1h d1; mfsgetquota d1 d2; mfsdelquota -i d1; mfsgetquota d1; mfsdelquota -a d1; mfsgetquota d1
mfssetquota -I 3 d2; touch d2/a d2/b d2/c d2/d; ls d2; mfsdelquota -I d2
mfsmakesnapshot d1 snap; mfsmakesnapshot d1 snap; mfsmakesnapshot -o d1/small snap/copy; find snap | sort; cat snap/d1/small snap/copy; mfsgeteattr snap/d1/small
mfsmakesnapshot d1 d1/below; mfsmakesnapshot -p d1 preserved; stat -c %h preserved/small
mfsrmsnapshot snap; mfsrmsnapshot d2; mfsrmsnapshot -f preserved; ls
mfsappendchunks joined d1/small d1/sub/medium; stat -c %s joined; mfsappendchunks joined joined; mfscheckfile joined
mfsfilerepair d1/small d1/empty d1
mfsfilepaths d1/small; mfsfilepaths d1
mfschkarchive d1 d1/small; mfssetarchive d1/small; mfschkarchive d1 d1/small; mfsclrarchive d1; mfschkarchive d1
mfssettrashtime 86400 d1/small d1/sub/medium; mfsseteattr -f undeletable d1/small; rm d1/small; mfsdeleattr -f undeletable d1/small
rm -f d1/small d1/hard d1/sub/medium; ls -R d1
`
/** The trash, seen through a meta mount. */
const TRASH_SCRIPT = `
find trash -type f -printf '%f %s\\n' | sed 's/^[0-9A-F]*//' | sort
file=$(find trash -name '*|medium'); cat "$file"; echo d1/back > "$file"; ls trash/*/ | grep -c 'd1|back'
mv "$(find trash -name '*|back')" trash/undel/; find trash -type f | wc -l
rm "$(find trash -name '*small')" ; find trash -type f | wc -l
ls -d trash sustained
`

test('every tool answers as with the real master', { skip: whyNot() ?? false }, async () => {
  installPackages()
  const script = { what: SCRIPT, inTrash: TRASH_SCRIPT, after: 'ls d1; cat d1/back | wc -c' }
  const real = await toolAnswers(script, async cluster => cluster.startRealMaster())
  const ours = await toolAnswers(script, cluster => cluster.startOurMaster())
  assert.equal(differing(ours, real), '')
})
