// `npm run check`: lint, types, structure and unit tests. Seconds; no root, no network. Simulations are in `npm test`.
import { root, runAll } from './steps.ts'

process.exitCode = await runAll([
  ['biome', 'node_modules/.bin/biome', ['check', '--error-on-warnings', '.']],
  ['tsc', 'node_modules/.bin/tsc', ['-p', root]],
  [
    'unit tests',
    process.execPath,
    ['--test', '--test-reporter=dot', 'src/**/*.test.ts', 'test/{structure,golden}/*.test.ts'],
  ],
])
