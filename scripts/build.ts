// `npm run build`: dist/, the JavaScript that an installed package runs. A checkout never needs it.
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, runAll } from './steps.ts'

rmSync(join(root, 'dist'), { recursive: true, force: true })
process.exitCode = await runAll([['build', 'node_modules/.bin/tsc', ['-p', 'tsconfig.build.json']]])
// What browsers get as it is.
cpSync(join(root, 'src/web/assets'), join(root, 'dist/web/assets'), { recursive: true })
