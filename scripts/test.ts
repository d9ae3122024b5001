// `npm test`: everything that must hold before a change lands. Needs root for the mounts and network namespaces.
import { root, runAll } from './steps.ts'

const node = process.execPath

process.exitCode = await runAll([
  ['biome', 'node_modules/.bin/biome', ['check', '--error-on-warnings', '.']],
  ['tsc', 'node_modules/.bin/tsc', ['-p', root]],
  ['unused code', node, ['node_modules/.bin/knip', '--no-progress']],
  [
    ['tests', node, ['--test', '--test-concurrency=2', 'src/**/*.test.ts', 'test/!(lab|sim)/**/*.test.ts']],
    // They have a clock of their own, and take what the others, who often wait for disks, leave of the processors.
    ['simulations', 'nice', ['-n', '15', node, '--test', '--test-concurrency=1', 'test/sim/**/*.test.ts']],
  ],
  // Five machines at a time, with deadlines of seconds: the processors are theirs.
  ['laboratory', node, ['--test', '--test-concurrency=1', 'test/lab/*.test.ts']],
])
