// `npm test`: everything that must hold before a change lands. Needs root for the mounts and network namespaces.
import { root, runAll } from './steps.ts'

process.exitCode = runAll([
  ['biome', 'node_modules/.bin/biome', ['check', '--error-on-warnings', '.']],
  ['tsc', 'node_modules/.bin/tsc', ['-p', root]],
  ['unused code', process.execPath, ['node_modules/.bin/knip', '--no-progress']],
  ['tests', process.execPath, ['--test', '--test-concurrency=2', 'src/**/*.test.ts', 'test/!(lab)/**/*.test.ts']],
  // Five machines at a time, with deadlines of seconds: the processors are theirs.
  ['laboratory', process.execPath, ['--test', '--test-concurrency=1', 'test/lab/*.test.ts']],
])
