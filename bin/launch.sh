# Read by every command in this folder: runs its program with the Node that came with ElkFS, whatever Node the machine
# has. `exec`, so that the process that was started is the one that serves.
name=${self##*/}
root=${self%/bin/*}

# A checkout has node_modules inside; an installed package lies beside its dependencies, or has them inside.
node=$root/node_modules/node/bin/node
[ -x "$node" ] || node=${root%/*}/node/bin/node
if [ ! -x "$node" ]; then
  echo "$name: the packages of ElkFS are missing: run 'npm ci' in $root (once, with network)" >&2
  exit 1
fi

# A checkout runs its sources, an installed package the JavaScript made of them.
program=$root/src/cli/$name.ts
[ -f "$program" ] || program=$root/dist/cli/$name.js

# What Node makes of the sources before it runs them takes most of a short command's time, so it keeps that. Whoever may
# not write here goes without.
: "${NODE_COMPILE_CACHE=$root/node_modules/.cache/elkfs}"
export NODE_COMPILE_CACHE

# Through these flows data: much garbage, little that stays. With the small heap that V8 begins with it would mark
# everything after each few MiB.
case $name in
mfsmaster | mfschunkserver | mfsmount) heap=--initial-old-space-size=64 ;;
*) heap= ;;
esac
exec "$node" $heap "$program" "$@"
